# SPDX-License-Identifier: GPL-2.0-only
"""What the rows of faults.py have in common: the tracer as a process, senders whose every message carries its truth,
and the judge. Runs inside a stage."""
import ctypes
import glob
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = "/out"
VHOSTS = "/var/www/vhosts"
DOMAINS = re.search(r"DOMAINS=\((.*?)\)",
                    open("/src/scripts/lib/hosting.sh", encoding="ascii").read()).group(1).split()
PORTS = {"fpm": 8082, "mod": 8081}
HANG = 60
PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import check  # noqa: E402
import queues  # noqa: E402

get, action = check.get, check.action


class Failed(Exception):
    """A row that cannot go on."""


def wait_until(what, test, limit=HANG):
    end = time.monotonic() + limit
    while not test():
        if time.monotonic() > end:
            raise Failed(f"{what} did not happen within {limit} s")
        time.sleep(0.01)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def lines_of(raw):
    """Records of whole lines; a cut last one is left out."""
    return [json.loads(line) for line in raw.split(b"\n")[:-1] if line.strip()]


# ---- senders ----

def docroot(site):
    return f"{VHOSTS}/{DOMAINS[site - 1]}/httpdocs"


def deploy():
    """send.php and the others, into every site; returns script -> the line of its "// here"."""
    at = {}
    for name in ("send.php", "slow.php", "fork.php"):
        text = open(f"{HERE}/sites/{name}", encoding="utf-8").read()
        at[name] = next((n for n, line in enumerate(text.split("\n"), 1) if line.endswith("// here")), 0)
        for site in range(1, len(DOMAINS) + 1):
            path = f"{docroot(site)}/{name}"
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            os.chown(path, 10000 + site, 10000 + site)
            os.utime(path, (time.time() - 3600,) * 2)
    return at


def as_site(site, argv, **more):
    uid = 10000 + site
    return subprocess.Popen(argv, user=uid, group=uid, extra_groups=[], cwd="/tmp", stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            env={"PATH": PATH}, **more)


class Truth:
    """Tokens look like ROW.KIND.sSITE.PART#NUMBER: what a token must be reported as follows from it."""

    def __init__(self, lines, mta):
        self.lines, self.mta = lines, mta
        self.queue = {}

    def fields(self, token):
        _, kind, site, *_ = token.split("#")[0].split(".")
        site = int(site[1:])
        script = "slow.php" if kind == "slow" else "send.php"
        path = f"{docroot(site)}/{script}"
        return {"file.path": path, "spamtrace.culprit.file": path, "spamtrace.culprit.line": self.lines[script],
                "user.id": "33" if kind == "mod" else str(10000 + site),
                "url.domain": DOMAINS[site - 1] if kind in PORTS else None,
                "email.subject": f"[{token}] offer"}

    def look(self):
        found = queues.queue(self.mta)
        self.queue = queues.qmail_committed(found) if self.mta == "qmail" else found
        return self.queue

    def settled(self, tokens):
        return set(tokens) <= set(self.look().values()) and \
            not (self.mta == "postfix" and os.listdir("/var/spool/postfix/maildrop"))


def children(pid):
    return [int(c) for c in read(f"/proc/{pid}/task/{pid}/children").split()]


def tokens(prefix, count):
    return [f"{prefix}#{i:05d}" for i in range(count)]


def send_cli(prefix, count, *more):
    """A running send.php of the prefix's site."""
    site = int(prefix.split(".")[2][1:])
    return as_site(site, ["php", f"{docroot(site)}/send.php", prefix, str(count), *more])


def finish(process, limit=180):
    """(messages, longest in ms) of a send.php."""
    out, _ = process.communicate(timeout=limit)
    if process.returncode:
        raise Failed(f"{process.args} ended with status {process.returncode}: {out[-200:]}")
    return [int(n) for n in out.split()]


def send_web(prefix, count):
    """The PHP_VERSION_ID that it was sent by."""
    kind, site = prefix.split(".")[1], int(prefix.split(".")[2][1:])
    connection = http.client.HTTPConnection("127.0.0.1", PORTS[kind], timeout=HANG)
    connection.request("GET", f"/send.php?p={prefix}&n={count}", headers={"Host": DOMAINS[site - 1]})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or not body.startswith(f"{count} ".encode()):
        raise Failed(f"{prefix}: {answer.status} {body[:200]}")
    return answer.getheader("X-PHP")


# ---- the tracer ----

class Tracer:
    number = 0

    def __init__(self, row, *args, env=None, recording=None, stdout=None, own_group=False):
        Tracer.number += 1
        base = f"{OUT}/{row}-{Tracer.number}"
        self.recording = recording or f"{base}.json"
        self.stderr, self.stdout = f"{base}.err", f"{base}.out"
        self.start = time.monotonic()
        with open(self.stdout, "wb") as o, open(self.stderr, "wb") as e:
            self.process = subprocess.Popen(
                ["spamtrace", "trace", "-w", self.recording, *(args or ("--strict", "-o", "table"))],
                stdin=subprocess.DEVNULL, stdout=stdout or o, stderr=e,
                env={"PATH": PATH, "LC_ALL": "C.UTF-8", **(env or {})}, process_group=0 if own_group else None)
        self.pid = self.process.pid

    def ready(self):
        wait_until("the line 'spamtrace: tracing'", lambda: self.process.poll() is not None or
                   b"spamtrace: tracing" in read(self.stderr), 30)
        if self.process.poll() is not None:
            raise Failed(f"spamtrace ended with status {self.process.returncode}: {read(self.stderr)[-300:]}")
        self.seconds = time.monotonic() - self.start
        return self

    def count(self):
        return read(self.recording).count(b'"mail-queued"')

    def records(self):
        return lines_of(read(self.recording))

    def kill(self, sig):
        os.kill(self.pid, sig)

    def state(self):
        """A letter of proc(5)."""
        return read(f"/proc/{self.pid}/stat").rsplit(b")", 1)[1].split()[0].decode()

    def stop(self, sig=signal.SIGINT, limit=30):
        """Its exit status."""
        if self.process.poll() is None:
            self.kill(sig)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(f"spamtrace did not end within {limit} s of {signal.Signals(sig).name}") from None

    def ended(self):
        found = [r for r in self.records() if action(r) == "trace-ended"]
        if len(found) != 1:
            raise Failed(f"{len(found)} trace-ended records")
        return found[0]

    def lost(self):
        return get(self.ended(), "spamtrace.lost") or {}

    def bpf_ids(self):
        """{(kind, id)} of the programs, maps and links that it holds."""
        found = set()
        for path in glob.glob(f"/proc/{self.pid}/fdinfo/*"):
            for kind, n in re.findall(rb"^(prog_id|map_id|link_id):\s+(\d+)", read(path), re.M):
                found.add((kind.decode(), int(n)))
        return found


BPF_GET_FD_BY_ID = {"prog_id": 13, "map_id": 14, "link_id": 30}  # include/uapi/linux/bpf.h


def bpf_alive(ids):
    """Which of them the kernel still has."""
    libc = ctypes.CDLL(None, use_errno=True)
    left = set()
    for kind, n in ids:
        attr = (ctypes.c_uint32 * 32)(n)
        fd = libc.syscall(321, BPF_GET_FD_BY_ID[kind], attr, ctypes.sizeof(attr))
        if fd >= 0:
            os.close(fd)
            left.add((kind, n))
        elif ctypes.get_errno() != 2:
            raise Failed(f"bpf(): {os.strerror(ctypes.get_errno())}")
    return left


# ---- the judge ----

class Judgement:
    def __init__(self):
        self.early = 0
        self.exact, self.unsure, self.wrong, self.missing, self.problems = 0, [], [], [], []

    def __str__(self):
        return f"{self.exact} exact, {len(self.unsure)} not proved, {len(self.wrong)} wrong, {len(self.missing)} missing"


NAMES = ("file.path", "spamtrace.culprit.file", "spamtrace.culprit.line", "url.domain", "user.id", "email.subject")


def in_submission(r):
    """Postfix: told at the end of the trace under the first id, which it then still had."""
    return get(r, "spamtrace.mta") == "postfix" and get(r, "email.subject") is None and \
        get(r, "email.sender.address") is None


def judge(records, queue, wanted, fields, cut_off=False):
    """records against the queue's own tokens: wanted tokens must be reported once each; whatever is reported of any
    token must name it rightly or not at all. cut_off: the trace ended while messages were on their way."""
    j = Judgement()
    seen, everything = {}, set(queue.values())
    for r in records:
        if action(r) != "mail-queued":
            continue
        token = queue.get(get(r, "email.local_id"))
        if token is None and cut_off and in_submission(r):
            j.early += 1
            continue
        if token is None:
            j.wrong.append(f"{get(r, 'email.local_id')} is no message of the queue ({get(r, 'email.subject')})")
            continue
        if token in seen:
            j.wrong.append(f"{token} was reported twice")
        seen[token] = r
        truth = fields(token)
        bad = [f"{token}: {n} is {truth[n]!r}, reported as {get(r, n)!r}" for n in NAMES
               if get(r, n) is not None and truth[n] is not None and get(r, n) != truth[n]]
        sure = get(r, "spamtrace.attribution") == "exact"
        absent = [n for n in NAMES if sure and truth[n] is not None and get(r, n) is None]
        if bad:
            j.wrong.extend(bad)
        elif absent:
            j.wrong.append(f"{token}: exact, without {', '.join(absent)}")
        elif sure:
            j.exact += 1
        else:
            j.unsure.append(r)
    j.missing = [t for t in wanted if t in everything and t not in seen]
    j.problems = [f"{t} never reached the queue" for t in wanted if t not in everything]
    return j
