#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Queues that are moved away, are on a full disk, or hold what no MTA put there: spamtrace says so
in a line, and goes on. Runs inside a stage, started by tests/live/books."""
import argparse
import contextlib
import errno
import glob
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
from stage_tools import Tracer, wait_until  # noqa: E402

# MTA: (root of the queue, where its files lie, a name as its own, the name with which it would take a file)
QUEUES = {
    "postfix": ("/var/spool/postfix", "deferred", "4054AA7EA38"),
    "exim": ("/var/spool/exim4/input", ".", "1wXyZa-0000AB-0C-H"),
    "sendmail": ("/var/spool/mqueue", ".", "qf6ALIxnvF028821"),
    "nullmailer": ("/var/spool/nullmailer", "queue", "1795287642.29413"),
    "qmail": ("/var/qmail/queue", "mess/1", "24"),
}


def get(record, name):
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def stage_processes(program):
    """Pids of this stage: the machine's are seen, too."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if os.path.basename(os.readlink(f"{path}/exe")) == program and \
                    os.readlink(f"{path}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
                found.append(int(path[6:]))
        except OSError:
            pass
    return found


class Faults:
    def __init__(self, mta, out):
        self.mta = mta
        self.root, self.place, self.name = QUEUES[mta]
        self.results = []
        self.sent = 0
        with open("/run/mail-log", encoding="ascii") as f:
            self.log_path = f.read().strip()
        self.tracer = Tracer(out, "-i", "0.2")
        self.tracer.ready()

    def said(self):
        with open(self.tracer.stderr, encoding="utf-8", errors="replace") as f:
            return f.read()

    def told(self, text, since):
        """Waits until that text has been said more often than since, which is asked before the deed."""
        return wait_until(f"the line {text!r}", lambda: self.said().count(text) > since, 10)

    def result(self, name, right, why):
        self.results.append((name, "" if right else why))

    def alive(self):
        return self.tracer.process.poll() is None

    def send(self):
        """One message by a plain user; does its record come?"""
        self.sent += 1
        sender = f"fault.{self.sent}@truth.test"
        sent = subprocess.run(["/usr/sbin/sendmail", "-t", "-i", "-f", sender], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, user=10001, group=10001, extra_groups=[], cwd="/",
                              env={"PATH": "/usr/sbin:/usr/bin:/bin"},
                              input=f"From: {sender}\nTo: x@elsewhere.test\nSubject: fault\n\nbody\n".encode())
        if sent.returncode:
            return False
        return wait_until("its record", lambda: any(
            r["event"]["action"] == "mail-queued" and r.get("email", {}).get("sender", {}).get("address") == sender
            for r in self.tracer.records()), 20)

    def queued(self):
        return [r for r in self.tracer.records() if r["event"]["action"] == "mail-queued"]

    def samples(self):
        return [r["spamtrace"]["queue"] for r in self.tracer.records()
                if r["event"]["action"] == "queue-sampled" and r["spamtrace"]["queue"]["directory"] == self.root]

    def next_samples(self, count=3):
        have = len(self.samples())
        wait_until("further samples", lambda: len(self.samples()) >= have + count, 15)
        return self.samples()[have:]

    # ---- the faults ----

    def garbage(self):
        """Names that no MTA makes, links to nowhere, empty files and one of 2 GB, a pipe, a directory."""
        place = os.path.join(self.root, self.place)
        made = []
        try:
            # of two characters at least: Postfix's directories of one are there or not
            for name in ("rub-bish", "\x1b[31mred", "..hidden", "x" * 250, "-rf", "1 2", "\udcff\udcfe", "00", "qf", "df.",
                         "9" * 80, "core"):
                made.append(os.path.join(place, name))
                open(made[-1], "wb").close()
            for name, target in (("link", "/nowhere"), ("loop", "loop"), ("pass-wd", "/etc/passwd")):
                made.append(os.path.join(place, name))
                os.symlink(target, made[-1])
            made.append(os.path.join(place, "pipe"))
            os.mkfifo(made[-1])
            made.append(os.path.join(place, "a-directory"))
            os.mkdir(made[-1])
            seen = self.next_samples()
            self.result("garbage names", self.alive() and not any(q.get("unexplained") or q.get("missing") for q in seen),
                        f"samples: {seen[-1:]}")
            self.result("a message beside garbage", self.send(), "was not reported")
        finally:  # with it, Postfix does not start again
            for path in made:
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    def large(self):
        """A file of 2 GB under a name as the MTA's own, empty files likewise; counted, read bounded."""
        place = os.path.join(self.root, self.place)
        name = os.path.join(place, self.name)
        with open(name, "wb") as f:
            f.truncate(2 << 30)
        start = time.monotonic()
        seen = self.next_samples()
        took = time.monotonic() - start
        self.result("a file of 2 GB that was put there", self.alive() and took < 5 and seen[-1].get("unexplained") in (0, 1),
                    f"{took:.1f} s, {seen[-1:]}")
        if seen[-1].get("unexplained"):
            self.result("its note", "more than the hooks saw" in seen[-1].get("note", ""), seen[-1].get("note"))
        listed = subprocess.run(["spamtrace", "queue", "--mta", self.mta], capture_output=True, timeout=60, check=False)
        self.result("spamtrace queue reads around it", listed.returncode in (0, 1),
                    f"status {listed.returncode}: {listed.stderr[-200:]!r}")
        # nullmailer throws away what it cannot read, when it comes to it
        with contextlib.suppress(FileNotFoundError):
            os.truncate(name, 0)
            self.next_samples(1)
            os.unlink(name)
        seen = self.next_samples()
        # that one came and was not seen to come stays true
        self.result("and after it was removed", seen[-1].get("unexplained") in (0, 1) and not seen[-1].get("missing"),
                    f"{seen[-1:]}")

    def moved(self):
        """The queue's directory goes, and comes back. The MTA is not asked to work meanwhile."""
        away = self.root + ".away"
        os.rename(self.root, away)
        self.next_samples(1)
        alive = self.alive()
        os.rename(away, self.root)
        self.next_samples()
        self.result("the queue is moved away and back", alive and self.alive(), self.said()[-300:])
        self.result("a message after it", self.send(), "was not reported")

    def replaced(self):
        """An empty copy in its place, then the first one again: a line each time."""
        away, other = self.root + ".away", "is another directory now"
        since = self.said().count(other)
        os.rename(self.root, away)
        subprocess.run(["sh", "-c", f"cd {away} && find . -type d | (cd / && mkdir -p {self.root} && cd {self.root} && xargs mkdir -p)"],
                       check=True)
        told = self.told(other, since)
        since = self.said().count(other)
        subprocess.run(["rm", "-rf", self.root], check=True)
        os.rename(away, self.root)
        back = self.told(other, since)
        self.result("another directory in its place", told and back and self.alive(), self.said()[-300:])
        self.result("a message after that", self.send(), "was not reported")

    def removed(self):
        """A queue of its own, of a further instance, removed for good while it is traced."""
        away = self.root + ".gone"
        other, lost, back = "is another directory now", "cannot be counted; tracing goes on", "can be counted again"
        since = self.said().count(other)
        os.rename(self.root, away)
        subprocess.run(["cp", "-a", away, self.root], check=True)
        self.told(other, since)
        # and no line of the move is to come: it is counted before it is removed
        wait_until("a count of the copy", lambda: not self.samples()[-1].get("missing"), 10)
        since = self.said().count(lost)
        subprocess.run(["rm", "-rf", self.root], check=True)
        told = self.told(lost, since)
        since = self.said().count(back)
        os.rename(away, self.root)
        again = self.told(back, since)
        self.result("the queue's directory is removed: a line", told and self.alive(), self.said()[-300:])
        self.result("and it is counted again", again and self.alive(), self.said()[-300:])
        self.result("a message after its return", self.send(), "was not reported")

    def down(self):
        """Sent while the MTA is down: balanced, named for what it is, told once, and no other's when it is up again."""
        programs = {"exim": "exim4", "sendmail": "sendmail", "nullmailer": "nullmailer-send", "qmail": "qmail-send"}
        if self.mta == "postfix":
            subprocess.run(["postfix", "stop"], stderr=subprocess.DEVNULL, check=True)
        else:
            for pid in stage_processes(programs[self.mta]):
                os.kill(pid, signal.SIGTERM)
            wait_until("the MTA's end", lambda: not stage_processes(programs[self.mta]))
        before = len(self.queued())
        waits = self.mta in ("postfix", "sendmail")
        # with its record, which the two that take mail over by a daemon give after 10 s, under its first id
        told = self.send()
        seen = self.next_samples()
        self.result("sent while the MTA is down", told != waits and not seen[-1].get("unexplained"), f"{told}, {seen[-1:]}")
        if self.mta in ("postfix", "qmail"):
            wait_until("a note", lambda: "is the MTA running?" in self.samples()[-1].get("note", ""), 15)
            note = self.samples()[-1].get("note")
            self.result("and its note", "is the MTA running?" in (note or ""), note)
        start = {"postfix": ["postfix", "start"], "exim": ["exim4", "-bd"], "sendmail": ["/usr/sbin/sendmail-mta", "-bd", "-q1h"],
                 "nullmailer": ["setpriv", "--reuid=mail", "--regid=mail", "--clear-groups", "nullmailer-send"],
                 "qmail": ["/var/qmail/bin/qmail-start"]}[self.mta]
        subprocess.Popen(start, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.mta == "sendmail":
            wait_until("its port", lambda: subprocess.run(["/usr/sbin/sendmail-msp", "-Ac", "-q"], stdout=subprocess.DEVNULL, check=False,
                                                          stderr=subprocess.DEVNULL).returncode == 0)
        self.result("a message when it is up again", self.send(), "was not reported")
        since = self.queued()[before:]
        self.result("each told once, none another's", len(since) == 2 and all(get(r, "user.id") == "10001" for r in since),
                    f"{[(get(r, 'email.local_id'), get(r, 'user.id')) for r in since]}")

    def full(self):
        """A disk of a few KB that is full: the MTA refuses, and so it is told."""
        # Sendmail's daemon stays in the directory that it was started in, and takes the message there
        daemon = 1 if self.mta == "sendmail" else 0
        away, other = self.root + ".disk", "is another directory now"
        since = self.said().count(other)
        os.rename(self.root, away)
        os.mkdir(self.root)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", self.root], check=True)
        subprocess.run(["cp", "-a", f"{away}/.", self.root], check=False, stderr=subprocess.DEVNULL)
        try:
            with open(f"{self.root}/filler", "wb") as f:
                while True:
                    f.write(b"x" * 4096)
                    f.flush()
        except OSError as e:
            full = e.errno == errno.ENOSPC
        self.told(other, since)
        before = len([r for r in self.tracer.records() if r["event"]["action"] == "mail-queued"])
        subprocess.run(["/usr/sbin/sendmail", "-t", "-i"], input=b"To: x@elsewhere.test\n\n" + b"x" * 200000,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=60)
        seen = self.next_samples()
        after = len([r for r in self.tracer.records() if r["event"]["action"] == "mail-queued"])
        self.result("a full disk", full and self.alive() and bool(seen) and after - before <= daemon,
                    f"{after - before} messages, samples {seen[-1:]}")
        since = self.said().count(other)
        subprocess.run(["umount", "-l", self.root], check=True)
        os.rmdir(self.root)
        os.rename(away, self.root)
        self.told(other, since)
        self.result("a message after it", self.send(), "was not reported")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default="/out")
    args = p.parse_args()
    mta = os.environ["STAGE_MTA"]
    subprocess.run(["bash", f"{HERE}/books.sh"], check=True)
    faults = Faults(mta, args.out)
    faults.result("a message at first", faults.send(), "was not reported")
    for step in ("garbage", "large", "moved", "replaced", "removed", "down", "full"):
        if not faults.alive():
            faults.result(step, False, f"spamtrace has ended: {faults.said()[-300:]}")
            break
        try:
            getattr(faults, step)()
        except Exception as e:  # noqa: BLE001  what could not be done is a failure
            faults.result(step, False, f"{type(e).__name__}: {e}"[:300])
    status = faults.tracer.stop()
    faults.result("spamtrace ends as always", status == 0, f"status {status}")
    print(f"  queue faults, {mta}")
    for name, problem in faults.results:
        print(f"{'!' if problem else ' '} {name}: {problem or 'right'}")
    failed = sum(bool(p) for _, p in faults.results)
    with open(f"{args.out}/result", "w", encoding="ascii") as f:
        f.write(f"{len(faults.results) - failed} {failed}\n")


main()
