# SPDX-License-Identifier: GPL-2.0-only
"""A storm of messages: PHP pages that start a qmail-queue for each, at a given pace, into a queue on tmpfs; what spamtrace uses
meanwhile, what it loses, how late it tells. And how long it takes to start."""
import http.client
import itertools
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import count_lines
import measure

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
import steady  # noqa: E402

QUEUE = "/var/qmail/queue"
SITES = ("blog.test", "shop.test", "club.test")
SENDERS = 6
# so many different ones in the phase held
SCRIPTS = int(os.environ.get("HELD_SCRIPTS") or SENDERS)
PORTS = (8081, 8091)
# Each message's envelope says which script it is of, and which of its worker's messages.
STORM = """<?php
set_time_limit(0);
$n = (int) $_GET['n'];
$first = (int) $_GET['first'];
$gap = 1e9 / $_GET['rate'];
$io = [['file', '/run/bench/message', 'r'], ['pipe', 'r']];
$start = hrtime(true);
for ($i = 0; $i < $n; $i++) {
    $p = proc_open(['/var/qmail/bin/qmail-queue'], $io, $pipes);
    fwrite($pipes[1], 'FSCRIPT.' . ($first + $i) . "@blog.test\\0Tx@elsewhere.test\\0\\0");
    fclose($pipes[1]);
    if (proc_close($p) !== 0) {
        http_response_code(500);
        break;
    }
    $ahead = $start + ($i + 1) * $gap - hrtime(true);
    if ($ahead > 0) {
        usleep((int) ($ahead / 1000));
    }
}
echo $i;
"""


def deploy(scripts=SENDERS):
    with open("/run/bench/message", "w", encoding="ascii") as f:
        f.write("To: x@elsewhere.test\nFrom: info@blog.test\nSubject: your parcel\n\n" + "Pay the fee.\n" * 40)
    for i in range(scripts):
        path = script(i)
        with open(path, "w", encoding="ascii") as f:
            f.write(STORM.replace("SCRIPT", str(i)))
        os.utime(path, (time.time() - 3600,) * 2)


def script(i):
    return f"/var/www/vhosts/{SITES[i % 3]}/httpdocs/storm{i}.php"


def count():
    return count_lines.Count(script, max(SCRIPTS, SENDERS), SENDERS)


def request(k, n, first, rate):
    """n messages of script k, numbered from `first`; how many it says were sent."""
    connection = http.client.HTTPConnection("127.0.0.1", PORTS[k % 2], timeout=300)
    connection.request("GET", f"/storm{k}.php?n={n}&first={first}&rate={rate}", headers={"Host": SITES[k % 3]})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"storm{k}: {answer.status}")
    return int(body)


# seconds that a message stays
STAY = 1.0
LOCAL_ID = re.compile(rb'"(?:email\.)?local_id": ?"(\d+)"')


def since_commit(line, now):
    """Seconds from a message's commit, the link of its envelope into todo, which is that file's last change. (A line's own time is,
    where fanotify tells of the queue, when the event was read.) One that is not there any more is that late at least."""
    try:
        return now - os.stat(f"{QUEUE}/todo/{LOCAL_ID.search(line).group(1).decode()}").st_ctime
    except FileNotFoundError:
        return STAY


def qmail_clean(age, stop):
    """In place of qmail-send and qmail-clean: takes messages away when they are `age` seconds old, in the order of qmail."""
    while not stop.is_set():
        limit = time.time() - age
        for entry in os.scandir(f"{QUEUE}/todo"):
            if entry.stat().st_mtime <= limit:
                n = entry.name
                os.unlink(f"{QUEUE}/intd/{n}")
                os.unlink(f"{QUEUE}/todo/{n}")
                os.unlink(f"{QUEUE}/mess/{int(n) % 23}/{n}")
        stop.wait(0.1)


class Tracer:
    """spamtrace with JSON lines in a file, which is read every few milliseconds: notes when each message's line is there. (A pipe
    would hold the tracer up whenever this process waits for a CPU.)"""

    def __init__(self, group, *options):
        self.group = group
        self.late = []
        self.count = count()
        self.removed = 0
        self.samples = []
        self.ended = {}
        self.rss_of_a_million = None
        self.file = "/run/bench/lines.json"
        start = time.monotonic()
        # a file: a pipe that nobody reads would hold the tracer up once it is full
        self.said = "/run/bench/said"
        with open(self.file, "wb") as out, open(self.said, "wb") as err:
            self.process = subprocess.Popen(["spamtrace", "trace", "-o", "json", *options], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err, preexec_fn=group.enter)
        measure.wait_until("spamtrace traces", self.traces)
        self.started = time.monotonic() - start
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def traces(self):
        if self.process.poll() is not None:
            raise RuntimeError("spamtrace does not trace")
        with open(self.said, "rb") as f:
            return b"spamtrace: tracing" in f.read()

    def read(self):
        rest, sampled = b"", 0
        with open(self.file, "rb") as f:
            while True:
                over = self.process.poll() is not None
                data = f.read()
                now = time.time()
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.line(line, now)
                if over and not data:
                    return
                if not over and now >= sampled + 1:
                    sampled = now
                    try:
                        self.samples.append((now, *steady.sample(self.process.pid)))
                    except OSError:
                        pass  # it has just ended
                time.sleep(0.005)

    def wait_lines(self, sent):
        """Until each message has its line, or no line has come for some seconds: what is missing is the judge's to say."""
        have, since = -1, 0.0
        while len(self.late) < sent and (len(self.late) != have or time.monotonic() < since + 5):
            if len(self.late) != have:
                have, since = len(self.late), time.monotonic()
            time.sleep(0.05)

    def steady(self, start, end):
        """steady.judge() of what was sampled in that time."""
        return steady.judge([s[1:] for s in self.samples if start <= s[0] <= end])

    def line(self, line, now):
        if count_lines.QUEUED in line:
            self.late.append(since_commit(line, now))
            self.count.line(line)
            if len(self.late) == 1_000_000:
                self.rss_of_a_million = measure.peak_rss(self.process.pid)
        elif b'"mail-removed"' in line:
            self.removed += 1
        elif b'"trace-ended"' in line:
            self.ended = json.loads(line)

    def stop(self):
        self.rss = measure.peak_rss(self.process.pid)
        self.process.send_signal(signal.SIGINT)
        self.reader.join(60)
        try:
            self.status = self.process.wait(60)
        finally:
            self.process.kill()


def get(record, name):
    """A field of a JSON line, whether its keys are nested or dotted."""
    if name in record:
        return record[name]
    for part in name.split("."):
        record = record.get(part, {}) if isinstance(record, dict) else {}
    return record or None


def send(total, rate):
    """All scripts at once, in requests of some seconds each; how many each has sent, in how long."""
    def one(i):
        sent, most = 0, max(1, int(rate / SENDERS * 20))
        while sent < total // SENDERS:
            sent += request(i, min(total // SENDERS - sent, most), sent, rate / SENDERS)
        return sent

    start = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(one, range(SENDERS))), time.monotonic() - start


def storm(group, total, rate, *options):
    stop = multiprocessing.Event()
    clean = multiprocessing.Process(target=qmail_clean, args=(STAY, stop))
    clean.start()
    tracer = Tracer(group, *options)
    before = usage(group)
    each, seconds = send(total, rate)
    sent = sum(each)
    after = usage(group)
    tracer.wait_lines(sent)
    tracer.stop()
    stop.set()
    clean.join()
    r = {"rate": sent / seconds, "asked": rate, "sent": sent, **tracer.count.result(each), "losses": get(tracer.ended, "spamtrace.lost") or {},
         "user": (after[0] - before[0]) / seconds, "system": (after[1] - before[1]) / seconds,
         "user_us": (after[0] - before[0]) / sent * 1e6, "rss": tracer.rss, "removed": tracer.removed,
         "late_ms": measure.quantiles([s * 1e3 for s in tracer.late]), "late_max_ms": max(tracer.late) * 1e3}
    return {**r, "problems": count_lines.problems(r) + count_lines.control(tracer.count, count)}


# Three times what the fastest MTA that is packaged takes on such a machine (Postfix, 340 to 360 a second, queue on tmpfs). A rate
# that nothing reaches is that without a pause.
HELD_RATE = float(os.environ.get("HELD_RATE") or 1200)


def held(group, seconds, messages=None):
    """HELD_RATE messages a second for so long, or until there are so many: what is not as it must be then."""
    stop = multiprocessing.Event()
    clean = multiprocessing.Process(target=qmail_clean, args=(STAY, stop))
    clean.start()
    tracer = Tracer(group, "--strict")
    start, begun = time.monotonic(), time.time()
    most = 1000 if SCRIPTS == SENDERS else 100

    def one(i):
        sent, left = 0, None
        for k in itertools.cycle(range(i, SCRIPTS, SENDERS)):
            if messages:
                left = messages // SENDERS + (i < messages % SENDERS) - sent
            if left == 0 if messages else time.monotonic() > start + seconds:
                return sent
            sent += request(k, min(most, left or most), sent, HELD_RATE / SENDERS)

    with ThreadPoolExecutor(SENDERS) as pool:
        each = list(pool.map(one, range(SENDERS)))
    took = time.monotonic() - start
    sent = sum(each)
    growth, figures = tracer.steady(begun, time.time())
    tracer.wait_lines(sent)
    measure.wait_until("the end of the queue", lambda: not files())
    stop.set()
    clean.join()
    time.sleep(1.5)  # a sample of what is left
    tracer.stop()
    queue = get(tracer.ended, "spamtrace.queues")[0]
    r = {"seconds": took, "sent": sent, "rate": sent / took, **tracer.count.result(each), "losses": get(tracer.ended, "spamtrace.lost") or {},
         "status": tracer.status, "rss": tracer.rss, "rss_of_a_million": tracer.rss_of_a_million, "left": files(), "growth": queue["growth"],
         "queued": queue["queued"], "removed": queue["removed"], "unexplained": queue["unexplained"], "late_max_ms": max(tracer.late) * 1e3,
         "verdict": get(tracer.ended, "spamtrace.verdict"), "steady": figures}
    found = count_lines.problems(r) + count_lines.control(tracer.count, count) + growth + steady.control()
    for wrong, what in ((r["missing"], f"{r['missing']} missing, losses {r['losses']}"), (r["status"], f"exit status {r['status']}"),
                        (r["growth"] or r["unexplained"], "the books do not balance")):
        if wrong:
            found.append(what)
    return {**r, "problems": found}


def files():
    """How many messages are in the queue."""
    return sum(len(os.listdir(f"{QUEUE}/mess/{n}")) for n in range(23))


def print_held(r):
    print(f"held for {r['seconds']:.0f} s: {r['sent']} messages at {r['rate']:.0f} a second; {r['right']} right "
          f"({r['scripts']} scripts), {r['wrong']} wrong, {r['unnamed']} unnamed, {r['missing']} missing, {r['twice']} twice, losses {r['losses']}; exit status under --strict {r['status']}; "
          f"peak RSS {r['rss']:.1f} MiB" + (f" ({r['rss_of_a_million']:.1f} after 1,000,000)" if r["rss_of_a_million"] else "") +
          f"; commit to line at most {r['late_max_ms']:.0f} ms\n"
          f"books: {r['queued']} came, {r['removed']} left, growth {r['growth']} ({r['left']} files), {r['unexplained']} unexplained: "
          f"{r['verdict']}\n"
          f"second quarter and last: {r['steady']}")
    print_problems(r)


def print_problems(r):
    for problem in r["problems"]:
        print(f"! {problem}")


def table_storm(group, total, rate):
    """The same with rows for a person; what was lost is in the exit status."""
    stop = multiprocessing.Event()
    clean = multiprocessing.Process(target=qmail_clean, args=(STAY, stop))
    clean.start()
    with open("/run/bench/table", "wb") as out:
        tracer = subprocess.Popen(["spamtrace", "trace", "-o", "table", "--strict"], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.PIPE, preexec_fn=group.enter)
    while b"spamtrace: tracing" not in tracer.stderr.readline():
        if tracer.poll() is not None:
            raise RuntimeError("spamtrace does not trace")
    before = usage(group)
    each, seconds = send(total, rate)
    sent = sum(each)
    after = usage(group)
    time.sleep(2)
    tracer.send_signal(signal.SIGINT)
    status = tracer.wait(60)
    stop.set()
    clean.join()
    return {"rate": sent / seconds, "sent": sent, "status": status, "user": (after[0] - before[0]) / seconds,
            "system": (after[1] - before[1]) / seconds, "user_us": (after[0] - before[0]) / sent * 1e6}


def usage(group):
    """(user, system) seconds."""
    with open(f"{group.dir}/cpu.stat", encoding="ascii") as f:
        text = f.read()
    return tuple(int(re.search(rf"{k}_usec (\d+)", text).group(1)) / 1e6 for k in ("user", "system"))


def start_times(group, count):
    out = []
    for _ in range(count):
        t = Tracer(group)
        out.append(t.started)
        t.stop()
    return measure.spread(out)


def idle_workers(count):
    """A pool of that many PHP-FPM workers that do nothing."""
    conf = "/etc/stage/idle.conf"
    with open(conf, "w", encoding="ascii") as f:
        f.write("[global]\npid = /run/fpm/idle.pid\nerror_log = /var/log/stage/idle.log\n[idle]\nuser = www-data\n"
                f"group = www-data\nlisten = /run/fpm/idle.sock\npm = static\npm.max_children = {count}\n")
    subprocess.run(["sh", "-c", f"php-fpm$(ls /etc/php) -y {conf}"], check=True)


def idle_cost(group, seconds):
    """Share of a core that spamtrace takes while nothing happens."""
    t = Tracer(group)
    before = usage(group)
    time.sleep(seconds)
    after = usage(group)
    t.stop()
    return {"user": (after[0] - before[0]) / seconds, "system": (after[1] - before[1]) / seconds, "rss": t.rss}


def fill(messages):
    """A queue that has grown: sampling counts it every second."""
    os.chmod(QUEUE, 0o755)
    for i in range(messages):
        n = 90000000 + i
        for d in (f"mess/{n % 23}", f"info/{n % 23}"):
            os.close(os.open(f"{QUEUE}/{d}/{n}", os.O_CREAT | os.O_WRONLY, 0o644))


def replay(messages):
    """The user side alone, fed from memory: what it keeps of many messages and scripts."""
    return json.loads(subprocess.run(["/opt/bench/replay", str(messages), str(messages // 100)], check=True, capture_output=True,
                                     text=True).stdout)


def run(total, repeats, messages_in_queue):
    deploy()
    group = measure.Group("tool")
    result = {"start": start_times(group, repeats), "idle": idle_cost(group, 5), "replay": replay(10 * total)}
    result["slow"] = storm(group, 20 * 5, 20)
    result["storm"] = storm(group, total, 1000)
    result["table"] = table_storm(group, total // 4, 1000)
    fill(messages_in_queue)
    result["in_queue"] = messages_in_queue
    result["idle_full"] = idle_cost(group, 5)
    idle_workers(500)
    result["start_500"] = start_times(group, repeats)
    return result


def print_result(r):
    for what, key in (("", "start"), (", 500 idle workers", "start_500")):
        s = r[key]
        print(f"start to 'tracing'{what}: median {s['median'] * 1000:.0f} ms ({s['min'] * 1000:.0f}..{s['max'] * 1000:.0f})")
    for what, key in (("an empty queue", "idle"), (f"{r['in_queue']} messages in the queue", "idle_full")):
        s = r[key]
        print(f"idle with {what}: {s['user'] * 100:.2f} % of a core in user space, {s['system'] * 100:.2f} % in the kernel, {s['rss']:.1f} MiB")
    s = r["table"]
    print(f"as a table: {s['sent']} messages at {s['rate']:.0f} a second: {s['user'] * 100:.2f} % of a core in user space, "
          f"{s['system'] * 100:.2f} % in the kernel; exit status under --strict {s['status']} (0: nothing was lost)")
    s = r["replay"]
    print(f"replay of {s['messages']} messages of {s['scripts']} scripts: {s['exact']} exact, {s['rss']:.1f} MiB, {s['user_us']:.1f} us of CPU each")
    for key in ("slow", "storm"):
        s = r[key]
        print(f"{s['sent']} messages at {s['rate']:.0f} a second: {s['right']} right, {s['wrong']} wrong, {s['unnamed']} unnamed, {s['missing']} missing, {s['twice']} twice, losses {s['losses']}; "
              f"{s['user'] * 100:.2f} % of a core in user space ({s['user_us']:.1f} us a message), {s['system'] * 100:.2f} % in the kernel; "
              f"peak RSS {s['rss']:.1f} MiB; commit to line: median {s['late_ms']['median']:.1f} ms, p95 {s['late_ms']['p95']:.1f}, most {s['late_max_ms']:.1f}")
        print_problems(s)
