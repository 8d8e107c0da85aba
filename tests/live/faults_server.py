# SPDX-License-Identifier: GPL-2.0-only
"""Rows of faults.py: what happens to the server and to the tracer's process."""
import glob
import os
import signal
import subprocess

import faults_stage as fs
import steady
from faults_stage import Failed, Tracer, action, get, read, wait_until

SERVERS = "set -euo pipefail; . /src/scripts/lib/hosting.sh; . /src/scripts/lib/servers.sh; . /src/scripts/lib/mta.sh; "


def shell(text):
    done = subprocess.run(["bash", "-c", SERVERS + text], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise Failed(f"{text}: {done.stdout[-200:]} {done.stderr[-300:]}")


def processes(name):
    """Pids of the stage's processes of that name."""
    own = os.readlink("/proc/self/ns/mnt")
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        pid = path.split("/")[2]
        try:
            if read(path).decode().strip() == name and os.readlink(f"/proc/{pid}/ns/mnt") == own:
                found.append(int(pid))
        except OSError:
            continue
    return found


def pins():
    return sorted(glob.glob("/sys/fs/bpf/**", recursive=True))


def not_wrong(run, token, r):
    """Exact is the judge's. Inferred names the script, and nobody else's; none names nothing."""
    how, path = get(r, "spamtrace.attribution"), get(r, "file.path")
    if how == "exact":
        return
    run.need(get(r, "spamtrace.reason"), f"{token}: {how}, without a reason")
    want = {"inferred": run.truth.fields(token)["file.path"], "none": None}
    run.need(how in want and path == want[how], f"{token}: {how}, as {path}")


def kill(run):
    before = pins()
    a = run.tracer()
    ids = a.bpf_ids()
    run.need({k for k, _ in ids} >= {"prog_id", "map_id"}, f"what it holds was not found: {ids}")
    run.need(fs.bpf_alive(ids) == ids, "the kernel does not know what the tracer holds")
    slow = [fs.as_site(s, ["php", f"{fs.docroot(s)}/slow.php", run.prefix("slow", s)]) for s in (1, 2)]
    in_flight = [run.prefix("slow", s) for s in (1, 2)]
    for token in in_flight:
        wait_until("the slow injection", lambda t=token: os.path.exists(f"/tmp/waiting-{t}"))
    busy, wanted = run.begin(60)
    wait_until("some messages", lambda: a.count() >= 20)
    a.kill(signal.SIGKILL)
    a.process.wait()
    try:
        wait_until("", lambda: not fs.bpf_alive(ids), 10)
    except Failed:
        run.need(False, f"left behind: {sorted(fs.bpf_alive(ids))}")
    run.need(pins() == before, "pinned objects were left behind")
    b = run.tracer()
    open("/tmp/go", "w").close()
    for p in slow:
        p.wait(60)
    os.unlink("/tmp/go")
    for p in busy:
        fs.finish(p)
    later = run.send(20, 1)
    run.settle(b, wanted + later + in_flight, len(later) + len(in_flight))
    status = b.stop()
    j = run.judge(b, later + in_flight)
    run.need(status == 0, f"exit status {status} after the restart, lost {b.lost()}")
    run.need(not j.missing, f"not reported after the restart: {j.missing[:3]}")
    by_token = {run.truth.queue.get(get(r, "email.local_id")): r for r in b.records() if action(r) == "mail-queued"}
    for token in in_flight:
        run.need(get(by_token.get(token, {}), "spamtrace.attribution") in ("none", "inferred"),
                 f"{token}: {get(by_token.get(token, {}), 'spamtrace.attribution')}")
    # whose injection began before this tracer, or while there was none
    for token in in_flight + wanted:
        if token in by_token:
            not_wrong(run, token, by_token[token])
    words = {get(by_token[t], "spamtrace.attribution") for t in in_flight if t in by_token}
    for token in later:
        run.need(get(by_token.get(token, {}), "spamtrace.attribution") == "exact", f"{token} is not exact")
    first = run.judge(a, [])
    return (f"{len(ids)} kernel objects gone, no pins; before: {first.exact} exact, after: {j.exact} exact, "
            f"{len(j.unsure)} not proved; in flight: {', '.join(sorted(map(str, words)))}")


def mta(run):
    t = run.tracer()
    senders, wanted = run.begin(60)
    wait_until("some messages", lambda: t.count() >= 20)
    if run.mta == "postfix":
        shell("postfix stop >/dev/null 2>&1; while postfix status 2>/dev/null; do sleep .05; done; postfix start >/dev/null 2>&1")
    else:
        for pid in processes("qmail-send"):
            os.kill(pid, signal.SIGTERM)
        wait_until("the end of qmail-send", lambda: not processes("qmail-send"))
        # the rest of start_qmail() is there already
        subprocess.Popen(["/var/qmail/bin/qmail-start"], cwd="/", stdin=subprocess.DEVNULL,
                         stdout=open("/var/log/stage/qmail-again.log", "wb"), stderr=subprocess.STDOUT)
        wait_until("qmail-send", lambda: processes("qmail-send"))
    for s in senders:
        fs.finish(s)
    wanted += run.send(20, 1)
    j = run.all_exact(t, wanted)
    for q in get(t.ended(), "spamtrace.queues"):
        run.need(q["unexplained"] == 0, f"the books: {q}")
    return f"{run.mta} stopped and started between; {j}"


def httpd(run):
    t = run.tracer()
    conf = "/etc/stage/mod.conf"
    env = "export PHP_INI_SCAN_DIR=:/etc/stage/mod.ini.d; "
    wanted = run.web("mod", 5)
    masters = [read("/run/apache/mod.pid").strip()]
    shell(f"{env} apache2 -f {conf} -k graceful")
    wanted += run.web("mod", 5, 1)
    masters.append(read("/run/apache/mod.pid").strip())
    pid = int(masters[0])
    shell(f"apache2 -f {conf} -k stop")
    wait_until("the end of httpd", lambda: not os.path.exists(f"/proc/{pid}"))
    shell(f"{env} run_httpd mod 8081 :/etc/stage/mod.ini.d")
    wanted += run.web("mod", 5, 2)
    masters.append(read("/run/apache/mod.pid").strip())
    run.need(masters[0] == masters[1] != masters[2], f"masters: {masters}")
    run.settle(t, wanted)
    status = t.stop()
    j = run.judge(t, wanted)
    run.need(status == 0, f"exit status {status}, lost {t.lost()}")
    run.need(not j.missing, f"not reported: {j.missing[:3]}")
    for r in j.unsure:
        token = run.truth.queue.get(get(r, "email.local_id"), "")
        run.need(get(r, "spamtrace.reason"), f"{token}: not exact, without a reason")
        run.need(".2#" in token, f"{token}: not exact, and that httpd was not new")
    # where a new one's module lies is asked when it forks, and a first message may be quicker
    run.need(len(j.unsure) <= 1, f"{len(j.unsure)} not proved: {[get(r, 'spamtrace.reason') for r in j.unsure[:2]]}")
    return f"graceful, then stopped and started (new master, new module address); {j}"


def two(run):
    a, b = run.tracer(), run.tracer()
    senders, wanted = run.begin(30)
    for s in senders:
        fs.finish(s)
    first = run.all_exact(a, list(wanted))
    wanted += run.send(10, 1)
    second = run.all_exact(b, wanted)
    return f"first: {first}; second, and after the first had ended: {second}"


def start(run):
    idle = subprocess.Popen(["/opt/faults/storm", "idle", "2000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    idle.stdout.readline()
    shell("""start_fpm crowd; sed -i -e 's/pm = ondemand/pm = static/' -e 's/pm.max_children = 4/pm.max_children = 32/' \
        /etc/stage/crowd.conf; kill -USR2 $(cat /run/fpm/crowd/pid)""")
    version = os.listdir("/etc/php")[0]
    comm = f"php-fpm{version}"
    try:
        wait_until("500 FPM workers", lambda: len(processes(comm)) >= 500, 90)
        workers, others = len(processes(comm)), len(glob.glob("/proc/[0-9]*"))
        t = Tracer(run.row, "--strict", "-o", "table")
        run.tracers.append(t)
        t.ready()
        seconds = t.seconds
        wanted = run.send(5) + run.web("fpm", 5)
        rss = steady.sample(t.pid)[0] / 1024
        run.all_exact(t, wanted)
    finally:
        idle.stdin.close()
        idle.wait()
        shell("kill -TERM $(cat /run/fpm/crowd/pid)")
        wait_until("the end of FPM", lambda: len(processes(comm)) < 100)
    return f"tracing after {seconds:.2f} s beside {others} processes, {workers} of them FPM; {rss:.1f} MiB"


ROWS = (("sigkill", kill), ("mta-restart", mta), ("httpd-restart", httpd),
        ("two-at-once", two), ("start-crowd", start))
