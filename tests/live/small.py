#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""MTAs whose queue is not followed: every injection is reported once, with its origin and the MTA's right name, as taken or as
refused, and it is said that no more is known. With the argument qmail its relay is the stand-in on this host, in whose queue
each message must have the script that ran the MTA. Runs inside a stage, started by tests/live/small."""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
from stage_tools import DOMAINS, Tracer, docroot, request, wait_until, write  # noqa: E402

MTA = os.environ["STAGE_MTA"]
OUT = "/out"
SENDMAIL = "/usr/sbin/sendmail"
# the binary that /usr/sbin/sendmail leads to
PROGRAM = {"msmtp": "/usr/bin/msmtp", "ssmtp": "/usr/sbin/ssmtp", "dma": "/usr/sbin/dma", "opensmtpd": "/usr/sbin/smtpctl"}[MTA]
RELAY = sys.argv[1] if len(sys.argv) > 1 else None
WAYS = ("mail", "popen", "exec", "background")


def line_of(way):
    with open(f"{HERE}/sites/ways.php", encoding="utf-8") as f:
        return next(n for n, text in enumerate(f, 1) if text.rstrip().endswith(f"// way:{way}"))


def get(record, name):
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def send():
    """What was sent: (name, fields that its record must have)."""
    with open(f"{HERE}/sites/ways.php", encoding="utf-8") as f:
        text = f.read().replace("x@elsewhere.test", "ok@elsewhere.test")
    sent = []
    for server, site, uid in (("modphp", 1, 33), ("fpm", 1, 10001)):
        for way in WAYS:
            path = f"{docroot(site)}/{server}-{way}.php"
            write(path, text, 10001)
            request(server, site, f"/{server}-{way}.php?way={way}&t=t.{server}.{way}")
            sent.append((f"{server}-{way}", {
                "file.path": path, "spamtrace.culprit.line": line_of(way), "url.domain": DOMAINS[site - 1], "client.ip": "127.0.0.1",
                "user.id": str(uid), "spamtrace.source": "script", "process.exit_code": 0, "event.outcome": "success"}))

    def shell(name, args, code, outcome, mail="To: ok@elsewhere.test\nSubject: shell\n\nx\n"):
        done = subprocess.run([SENDMAIL, *args], input=mail.encode(), user=10003, group=10003, extra_groups=[], cwd="/",
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/bin"},
                              check=False)
        if bool(done.returncode) != code:
            raise RuntimeError(f"{name}: {MTA} ended with {done.returncode}")
        sent.append((name, {"file.path": None, "user.id": "10003", "spamtrace.source": "user", "process.args": [SENDMAIL, *args],
                            "process.exit_code": done.returncode, "event.outcome": outcome}))

    shell("user-shell", ["-t", "-i", "-f", "shell@truth.test"], False, "success")
    # no recipient
    shell("user-refused", ["-t", "-i", "-f", "refused@truth.test"], True, "failure", "Subject: nobody\n\nx\n")
    # a look at the queue is no injection; msmtp and ssmtp have none
    subprocess.run([SENDMAIL, "-bp"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return sent


def judge_queued(sent, queued):
    """The same messages in the relay's queue: joined to their scripts by the port of the MTA's connection."""
    with open("/run/mail-log", encoding="ascii") as f:
        path = f.read().strip()
    with open(path, encoding="utf-8", errors="replace") as f:
        logged = re.findall(r"info msg (\d+): bytes", f.read())
    problems = []
    if sorted(logged) != sorted(get(r, "email.local_id") for r in queued):
        problems.append(f"{RELAY}'s log has the messages {logged}, spamtrace {[get(r, 'email.local_id') for r in queued]}")
    for name, fields in sent:
        if fields["event.outcome"] != "success":
            continue
        # nobody knows a user's programs that speak SMTP by more than their address
        want = {**fields, "spamtrace.mta": RELAY, "spamtrace.attribution": "exact"} if fields["file.path"] else {
            "spamtrace.source": "smtp", "client.ip": "127.0.0.1", "spamtrace.mta": RELAY}
        want.pop("process.exit_code", None)
        found = [r for r in queued if get(r, "file.path") == fields["file.path"]]
        if len(found) != 1:
            problems.append(f"{name}: {len(found)} messages in {RELAY}'s queue")
        for field, value in want.items():
            if found and get(found[0], field) != value:
                problems.append(f"{name} in {RELAY}'s queue: {field}: expected {value!r}, reported {get(found[0], field)!r}")
        if found and fields["file.path"] and "smtp-port" not in get(found[0], "spamtrace.evidence"):
            problems.append(f"{name} in {RELAY}'s queue: not joined by its port")
    return problems


def judge(sent, records, said):
    """Problems, as text."""
    problems = []
    mine = [r for r in records if get(r, "event.action") == "mail-attempted"]
    queued = [r for r in records if get(r, "event.action") == "mail-queued"]
    if RELAY:
        problems += judge_queued(sent, queued)
    elif queued:
        problems.append(f"{len(queued)} messages are said to be queued")
    for r in mine:
        for name, want in (("spamtrace.mta", MTA), ("spamtrace.attribution", "exact"), ("process.executable", PROGRAM)):
            if get(r, name) != want:
                problems.append(f"{get(r, 'file.path')}: {name} is {get(r, name)!r}, not {want!r}")
        if not re.search("is not followed|keeps no queue", get(r, "spamtrace.unfollowed") or ""):
            problems.append(f"{get(r, 'file.path')}: nothing says that no more is known")
    for name, fields in sent:
        key = "file.path" if fields["file.path"] else "process.args"
        found = [r for r in mine if get(r, key) == fields[key]]
        if len(found) != 1:
            problems.append(f"{name}: reported {len(found)} times")
        for field, want in fields.items():
            if found and get(found[0], field) != want:
                problems.append(f"{name}: {field}: expected {want!r}, reported {get(found[0], field)!r}")
    if len(mine) != len(sent):
        problems.append(f"{len(sent)} injections, {len(mine)} records")
    told = [line for line in said.splitlines() if f"sendmail is {MTA} here" in line]
    if len(told) != 1 or "not what becomes of them" not in told[0]:
        problems.append(f"it is not said once that the queue is not followed: {said[-300:]!r}")
    return problems


def controls(sent, records, said):
    """(what was made wrong, the judge's problems)."""
    at = next(i for i, r in enumerate(records) if get(r, "event.action") == "mail-attempted")
    for what, path, value in (("another MTA", ("spamtrace", "mta"), "qmail"), ("another line", ("spamtrace", "culprit"), {"line": 1}),
                              ("another vhost", ("url", "domain"), "wrong.test"), ("another uid", ("user", "id"), "0"),
                              ("another outcome", ("event", "outcome"), "failure")):
        wrong = json.loads(json.dumps(records))
        wrong[at][path[0]][path[1]] = value
        yield what, judge(sent, wrong, said)
    if RELAY:
        at = next(i for i, r in enumerate(records) if get(r, "event.action") == "mail-queued" and get(r, "file.path"))
        for what, path, value in (("another script", ("file", "path"), "/x.php"), ("another source", ("spamtrace", "source"), "smtp"),
                                  ("another message", ("email", "local_id"), "1")):
            wrong = json.loads(json.dumps(records))
            wrong[at][path[0]][path[1]] = value
            yield f"{what} in the queue", judge(sent, wrong, said)
        yield "a queued message left out", judge(sent, records[:at] + records[at + 1:], said)
        yield "a queued message given twice", judge(sent, records + [records[at]], said)
        at = next(i for i, r in enumerate(records) if get(r, "event.action") == "mail-attempted")
    yield "a record left out", judge(sent, records[:at] + records[at + 1:], said)
    yield "a record given twice", judge(sent, records + [records[at]], said)
    yield "the line left out", judge(sent, records, "")


def main():
    subprocess.run(["bash", f"{HERE}/small.sh", *sys.argv[1:]], check=True)
    tracer = Tracer(OUT)
    tracer.ready()
    sent = send()
    wait_until("every record", lambda: sum(get(r, "event.action") == "mail-attempted" for r in tracer.records()) >= len(sent), 10)
    if RELAY:
        wait_until("every message", lambda: tracer.count() >= sum(f["event.outcome"] == "success" for _, f in sent), 10)
    status = tracer.stop()
    records = tracer.records()
    with open(tracer.stderr, encoding="utf-8") as f:
        said = f.read()
    with open(f"{OUT}/spamtrace.out", encoding="utf-8") as f:
        shown = f.read()
    listed = subprocess.run(["spamtrace", "queue"], capture_output=True, text=True, check=False)
    problems = judge(sent, records, said)
    if status:
        problems.append(f"spamtrace ended with status {status}")
    if len(re.findall(rf"injected .* by {MTA[:7]}", shown)) != len(sent) - 1:
        problems.append("the table does not show each injection as taken")
    if RELAY:
        if listed.returncode:
            problems.append(f"spamtrace queue: {listed.returncode} {listed.stderr[-200:]!r}")
    elif listed.returncode != 1 or f"sendmail is {MTA} here" not in listed.stderr:
        problems.append(f"spamtrace queue: {listed.returncode} {listed.stderr[-200:]!r}")
    results = [(f"{len(sent)} injections through {MTA}{f' to {RELAY}' if RELAY else ''}", not problems, "; ".join(problems[:6]))]
    results += [(f"negative control: {what}", bool(found), "NOT caught") for what, found in controls(sent, records, said)]
    for name, right, why in results:
        print(f"{' ' if right else '!'} {name}: {'right' if right else why}")
    failed = sum(not right for _, right, _ in results)
    with open(f"{OUT}/result", "w", encoding="ascii") as f:
        f.write(f"{len(results) - failed} {failed}\n")


main()
