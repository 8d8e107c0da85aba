#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sends messages from eight vhosts over every SAPI at once, while spamtrace traces, and compares what it
reports with the truth and with what other ways to find the script say about the very same messages. Runs
inside a stage, started by tests/live/volume."""
import argparse
import glob
import os
import pwd
import random
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import books_log  # noqa: E402
import cases as rows  # noqa: E402
import check  # noqa: E402
import queues  # noqa: E402
import volume_judge as judge  # noqa: E402
from stage_tools import DOMAINS, VHOSTS, Tracer, docroot, request, wait_until, write  # noqa: E402

SITES = f"{HERE}/sites/volume"
PHP_LOG = "/var/log/php-mail.log"
SENT = re.compile(rb"X-Truth: ([A-Za-z0-9._#-]+); (\d+) (\d+)")
HEADER = re.compile(rb"X-PHP-Originating-Script: (\d+):([A-Za-z0-9_.-]+?\.php)")
rows.SERVERS.update({"fpm-shared": 8130, "fpm-chroot": 8119})

# SAPI: its share of the messages, in percent, and its sites. CLI is a process per message, as cron starts one.
ALL = tuple(range(1, 9))
SAPIS = {
    "modphp": (22, ALL),      # 8 to 16 workers for all vhosts, www-data
    "fpm-shared": (16, ALL),  # 6 workers for all vhosts, www-data
    "fpm": (12, ALL),         # a pool per vhost, by unix socket, behind Apache
    "fpm-tcp": (10, ALL),
    "nginx": (12, ALL),       # the pools of "fpm"
    "fpm-chroot": (6, (4, 5)),
    "fcgid": (10, ALL),       # suexec
    "cgi": (6, ALL),          # suexec
    "cli": (6, ALL),
}
SHARED = ("modphp", "fpm-shared")
# php-cgi of mod_fcgid has a cache of its own in each process; a chroot's paths are not ours.
CANNOT_TELL_HITS = ("fpm-chroot", "fcgid")

# script that is asked for: the file that sends, the way it does
SCRIPTS = {
    "contact.php": ("contact.php", "mail"),
    "index.php": ("lib/mailer.php", "include"),
    "wp-content/uploads/.cache/index.php": ("wp-content/uploads/.cache/index.php", "dropped"),
    "order.php": ("order.php", "popen"),
    "album.php": ("album.php", "forged"),
    "newsletter/index.php": ("lib/batch.php", "background"),
    "cron.php": ("cron.php", "setsid"),
}


@dataclass(frozen=True)
class Job:
    token: str
    sapi: str
    site: int
    script: str

    @property
    def client(self):
        """The address that the request comes from: all of 127/8 is ours."""
        n = zlib.crc32(self.token.encode())
        return f"127.{n >> 16 & 127 | 1}.{n >> 8 & 255}.{n & 127 | 1}"


def deploy():
    """The same scripts for every customer, as hosts have them. Returns (host, sender -> line)."""
    lines, scripts, homes = {}, {}, {}
    for path in glob.glob(f"{SITES}/**/*.php", recursive=True, include_hidden=True):
        name = os.path.relpath(path, SITES)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for n, line in enumerate(text.split("\n"), 1):
            if line.endswith("// sends"):
                lines[name] = n
        for site in ALL:
            uid = 10000 + site
            to = f"{docroot(site)}/{name}"
            os.makedirs(os.path.dirname(to), exist_ok=True)
            write(to, text, uid)
            scripts[to] = uid
            homes[uid] = os.path.dirname(docroot(site))
    return judge.Host(scripts, homes), lines


class Volume:
    def __init__(self, mta, total):
        self.mta = mta
        self.host, self.lines = deploy()
        self.jobs = self.plan(total)
        self.truth = {j.token: self.expected(j) for j in self.jobs}
        self.broken = Counter()
        with open("/run/cli-ini", encoding="ascii") as f:
            self.cli_ini = f.read().strip()
        with open("/run/mail-log", encoding="ascii") as f:
            self.log_path = f.read().strip()

    def plan(self, total):
        """Every SAPI sends with every script of every of its sites by turns; the order is shuffled."""
        counts = {s: total * share // 100 for s, (share, _) in SAPIS.items()}
        counts["modphp"] += total - sum(counts.values())
        jobs = []
        for sapi, count in counts.items():
            sites = SAPIS[sapi][1]
            for i in range(count):
                script = list(SCRIPTS)[i // len(sites) % len(SCRIPTS)]
                jobs.append(Job(f"{sapi}.{i:05d}", sapi, sites[i % len(sites)], script))
        random.Random(8).shuffle(jobs)
        return jobs

    def expected(self, job):
        uid = 33 if job.sapi in SHARED else 10000 + job.site
        sender = SCRIPTS[job.script][0]
        fields = {
            "file.path": f"{docroot(job.site)}/{job.script}",
            "spamtrace.culprit.file": f"{docroot(job.site)}/{sender}",
            "spamtrace.culprit.line": self.lines[sender],
            "user.id": str(uid),
            "spamtrace.source": "cli" if job.sapi == "cli" else "script",
            "spamtrace.attribution": "exact",
            "email.subject": f"[{job.token}] offer",
        }
        if job.sapi != "cli":
            fields.update({"url.domain": DOMAINS[job.site - 1], "client.ip": job.client})
        return {"case": job.sapi, "expect": "queued", "fields": fields, "args": None}

    def prime(self):
        """A warm opcache for every script, wherever there is one that stays."""
        asked = 0
        for sapi, (_, sites) in SAPIS.items():
            if sapi in ("cli", "cgi"):
                continue
            for site in sites:
                for script in SCRIPTS:
                    def hits():
                        return request(sapi, site, f"/{script}?t=none")["hits"]
                    asked += 1
                    hits()
                    if sapi not in CANNOT_TELL_HITS and not wait_until(f"a warm opcache for {script}", lambda: hits() >= 1, 10):
                        self.broken["the opcache never got warm"] += 1
        return asked

    def send(self, job):
        if job.sapi != "cli":
            request(job.sapi, job.site, f"/{job.script}?t={job.token}", job.client)
            return
        user = pwd.getpwnam(f"site{job.site}")
        subprocess.run(["php", f"{docroot(job.site)}/{job.script}", job.token], check=True, cwd=user.pw_dir,
                       user=user.pw_uid, group=user.pw_gid, extra_groups=[], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": user.pw_dir, "USER": user.pw_name,
                            "PHP_INI_SCAN_DIR": self.cli_ini})

    def send_all(self):
        start = time.monotonic()
        with ThreadPoolExecutor(10) as pool:
            for job, done in [(j, pool.submit(self.send, j)) for j in self.jobs]:
                try:
                    done.result()
                except Exception as e:  # noqa: BLE001  what could not be sent is a failure
                    self.broken[f"{job.sapi} {job.script}: {e}"[:200]] += 1
        return time.monotonic() - start

    def queued(self):
        found = queues.queue(self.mta)
        return queues.qmail_committed(found) if self.mta == "qmail" else found

    # ---- what the messages left behind ----

    def seen(self, queue, records, opens):
        seen = defaultdict(judge.Seen)
        for qid, text in queues.texts(self.mta):
            if (token := queue.get(qid)) is None:
                continue
            if header := HEADER.search(text):
                seen[token].header = (int(header[1]), header[2].decode())
            if sent := SENT.search(text):
                seen[token].opened = judge.last_opened(opens, int(sent[2]), int(sent[3]))
        with open(PHP_LOG, encoding="utf-8", errors="replace") as f:
            for path, token in re.findall(r"mail\(\) on \[(.*?):\d+\].*X-Truth: ([^;]+);", f.read()):
                seen[token].php_log = path
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        uids = {m.id: m.uid for m in books_log.read(self.mta, text).messages if m.uid is not None}
        if self.mta == "exim":
            for qid, name in re.findall(r" (\w{6}-\w+-\w+) <= .*? U=(\S+) P=local", text):
                uids[qid] = pwd.getpwnam(name).pw_uid
        for qid, token in queue.items():
            seen[token].mta_uid = uids.get(qid)
        for token, record in records.items():
            seen[token].directory = check.get(record, "process.working_directory")
        return seen

    def truths(self):
        found = {}
        for j in self.jobs:
            fields = self.truth[j.token]["fields"]
            found[j.token] = judge.Truth(10000 + j.site, int(fields["user.id"]),
                                         frozenset((fields["file.path"], fields["spamtrace.culprit.file"])), fields)
        return found


class Opens:
    """The opens of the sites' scripts, as seen by opened.py."""

    def __init__(self, out):
        self.path = f"{out}/opened"
        self.process = subprocess.Popen(["python3", f"{HERE}/opened.py", "/var/www", self.path])
        if not wait_until("opened.py", lambda: os.path.exists(self.path) and os.path.getsize(self.path) > 0, 10):
            sys.exit("volume: the opens of scripts cannot be watched")

    def stop(self):
        self.process.kill()
        self.process.wait()
        opens = defaultdict(list)
        with open(self.path, encoding="utf-8", errors="replace") as f:
            for line in list(f)[1:]:
                when, pid, path = line.rstrip("\n").split(" ", 2)
                opens[int(pid)].append((int(when), path))
        return opens


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--messages", type=int, default=1000)
    p.add_argument("--out", default="/out")
    args = p.parse_args()
    mta = os.environ["STAGE_MTA"]
    subprocess.run(["bash", f"{HERE}/volume.sh"], check=True)
    run = Volume(mta, args.messages)
    primed = run.prime()
    opens = Opens(args.out)
    tracer = Tracer(args.out)
    print(f"volume: {mta}: {primed} scripts primed, tracing after {tracer.ready():.2f} s", flush=True)
    seconds = run.send_all()
    print(f"volume: {mta}: {args.messages} messages in {seconds:.1f} s, {args.messages / seconds:.0f} a second",
          flush=True)
    wait_until("every message in the queue", lambda: set(run.truth) <= set(run.queued().values()), 30)
    queue = run.queued()
    # What is not written by then is lost, and the table says so.
    wait_until("every message in the recording", lambda: tracer.count() >= len(queue), 15)
    status = tracer.stop()
    opened = opens.stop()
    shutil.copy(run.log_path, f"{args.out}/mail.log")
    records = tracer.records()
    ids = queues.log_ids(mta, run.log_path)

    verdicts = check.judge(run.truth, records, queue, ids)
    order = list(SAPIS) + ([""] if "" in verdicts else [])
    by_token = {queue.get(check.get(r, "email.local_id")): r for r in records if check.action(r) == "mail-queued"}
    by_token = {t: r for t, r in by_token.items() if t in run.truth}
    print("\n".join(judge.by_sapi(run.truth, verdicts, by_token, order)))
    seen = run.seen(queue, by_token, opened)
    truths = run.truths()
    counts = judge.compare(truths, by_token, seen, run.host)
    print("\n".join([""] + judge.table(counts) + [""]))
    ways = {j.token: SCRIPTS[j.script][1] for j in run.jobs}
    print("\n".join(judge.by_way(truths, ways, [w for _, w in SCRIPTS.values()], seen, run.host) + [""]))

    shared = defaultdict(set)
    for token, record in by_token.items():
        if run.truth[token]["case"] in SHARED:
            shared[check.get(record, "process.parent.pid")].add(check.get(record, "url.domain"))
    passed = failed = 0

    def result(what, ok, why=""):
        nonlocal passed, failed
        passed, failed = passed + bool(ok), failed + (not ok)
        print(f"{' ' if ok else '!'} {what}{'' if ok or not why else ': ' + why}")

    for case in order:
        result(f"{case or '(none)'}: every message right", not verdicts[case].problems)
    result("every message could be sent", not run.broken, "; ".join(f"{n} x {b}" for b, n in run.broken.items()))
    result("every message is in the queue", set(run.truth) <= set(queue.values()))
    result(f"spamtrace: {args.messages} of {args.messages} right",
           counts["spamtrace"]["right"] == args.messages, str(dict(counts["spamtrace"])))
    result("workers served several vhosts", sum(len(v) > 1 for v in shared.values()) > 5, str(dict(shared)))
    result("spamtrace ended without loss", status == 0, f"status {status} (2: it says that it lost events)")
    for what, caught in check.controls(run.truth, records, queue, ids) + \
            judge.controls(truths, by_token, seen, run.host):
        result(f"negative control: {what}: {'caught' if caught else 'NOT caught'}", caught)
    with open(f"{args.out}/result", "w", encoding="ascii") as f:
        f.write(f"{passed} {failed}\n")


main()
