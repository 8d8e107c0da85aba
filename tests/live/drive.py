#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the live cases on a stage: starts the servers, spamtrace, then every row of cases.py, and
judges the recording. Runs inside a stage, started by tests/live/run."""
import argparse
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import cases_part2  # noqa: E402
import cases as rows  # noqa: E402
import check  # noqa: E402
import queues  # noqa: E402
from stage_tools import DOMAINS, HANG, Tracer, docroot, request, wait_until, write  # noqa: E402

WAYS = open(f"{HERE}/sites/ways.php", encoding="utf-8").read()
LINES = {m.group(1): n for n, line in enumerate(WAYS.split("\n"), 1)
         if (m := re.search(r"// way:(\S+)$", line))}


def deploy(case):
    """Puts the case's own scripts into each of its sites; returns site -> (primary, culprit)."""
    if isinstance(case, cases_part2.Row):
        return case.deploy(HERE_MODULE)
    paths = {}
    for site in case.sites:
        uid = 10000 + site
        root = docroot(site)
        primary = culprit = f"{root}/{case.id}.php"
        os.makedirs(f"{root}/lib", exist_ok=True)
        os.chown(f"{root}/lib", uid, uid)
        if case.included:
            culprit = f"{root}/lib/{case.id}.inc.php"
            write(primary, f"<?php\nrequire __DIR__ . '/lib/{case.id}.inc.php';\n", uid)
        write(culprit, WAYS, uid)
        paths[site] = (primary, culprit)
    return paths


def client(token):
    """The address that a message's request comes from: all of 127/8 is ours."""
    n = zlib.crc32(token.encode())
    return f"127.{n >> 16 & 127 | 1}.{n >> 8 & 255}.{n & 127 | 1}"


HERE_MODULE = sys.modules[__name__]


def uid_of(case, site):
    run = case.run
    if run.kind == "http":
        return 33 if run.server.startswith("modphp") else 10000 + site
    return pwd.getpwnam(run.user).pw_uid


class Stage:
    def __init__(self, mta):
        self.mta = mta
        self.truth = {}
        self.broken = {}  # case -> why it could not be run
        self.log = ""

    def expect(self, case, site, token, paths):
        fields = {"user.id": str(uid_of(case, site)), "spamtrace.source": case.source}
        if case.run.kind in ("http", "cli"):
            primary, culprit = paths[site]
            fields.update({"file.path": primary, "spamtrace.culprit.file": culprit,
                           "spamtrace.culprit.line": LINES.get(case.way),
                           "spamtrace.attribution": case.attribution})
        else:
            fields.update({"file.path": None, "spamtrace.culprit.file": None})
        if case.run.kind == "http":
            fields["url.domain"] = DOMAINS[site - 1]
            fields["client.ip"] = client(token)
        if case.expect == "queued":
            fields["email.subject"] = f"[{token}] {'note' if case.run.kind == 'shell' else 'offer'}"
        if isinstance(case, cases_part2.Row):
            case.fields(HERE_MODULE, site, token, paths, fields)
        args = [rows.SENDMAIL, "-bp"] if case.expect == "nothing" else None
        self.truth[token] = {"case": case.id, "expect": case.expect, "fields": fields, "args": args}

    def prime(self, case):
        """Brings the opcache into the state that the case asks for, and makes sure of it."""
        run = case.run
        if isinstance(case, cases_part2.Row):
            case.prime(HERE_MODULE, self)
            return
        if run.kind != "http" or run.state != "warm":
            return
        for site in case.sites:
            path = f"/{case.id}.php?way=none"
            # Each php-cgi of mod_fcgid has a cache of its own; everywhere else one is shared.
            if not wait_until(f"a warm opcache for {case.id}",
                              lambda: request(run.server, site, path)["hits"] >= 1, 10):
                raise RuntimeError("the opcache never got warm")

    def send(self, case, site, token, paths=None):
        run = case.run
        if isinstance(case, cases_part2.Row):
            case.send(HERE_MODULE, self, site, token, paths)
            return
        if run.kind == "http":
            answer = request(run.server, site, f"/{case.id}.php?way={case.way}&t={token.replace('#', '%23')}",
                             client(token))
            if run.state == "warm" and answer["hits"] < 1 and run.server != "fcgid":
                raise RuntimeError(f"the opcache was not warm: {answer}")
            if run.state == "cold" and answer["hits"] > 0:
                raise RuntimeError(f"the opcache was not cold: {answer}")
            return
        user = pwd.getpwnam(run.user)
        if run.kind == "cli":
            argv = ["php", f"{docroot(site)}/{case.id}.php", case.way, token]
        else:
            text = f"/tmp/{token}.eml"
            to = "" if case.expect == "attempted" else "To: x@elsewhere.test\n"
            write(text, f"{to}Subject: [{token}] note\nX-Truth: {token};\n\nhello\n", user.pw_uid)
            argv = ["bash", "-c", run.command.format(t=token, text=text)]
        subprocess.run(argv, check=True, cwd=user.pw_dir, user=user.pw_uid, group=user.pw_gid,
                       extra_groups=[], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": user.pw_dir,
                            "USER": run.user, "LOGNAME": run.user})

    def run(self, case, paths):
        tokens = []
        for i in range(case.messages):
            site = case.sites[i % len(case.sites)]
            token = f"{case.id}#{i:04d}"
            self.expect(case, site, token, paths)
            tokens.append((site, token))
        try:
            with ThreadPoolExecutor(case.parallel) as pool:
                for done in [pool.submit(self.send, case, *t, paths) for t in tokens]:
                    done.result()
        except Exception as e:  # noqa: BLE001  a case that cannot be run is a failed case
            self.broken[case.id] = f"could not be run: {e}"

    def volume(self, total, paths):
        """`total` messages from the volume scripts by turns, 8 at a time; seconds it took."""
        def one(i):
            case = rows.VOLUME_SCRIPTS[i % len(rows.VOLUME_SCRIPTS)]
            self.send(case, case.sites[0], f"{case.id}#{i:05d}")

        for i in range(total):
            case = rows.VOLUME_SCRIPTS[i % len(rows.VOLUME_SCRIPTS)]
            self.expect(case, case.sites[0], f"{case.id}#{i:05d}", paths[case.id])
        start = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            for case, done in [(rows.VOLUME_SCRIPTS[i % len(rows.VOLUME_SCRIPTS)].id, pool.submit(one, i))
                               for i in range(total)]:
                try:
                    done.result()
                except Exception as e:  # noqa: BLE001
                    self.broken[case] = f"could not be run: {e}"
        return time.monotonic() - start

    def queued(self):
        found = queues.queue(self.mta)
        return queues.qmail_committed(found) if self.mta == "qmail" else found

    def settled(self):
        """Has every message that should be queued reached the queue, under its last id?"""
        wanted = {t for t, v in self.truth.items() if v["expect"] == "queued" and v["case"] not in self.broken}
        return wanted <= set(self.queued().values())


def oracle(stage):
    """A recording as a perfect tracer would write it: proves the harness without one."""
    records = []
    for qid, token in stage.queued().items():
        r = {"event.action": "mail-queued", "email.local_id": qid}
        r.update({k: v for k, v in stage.truth[token]["fields"].items() if v is not None})
        records.append(r)
    for token, t in stage.truth.items():
        if t["expect"] == "attempted":
            records.append({"event.action": "mail-attempted", "process.args": [token], **t["fields"]})
    return records


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", default="", help="regular expression of case ids")
    p.add_argument("--volume", type=int, default=2000)
    p.add_argument("--oracle", action="store_true", help="no tracer: the harness alone")
    p.add_argument("--out", default="/out")
    args = p.parse_args()
    mta = os.environ["STAGE_MTA"]
    stage = Stage(mta)

    subprocess.run(["bash", f"{HERE}/servers.sh"], check=True)
    part2 = [c for c in cases_part2.ROWS if re.search(args.only, c.id) and (not c.mtas or mta in c.mtas)]
    if part2:
        subprocess.run(["bash", f"{HERE}/servers_part2.sh"], check=True)
    with open("/run/mail-log", encoding="ascii") as f:
        stage.log = f.read().strip()
    wanted = [c for c in rows.CASES if re.search(args.only, c.id) and (not c.mtas or mta in c.mtas)] + part2
    volume = rows.VOLUME_SCRIPTS if args.volume else []
    paths = {c.id: deploy(c) for c in wanted + volume}
    for case in wanted + volume:
        try:
            stage.prime(case)
        except Exception as e:  # noqa: BLE001
            stage.broken[case.id] = f"could not be prepared: {e}"

    tracer = None
    if not args.oracle:
        tracer = Tracer(args.out)
        print(f"live: {mta}: tracing after {tracer.ready():.2f} s", flush=True)
    for case in wanted:
        stage.run(case, paths[case.id])
    if volume:
        seconds = stage.volume(args.volume, paths)
        print(f"live: {mta}: {args.volume} messages in {seconds:.1f} s, {args.volume / seconds:.0f} a second",
              flush=True)
    wait_until("every message in the queue", stage.settled)
    queue = stage.queued()
    status = 0
    if tracer:
        # What is not written by then is lost, and the table says so.
        wait_until("every message in the recording", lambda: tracer.count() >= len(queue), 15)
        status = tracer.stop()
    records = tracer.records() if tracer else oracle(stage)
    ids = queues.log_ids(mta, stage.log)
    shutil.copy(stage.log, f"{args.out}/mail.log")

    verdicts = check.judge(stage.truth, records, queue, ids)
    for case, why in stage.broken.items():
        verdicts[case].problem(why)
    order = [c.id for c in wanted + volume] + ([""] if "" in verdicts else [])
    print("\n".join(check.table(stage.truth, verdicts, order)))
    print("\n".join(cases_part2.not_exact(wanted, verdicts, check.get)))
    passed = len(order) - len(check.failed(verdicts))
    failed = len(check.failed(verdicts))

    for what, caught in check.controls(stage.truth, records, queue, ids):
        print(f"{' ' if caught else '!'} negative control: {what}: {'caught' if caught else 'NOT caught'}")
        passed, failed = passed + caught, failed + (not caught)
    total = {k: sum(getattr(v, k) for v in verdicts.values()) for k in ("right", "wrong", "lost")}
    print(f"live: {mta}: {len(queue)} messages in the queue; reported right {total['right']}, "
          f"wrong {total['wrong']}, lost {total['lost']}")
    if status:
        failed += 1
        print(f"! spamtrace ended with status {status} (2: it says that it lost events)")
    with open(f"{args.out}/result", "w", encoding="ascii") as f:
        f.write(f"{passed} {failed}\n")


main()
