#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sends mail from every kind of source while spamtrace traces, does to the queue what
administrators do, and compares the books with the MTA's own log. Runs inside a stage, started by
tests/live/books."""
import argparse
import glob
import json
import os
import pwd
import random
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import books_judge  # noqa: E402
import books_log  # noqa: E402
import queues  # noqa: E402
from stage_tools import DOMAINS, Tracer, docroot, request, wait_until, write  # noqa: E402

SENDMAIL = "/usr/sbin/sendmail"
PLAIN_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
SITES = (1, 2, 3, 4)
OUTSIDE, SINK, NOBODY, FORWARDED = "x@elsewhere.test", "sink@localhost", "nobody-here@localhost", "fwd@localhost"

# What each MTA can do. `forward`: an alias to elsewhere makes a second message.
ABLE = {
    "postfix": {"smtp", "auth", "bs", "forward", "unknown"},
    "exim": {"smtp", "auth", "bs", "unknown"},
    "sendmail": {"smtp", "auth", "bs", "unknown"},
    "nullmailer": {"relay"},
    "qmail": {"smtp", "auth", "bs", "forward", "unknown", "listed"},
}
# source -> (share of all messages, messages of one run or session)
MIX = {"script": (20, 1), "cli": (18, 4), "user": (22, 1), "bs": (9, 3), "smtp": (21, 5), "auth": (10, 3),
       "listed": (8, 2)}
# qmail: /etc/tcp.smtp gives this client RELAYCLIENT, and no other (books.sh)
LISTED, UNLISTED = "127.0.0.9", "127.0.0.1"


@dataclass
class Plan:
    sender: str
    to: str
    way: str
    site: int
    fields: dict = field(default_factory=dict)

    @property
    def source(self):
        return {"bs": "user", "auth": "smtp-auth", "listed": "smtp"}.get(self.way, self.way)


def user_of(site):
    return pwd.getpwnam(f"site{site}")


def as_user(argv, site, **more):
    pw = user_of(site)
    return dict(args=argv, user=pw.pw_uid, group=pw.pw_gid, extra_groups=[], cwd=pw.pw_dir,
                env={**PLAIN_ENV, "HOME": pw.pw_dir, "USER": pw.pw_name, "LOGNAME": pw.pw_name},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


class Books:
    def __init__(self, mta, total):
        self.mta, self.able, self.total = mta, ABLE[mta], total
        self.sent = {}
        self.attempts = 0
        self.aborted_sessions = 0
        self.count = 0
        self.admin_removed = []
        with open("/run/mail-log", encoding="ascii") as f:
            self.log_path = f.read().strip()
        for site in SITES:
            write(f"{docroot(site)}/books.php", open(f"{HERE}/sites/books.php", encoding="utf-8").read(),
                  10000 + site)

    # ---- what is sent ----

    def plan(self, way, to, site):
        self.count += 1
        p = Plan(f"{way}.{self.count:04d}@truth.test", to, way, site)
        script = f"{docroot(site)}/books.php"
        if way in ("script", "cli"):
            p.fields = {"file.path": script, "spamtrace.culprit.line": 6, "spamtrace.attribution": "exact",
                        "user.id": str(10000 + site)}
            if way == "script":
                p.fields["url.domain"] = DOMAINS[site - 1]
        elif way in ("user", "bs"):
            p.fields = {"file.path": None, "user.id": str(10000 + site)}
        else:
            p.fields = {"client.ip": self.client(way, site), "file.path": None, "spamtrace.auth_user": None}
            if way == "auth":
                p.fields["spamtrace.auth_user"] = "info@shop.test"
        self.sent[p.sender] = p
        return p

    def client(self, way, site):
        """Where a white list decides, half of those who log in are on it."""
        on_it = "listed" in self.able and (way == "listed" or (way == "auth" and site % 2 == 0))
        return LISTED if on_it else UNLISTED

    def recipient(self, way, i):
        if "relay" in self.able:
            return ("reject@elsewhere.test" if way == "user" and i % 8 == 3 else
                    "ok@elsewhere.test" if i % 3 == 1 else OUTSIDE)
        if way == "smtp" and "listed" in self.able:
            return SINK
        if way == "user" and i % 6 == 3:
            return NOBODY
        if way == "user" and i % 6 == 5:
            return FORWARDED
        return SINK if i % 4 == 1 else OUTSIDE

    def jobs(self):
        jobs = []
        for way, (share, group) in MIX.items():
            if way in ("bs", "smtp", "auth", "listed") and way not in self.able:
                continue
            for n in range(max(1, self.total * share // 100 // group)):
                site = SITES[n % len(SITES)]
                jobs.append((way, [self.plan(way, self.recipient(way, n * group + k), site)
                                   for k in range(group)]))
        for n in range(4):
            jobs += [("killed", n), ("refused", n)]
            if "smtp" in self.able:
                jobs += [("dropped-rcpt", n), ("dropped-data", n), ("reset", n)]
        random.Random(4).shuffle(jobs)
        return jobs

    def text(self, p):
        return f"From: {p.sender}\r\nTo: {p.to}\r\nSubject: books of {p.sender}\r\n\r\nbody\r\n"

    def run(self, job):
        way, what = job
        getattr(self, "send_" + way.replace("-", "_"))(what)

    def send_script(self, plans):
        for p in plans:
            request("fpm", p.site, "/books.php?m=" + urllib.parse.quote(f"{p.sender}>{p.to}"))

    def send_cli(self, plans):
        site = plans[0].site
        subprocess.run(check=True, stdin=subprocess.DEVNULL, **as_user(
            ["php", f"{docroot(site)}/books.php", *(f"{p.sender}>{p.to}" for p in plans)], site))

    def send_user(self, plans):
        for p in plans:
            subprocess.run(check=True, input=self.text(p).replace("\r", "").encode(), **as_user(
                [SENDMAIL, "-t", "-i", "-f", p.sender], p.site))

    def send_bs(self, plans):
        """Several messages in one run, and a transaction that is given up."""
        lines = ["EHLO books.test"]
        for p in plans:
            lines += [f"MAIL FROM:<{p.sender}>", f"RCPT TO:<{p.to}>", "DATA", self.text(p) + "."]
        lines += ["MAIL FROM:<given-up@truth.test>", f"RCPT TO:<{OUTSIDE}>", "RSET", "QUIT"]
        args = as_user([SENDMAIL, "-bs"], plans[0].site)
        args["stdout"] = subprocess.PIPE
        args["env"]["RELAYCLIENT"] = ""  # qmail-smtpd takes nothing for elsewhere otherwise
        with subprocess.Popen(stdin=subprocess.PIPE, **args) as run:
            answers = run.stdout
            answers.readline()
            for line in lines:
                run.stdin.write(line.encode() + b"\r\n")
                run.stdin.flush()
                while (a := answers.readline())[3:4] == b"-":
                    pass
                if a[:1] not in (b"2", b"3"):
                    raise RuntimeError(f"-bs: {line[:60]}: {a}")

    def session(self, client=None):
        client = client or self.client("listed", 0)
        return smtplib.SMTP("127.0.0.1", 25, local_hostname="books.test", timeout=60, source_address=(client, 0))

    def send_smtp(self, plans, login=False):
        with self.session(plans[0].fields["client.ip"]) as s:
            s.ehlo()
            if login:
                s.login("info@shop.test", "secret")
            for p in plans:
                s.sendmail(p.sender, [p.to], self.text(p))

    def send_auth(self, plans):
        self.send_smtp(plans, login=True)

    def send_listed(self, plans):
        self.send_smtp(plans)

    def relays(self, client):
        """May a client send to elsewhere without a login?"""
        with self.session(client) as s:
            s.ehlo()
            s.mail("relay@truth.test")
            answer = s.rcpt(OUTSIDE)[0]
            s.rset()
        return answer == 250

    def send_reset(self, _):
        with self.session() as s:
            s.ehlo()
            s.mail("reset@truth.test")
            s.rcpt(OUTSIDE)
            s.rset()

    def send_dropped_rcpt(self, _):
        s = self.session()
        s.ehlo()
        s.mail("dropped@truth.test")
        s.rcpt(OUTSIDE)
        s.sock.shutdown(socket.SHUT_RDWR)
        s.close()

    def send_dropped_data(self, n):
        s = self.session()
        s.ehlo()
        s.mail("dropped@truth.test")
        s.rcpt(OUTSIDE)
        s.docmd("DATA")
        s.send(b"Subject: half\r\n\r\n" + b"x" * 70 + b"\r\n" * (1 + n * 4000))
        s.sock.shutdown(socket.SHUT_RDWR)
        s.close()

    def send_killed(self, n):
        """An injector that dies in mid-message, after its exec."""
        with subprocess.Popen(stdin=subprocess.PIPE, **as_user(
                [SENDMAIL, "-t", "-i", "-f", f"killed.{n}@truth.test"], SITES[n % 4])) as run:
            run.stdin.write(b"To: x@elsewhere.test\nSubject: half\n\nhal")
            run.stdin.flush()
            comm = f"/proc/{run.pid}/comm"
            wait_until("the injector's exec", lambda: "python" not in open(comm, encoding="ascii").read())
            run.kill()
            try:
                run.stdin.close()
            except BrokenPipeError:
                pass
        self.attempts += 1

    def send_refused(self, n):
        subprocess.run(input=b"Subject: none\n\nno recipient\n", **as_user(
            # qmail takes a message without recipients
            [SENDMAIL, "-Z" if self.mta == "qmail" else "-i", "-f", f"refused.{n}@truth.test"], SITES[n % 4]))
        self.attempts += 1

    # ---- what administrators do ----

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            log = books_log.read(self.mta, f.read())
        if self.mta not in ("postfix", "exim"):  # their logs have it
            log.removed += [(i, "administrator") for i in self.admin_removed]
        return log

    def ids(self, way):
        """Ids of messages to elsewhere, which lie in the queue."""
        waiting = {p.sender for p in self.sent.values() if p.way == way and p.to == OUTSIDE}
        return [m.id for m in self.log().messages if m.sender in waiting]

    def command(self, *argv, **more):
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, **more)

    def hold_and_retry(self):
        hold = self.ids("user")[:3]
        if self.mta == "postfix":
            for i in hold:
                self.command("postsuper", "-h", i)
            self.command("postqueue", "-f")
            self.command("postsuper", "-H", hold[0])
        elif self.mta == "exim":
            self.command("exim4", "-Mf", *hold)
            self.command("exim4", "-qf")
            self.command("exim4", "-Mt", hold[0])
        elif self.mta == "sendmail":
            self.command("sendmail-mta", "-q")

    def remove_by_hand(self):
        victims = self.ids("cli")[:4] + self.ids("user")[-2:]
        if self.mta == "postfix":
            for i in victims:
                self.command("postsuper", "-d", i)
        elif self.mta == "exim":
            self.command("exim4", "-Mrm", *victims)
        elif self.mta == "sendmail":
            for i in victims:
                os.unlink(f"/var/spool/mqueue/qf{i}")
                os.unlink(f"/var/spool/mqueue/df{i}")
        elif self.mta == "nullmailer":
            for i in victims:
                os.unlink(f"/var/spool/nullmailer/queue/{i}")
        else:
            self.qmail_stopped(lambda: [self.qmail_unlink(i) for i in victims])
        self.admin_removed = victims
        return len(victims)

    def qmail_pids(self, name):
        found = []
        for exe in glob.glob("/proc/[0-9]*/exe"):
            try:
                if os.readlink(exe) == f"/var/qmail/bin/{name}" and os.stat(exe[:-3] + "root").st_ino == os.stat("/").st_ino:
                    found.append(int(exe.split("/")[2]))
            except OSError:
                pass
        return found

    def qmail_stopped(self, work):
        pids = self.qmail_pids("qmail-send")
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        wait_until("qmail's end", lambda: not self.qmail_pids("qmail-send") and not self.qmail_pids("qmail-clean"))
        work()
        with open("/var/log/stage/qmail-again.log", "ab") as out:
            subprocess.Popen(["/var/qmail/bin/qmail-start"], cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until("qmail's start", lambda: self.qmail_pids("qmail-send"))

    def qmail_unlink(self, i):
        for path in glob.glob(f"/var/qmail/queue/*/*/{i}"):
            os.unlink(path)

    def orphan(self):
        """A qmail-queue that is killed while it reads its message: while it runs the file is in
        flight, afterwards it is an orphan. The judge is told through the samples."""
        args = as_user(["/var/qmail/bin/qmail-queue"], 1)
        run = subprocess.Popen(stdin=subprocess.PIPE, **args)
        run.stdin.write(b"Subject: half\n\nhalf")
        run.stdin.flush()
        self.attempts += 1
        return run

    # ---- counts ----

    def files(self):
        """queue directory -> the files that are messages, by a plain look."""
        pattern, name, _ = queues.MTAS[self.mta]
        if self.mta == "postfix":
            pattern = pattern + ["/var/spool/postfix/maildrop/*"]
        root = {"postfix": "/var/spool/postfix", "exim": "/var/spool/exim4/input", "sendmail": "/var/spool/mqueue",
                "nullmailer": "/var/spool/nullmailer", "qmail": "/var/qmail/queue"}[self.mta]
        found = {root: {f for p in pattern for f in glob.glob(p) if re.match(name, os.path.basename(f))}}
        if self.mta == "sendmail":
            found["/var/spool/mqueue-client"] = set(glob.glob("/var/spool/mqueue-client/qf*"))
        return found

    def directories(self):
        """queue directory -> number of messages, when two looks in a row find the same: a message
        that moves meanwhile is found twice, or not at all."""
        looks = [None]

        def same():
            looks.append(self.files())
            return looks[-1] == looks[-2]

        wait_until("a queue in which nothing moves", same, 30)
        return {d: len(files) for d, files in looks[-1].items()}


def settled(books, tracer):
    """Everything is in the log, the log has come to rest, and so has the recording."""
    bounces = sum(p.to in (NOBODY, "reject@elsewhere.test") for p in books.sent.values())
    forwards = sum(p.to == FORWARDED for p in books.sent.values()) if "forward" in books.able else 0
    wanted = len(books.sent) + bounces + forwards

    def here():
        # what a killed injector left may be in the log too, and is not among the wanted
        return sum(not books_judge.cut_short(m) for m in books.log().messages) >= wanted

    done = wait_until(f"{wanted} messages in the log", here, 90)
    # nullmailer, for one, logs a message when it first tries to deliver it: up to a minute later
    wait_until("as many in the recording as in the log", lambda: tracer.count() == len(books.log().messages), 70)
    return done


def sample(tracer, test, what):
    """Waits for a queue-sampled record for which test(queue) holds, from now on."""
    start = len(tracer.records())

    def here():
        return any(test(r["spamtrace"]["queue"]) for r in tracer.records()[start:]
                   if r["event"]["action"] == "queue-sampled")

    return wait_until(what, here, 15)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--messages", type=int, default=300)
    p.add_argument("--out", default="/out")
    args = p.parse_args()
    mta = os.environ["STAGE_MTA"]
    subprocess.run(["bash", f"{HERE}/books.sh"], check=True)
    books = Books(mta, args.messages)
    before = books.directories()
    tracer = Tracer(args.out, "-i", "0.5")
    print(f"books: {mta}: tracing after {tracer.ready():.2f} s", flush=True)
    extra, broken = [], Counter()

    start = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        for job, done in [(j, pool.submit(books.run, j)) for j in books.jobs()]:
            try:
                done.result()
            except Exception as e:  # noqa: BLE001  what could not be sent is a failure
                broken[f"{job[0]}: {e}"[:150]] += 1
    seconds = time.monotonic() - start
    print(f"books: {mta}: {len(books.sent)} messages in {seconds:.1f} s, {len(books.sent) / seconds:.0f} a second",
          flush=True)
    extra.append(("everything could be sent", "; ".join(f"{n} x {b}" for b, n in broken.items())))
    extra.append(("the log came to rest", "" if settled(books, tracer) else "it did not"))
    books.hold_and_retry()
    removed = books.remove_by_hand()
    extra.append(("removals by hand are reported", "" if wait_until("the removals", lambda: sum(
        r["event"]["action"] == "mail-removed" and r["spamtrace"].get("remover") == "administrator"
        for r in tracer.records()) >= removed, 10) else "not all of them"))
    if "auth" in books.able:
        extra.append(("spamtrace auth", auth_differs(books)))
    if "listed" in books.able:
        extra += white_lists(books)
    if mta == "qmail":
        extra += orphans(books, tracer)
    wait_until("as many removals", lambda: sum(
        r["event"]["action"] == "mail-removed" and r["spamtrace"].get("remover") != "aborted"
        for r in tracer.records()) >= len(books.log().removed), 15)
    after = books.directories()
    sample(tracer, lambda q: True, "a last sample")
    status = tracer.stop()
    records = tracer.records()
    shutil.copy(books.log_path, f"{args.out}/mail.log")

    growth = {d: after[d] - before[d] for d in after}
    log = books.log()

    def judge_with(recording):
        return books_judge.Judge(books.sent, log, recording, growth, books.attempts)

    judge = judge_with(records)
    judge.checks += extra
    judge.check("nothing lost", f"spamtrace ended with status {status}" if status else "")
    print("\n".join(judge.table(mta)))
    failed, passed = len(judge.failed), len(judge.checks) - len(judge.failed)
    for what, caught in books_judge.controls(judge_with, records):
        if not caught:
            print(f"! negative control: {what}: NOT caught")
        passed, failed = passed + caught, failed + (not caught)
    with open(f"{args.out}/result", "w", encoding="ascii") as f:
        f.write(f"{passed} {failed}\n")


def auth_differs(books):
    """What `spamtrace auth` counts of the log, against what was sent: messages, or logins where the
    log does not join them to messages (qmail)."""
    said = subprocess.run(["spamtrace", "auth", "-o", "json", books.log_path], capture_output=True, text=True,
                          check=False).stdout
    users = [r for r in map(json.loads, said.splitlines()) if r["event"]["action"] == "auth-user"]
    mine = [p for p in books.sent.values() if p.way == "auth"]
    name, wanted = ("logins", len(mine) // MIX["auth"][1]) if books.mta == "qmail" else ("messages", len(mine))
    found = {u["user"]["name"]: u["spamtrace"]["auth"] for u in users}
    wrong = [f"{n}: {found.get('info@shop.test', {}).get(n)} instead of {want}" for n, want in (
        (name, wanted), ("addresses", len({p.fields["client.ip"] for p in mine})), ("failures", 0))
        if found.get("info@shop.test", {}).get(n) != want]
    return "; ".join(wrong + [f"{set(found)} logged in"] * (set(found) != {"info@shop.test"}))


def white_lists(books):
    """Who relays without a login by which rules, and what `spamtrace doctor` says of those."""
    path = "/etc/tcp.smtp"
    with open(path, encoding="ascii") as f:
        mine = f.read()
    rule = '%s:allow,RELAYCLIENT=""\n'
    checks = []
    for name, rules, level, relaying in (
            ("one client", mine, "ok", {LISTED}),
            ("a wide network", mine + rule % "198.51.", "warning", {LISTED}),
            ("names", mine + rule % "=.isp.example", "warning", {LISTED}),
            ("everybody", rule % "", "bad", {LISTED, UNLISTED})):
        with open(path, "w", encoding="ascii") as f:
            f.write(rules)
        said = subprocess.run(["spamtrace", "doctor", "-o", "json"], capture_output=True, text=True, check=False)
        doctor = [r["spamtrace"]["doctor"] for r in map(json.loads, said.stdout.splitlines())]
        found = {d["level"] for d in doctor if d["area"] == "qmail" and d["check"] in ("relay-networks", "relay-names")}
        wrong = [] if found == {level} else [f"doctor says {found}, not {level}"]
        if level == "bad" and said.returncode != 1:
            wrong.append(f"doctor ends with {said.returncode}")
        if (may := {c for c in (LISTED, UNLISTED) if books.relays(c)}) != relaying:
            wrong.append(f"{may} may relay")
        checks.append((f"a white list of {name}", "; ".join(wrong)))
    with open(path, "w", encoding="ascii") as f:
        f.write(mine)
    return checks


def orphans(books, tracer):
    run = books.orphan()
    flight = sample(tracer, lambda q: q.get("in_flight") == 1 and "written" in q.get("note", ""),
                    "a sample with a file in flight")
    run.kill()
    run.stdin.close()
    run.wait()
    left = sample(tracer, lambda q: q.get("orphans") == 1 and not q.get("in_flight") and "killed" in q.get("note", ""),
                  "a sample with an orphan")
    return [("a file in flight is named", "" if flight else "no sample does"),
            ("an orphan is named", "" if left else "no sample does")]


if __name__ == "__main__":
    main()
