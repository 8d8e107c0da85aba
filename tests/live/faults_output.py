# SPDX-License-Identifier: GPL-2.0-only
"""Rows of faults.py: disks, pipes, terminals, clocks and ends."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from datetime import datetime, timezone

import faults_stage as fs
from faults_stage import OUT, Failed, action, get, lines_of, read, wait_until


def disk_full(run):
    place = "/run/full"
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "full", place], check=True)
    try:
        t = run.tracer("--strict", "-o", "json", recording=f"{place}/recording")
        wanted = run.send(50)
        run.truth.settled(wanted)
        wait_until("a full disk", lambda: b"cannot be written" in read(t.stderr), 20)
        wait_until("all on the screen", lambda: read(t.stdout).count(b'"mail-queued"') >= len(wanted), 20)
        run.need(t.process.poll() is None, "it ended")
        size = os.path.getsize(t.recording)
        full = len(lines_of(read(t.recording)))
        subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)
        more = run.send(10, 1)
        run.settle(t, wanted + more, full + len(more))
        status = t.stop()
        raw = read(t.recording)
        with open(f"{OUT}/{run.row}.json", "wb") as f:
            f.write(raw)
    finally:
        subprocess.run(["umount", "-l", place], check=True)
    run.need(status == 2, f"exit status {status} although the recording has gaps")
    said = [x for x in read(t.stderr).decode().splitlines() if "space" in x.lower()]
    run.need(len(said) == 1, f"said {len(said)} times: {said[:3]}")
    run.need(read(t.stderr).count(b"can be written to again") == 1, "that it goes on was not said once")
    recorded, screen = lines_of(raw), lines_of(read(t.stdout))
    run.need(raw.endswith(b"\n"), "the last line is cut")
    on_screen = {get(r, "event.sequence") for r in screen}
    in_file = [get(r, "event.sequence") for r in recorded]
    run.need(in_file == sorted(set(in_file)), "the recording is out of order")
    gap = len(on_screen) - len(in_file)
    unwritten = (get(screen[-1], "spamtrace.lost") or {}).get("recording-unwritten")
    run.need(gap > 0 and unwritten == gap, f"{gap} events are not in the recording, {unwritten} are said to be")
    told = [get(r, "spamtrace.unwritten") for r in recorded if get(r, "spamtrace.unwritten")]
    run.need(sum(told) == gap, f"the lines tell of {told}, {gap} are missing")
    ids = {get(r, "email.local_id") for r in recorded}
    queue = run.truth.look()
    run.need({q for q, x in queue.items() if x in more} <= ids, "recording did not go on when there was room")
    j = fs.judge(screen, queue, wanted + more, run.truth.fields)
    run.need(j.exact == len(wanted + more) and not j.wrong, f"the screen: {j}")
    report = subprocess.run(["spamtrace", "report", f"{OUT}/{run.row}.json"], capture_output=True, text=True, check=False)
    run.need(report.returncode == 0 and "recording-unwritten" in report.stdout, "report does not tell of the gap")
    return f"full at {size} bytes, said once; {gap} events unwritten and counted, {len(more)} recorded after; screen: {j}"


def pipe_closed(run):
    words = []
    for part, output in enumerate(("json", "table")):
        recording = f"{OUT}/{run.row}-{output}.json"
        with open(f"{OUT}/{run.row}-{output}.err", "wb") as err:
            whole = subprocess.Popen(
                ["bash", "-c", f"spamtrace trace --strict -o {output} -w {recording} | head -3; echo ${{PIPESTATUS[0]}}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err, text=True)
        wait_until("tracing", lambda o=output: b"spamtrace: tracing" in read(f"{OUT}/{run.row}-{o}.err"), 30)
        wanted = run.send(10, part)
        try:
            out, _ = whole.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            subprocess.run(["kill", *map(str, fs.children(whole.pid))], check=False)
            whole.kill()
            raise Failed(f"{output}: it goes on although nobody reads") from None
        status = out.splitlines()[-1]
        run.need(status == "0", f"{output}: exit status {status}")
        run.need(len(out.splitlines()) == 4, f"{output}: {len(out.splitlines()) - 1} lines came through")
        raw = read(recording)
        records = lines_of(raw)
        run.need(raw.endswith(b"\n") and action(records[-1]) == "trace-ended", f"{output}: the recording has no end")
        numbers = [get(r, "event.sequence") for r in records]
        run.need(numbers == list(range(1, len(numbers) + 1)), f"{output}: gaps in the recording")
        wait_until("the queue", lambda w=wanted: run.truth.settled(w))
        j = fs.judge(records, run.truth.queue, [], run.truth.fields, cut_off=True)
        run.need(not j.wrong, f"{output}: {j} {j.wrong[:2]}")
        for r in j.unsure:
            run.need(get(r, "spamtrace.reason"), f"{output}: not exact, without a reason")
        words.append(f"{output}: exit 0, {len(records)} events recorded, no gap")
    return "; ".join(words)


PLAIN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78]")


def resized(run):
    pid, master = pty.fork()
    if pid == 0:
        os.execve("/usr/local/sbin/spamtrace", ["spamtrace", "trace", "-w", f"{OUT}/{run.row}.json"],
                  {"PATH": fs.PATH, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    screen, lock = bytearray(), threading.Lock()

    def drain():
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            if not data:
                return
            with lock:
                screen.extend(data)

    def size(columns, rows):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def seen():
        with lock:
            return len(screen)

    def redrawn():
        """Twice, because one redraw may be under way."""
        def count():
            with lock:
                return screen.count(b"\r\x1b[J")
        before = count()
        wait_until("two redraws of the status line", lambda: count() >= before + 2, 20)

    def widths(start, end):
        with lock:
            text = screen[start:end].decode(errors="replace")
        return [len(PLAIN.sub("", x).rstrip()) for x in re.split(r"[\r\n]+", text)]

    size(80, 24)
    threading.Thread(target=drain, daemon=True).start()
    status = None
    try:
        wait_until("tracing", lambda: b"spamtrace: tracing" in screen, 30)
        redrawn()
        marks, found, wanted = [], [], []
        for part, columns in enumerate((80, 150, 100)):
            size(columns, 24)
            redrawn()
            marks.append(seen())
            wanted += run.send(3, part)
            run.truth.settled(wanted)
            wait_until("the rows", lambda n=len(wanted): read(f"{OUT}/{run.row}.json").count(b'"mail-queued"') >= n, 20)
            redrawn()
            found.append(max(widths(marks[-1], seen())))
            run.need(found[-1] <= columns, f"a line of {found[-1]} columns on a terminal of {columns}")
        run.need(found[0] < found[2] < found[1], f"widest lines at 80, 150 and 100 columns: {found}")
        last = seen()
        os.write(master, b"\x03")
        wait_until("the summary", lambda: b"VERDICT" in screen[last:], 20)
        _, status = os.waitpid(pid, 0)
    finally:
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(master)
    run.need(os.waitstatus_to_exitcode(status) == 0, f"exit status {os.waitstatus_to_exitcode(status)}")
    run.need(max(widths(last, len(screen))) <= 100, "the summary is wider than the terminal")
    return f"widest lines {found[0]}, {found[1]}, {found[2]} on 80, 150 and 100 columns"


def stamp(record):
    text = get(record, "@timestamp")
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


PROBES = 100  # parts of messages that only ask for the clock


def clock(run):
    """Stepped for the tracer alone, by a preloaded library."""
    if b"ld-linux" not in read("/usr/local/sbin/spamtrace")[:65536]:
        raise Failed("the binary is static: nothing can be preloaded; give a dynamic one by SPAMTRACE=")
    path = "/run/step"
    with open(path, "wb") as f:
        f.write(struct.pack("q", 0))

    def step(seconds):
        """Until a message is stamped by it: the clock is looked at now and then."""
        with open(path, "r+b") as f:
            f.write(struct.pack("q", seconds))
        end = time.monotonic() + 20
        while abs(off(seconds)) > 60:
            if time.monotonic() > end:
                raise Failed(f"the clock was stepped by {seconds} s, and stamps do not follow")

    def off(seconds):
        """How far the stamp of a message sent now is off a clock stepped by that."""
        probes.append(run.send(1, PROBES + len(probes), (1,))[0])
        run.settle(t, wanted + probes)
        i = next(i for i, token in run.truth.queue.items() if token == probes[-1])
        return next(stamp(r) for r in t.records() if get(r, "email.local_id") == i and action(r) == "mail-queued") - time.time() - seconds

    t = run.tracer("--strict", "-o", "table", env={"LD_PRELOAD": "/opt/faults/clock.so", "FAKE_CLOCK": path})
    start = time.time()
    wanted, probes, steps = [], [], (0, 3600, -7200, 0)
    for part, seconds in enumerate(steps):
        step(seconds)
        wanted += run.send(4, part)
        run.settle(t, wanted + probes)
    run.all_exact(t, wanted + probes)
    real = time.time() - start
    records, queue = t.records(), run.truth.look()
    for r in records:
        token = queue.get(get(r, "email.local_id"))
        if action(r) != "mail-queued" or token is None or token in probes:
            continue
        want = steps[int(token.split("#")[0].rsplit(".", 1)[1])]
        late = stamp(r) - time.time() - want
        run.need(-real - 5 < late < 5, f"{token}: stamped {late:.0f} s off the clock of its time")
    ended = t.ended()
    run.need(abs(get(ended, "event.duration") / 1e9 - real) < 5,
             f"{get(ended, 'event.duration') / 1e9:.0f} s is not how long it took ({real:.0f} s)")
    rates = [abs(get(r, "spamtrace.queue.growth_per_minute") or 0) for r in records]
    run.need(max(rates) < 1e5, f"growth of {max(rates)} a minute")
    run.need(get(records[-1], "event.sequence") == len(records), "events are out of order")
    return f"+1 h, -3 h, +2 h: stamps follow, lasted {get(ended, 'event.duration') / 1e9:.0f} s, lost 0"


def suspended(run):
    """Ctrl-Z. In a group of its own: one whose parents are of other sessions is not stopped by it anyway."""
    t = run.tracer(own_group=True)
    t.kill(signal.SIGTSTP)
    wait_until("a word on it, or the stop", lambda: b"not suspended" in read(t.stderr) or t.state() == "T", 20)
    if t.state() == "T":
        t.kill(signal.SIGCONT)
        raise Failed("it is stopped: what happens in the queues piles up in the kernel")
    wanted = run.send(3)
    run.settle(t, wanted)
    run.all_exact(t, wanted)
    return "told that it is not, goes on"


def ends(run):
    for part, sig in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        t = run.tracer()
        wanted = run.send(3, part)
        run.settle(t, wanted)
        status = t.stop(sig)
        name = signal.Signals(sig).name
        run.need(status == 0, f"{name}: exit status {status}")
        run.need(b"VERDICT" in read(t.stdout), f"{name}: no summary")
        run.need(get(t.ended(), "spamtrace.totals.messages") == len(wanted), f"{name}: totals {t.ended()}")
    return "SIGINT, SIGTERM, SIGHUP: summary, end record, exit 0"


def report_of(path):
    done = subprocess.run(["spamtrace", "report", path], capture_output=True, text=True, check=False, timeout=30)
    machine = subprocess.run(["spamtrace", "report", "--json", path], capture_output=True, text=True, check=False,
                             timeout=30)
    return done, json.loads(machine.stdout) if machine.returncode == 0 else {}


def truncated(run):
    t = run.tracer()
    wanted = run.send(10)
    run.settle(t, wanted)
    t.stop()
    raw = read(t.recording)
    whole, machine = report_of(t.recording)
    run.need(whole.returncode == 0 and get(machine, "spamtrace.totals.messages") == len(wanted), "the whole recording")
    run.need("no end" not in whole.stdout, "the whole one is said to have no end")
    cuts = [len(raw) // 3, len(raw) // 2, len(raw) - 1, len(raw) - 700, raw.index(b"\n") + 2]
    for cut in cuts:
        path = f"{OUT}/{run.row}.cut"
        with open(path, "wb") as f:
            f.write(raw[:cut])
        there = lines_of(raw[:cut])
        try:  # a whole line that lacks only its end counts
            there.append(json.loads(raw[:cut].split(b"\n")[-1]))
        except ValueError:
            pass
        count = sum(action(r) == "mail-queued" for r in there)
        done, machine = report_of(path)
        run.need(done.returncode == 0, f"cut at {cut}: exit status {done.returncode} {done.stderr[:100]}")
        run.need(get(machine, "spamtrace.totals.messages") == count,
                 f"cut at {cut}: {get(machine, 'spamtrace.totals.messages')} messages, {count} are in it")
        ended = any(action(r) == "trace-ended" for r in there)
        text = " ".join(done.stdout.split())
        run.need(ended or "the recording has no end" in text, f"cut at {cut}: the missing end is not said")
        run.need(ended or "cut short" in text, f"cut at {cut}: the cut line is not said")
    return f"{len(cuts)} cuts: each read, what is in it counted, what is missing said"


ROWS = (("disk-full", disk_full), ("pipe-closed", pipe_closed), ("resized", resized), ("clock-stepped", clock),
        ("suspended", suspended), ("ends", ends), ("truncated", truncated))
