#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges a recording of tests/kernels/guest: judge.py RECORDING ERRORS TOTAL. Prints "[HOOKS] 24/24 ok", or how many
were right and what was not.

From 7.0 on the kernel may skip hooks (see AGAIN in bpf/maps.bpf.h), and here, emulated and slow, it does. That is
counted, and for each skip one message may be unseen, or be told as without an origin or as inferred, or a queue's
books may be off; the row says how many skips there were. A wrong name is never forgiven, nor is anything else."""
import collections
import json
import sys

VHOSTS = "/var/www/vhosts"
EXPECTED = {
    "form": {"file.path": f"{VHOSTS}/blog.test/httpdocs/form.php", "user.id": "10001",
             "spamtrace.culprit.file": f"{VHOSTS}/blog.test/httpdocs/lib/send.php",
             "spamtrace.culprit.line": 5, "url.domain": "blog.test", "client.ip": "127.0.0.1"},
    "order": {"file.path": f"{VHOSTS}/shop.test/httpdocs/order.php", "user.id": "33",
              "spamtrace.culprit.file": f"{VHOSTS}/shop.test/httpdocs/order.php",
              "spamtrace.culprit.line": 4, "url.domain": "shop.test", "client.ip": "127.0.0.1"},
    "cron": {"file.path": f"{VHOSTS}/club.test/httpdocs/cron.php", "user.id": "10003",
             "spamtrace.culprit.file": f"{VHOSTS}/club.test/httpdocs/cron.php",
             "spamtrace.culprit.line": 6},
    "exec": {"file.path": f"{VHOSTS}/club.test/httpdocs/exec.php", "user.id": "10003",
             "spamtrace.culprit.file": f"{VHOSTS}/club.test/httpdocs/exec.php",
             "spamtrace.culprit.line": 4},
}
NAMES = sorted({name for expected in EXPECTED.values() for name in expected})


def get(record, name):
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def faults(mail):
    """What is wrong with a message, and whether nothing of that is a wrong name."""
    subject = get(mail, "email.subject") or "no subject"
    expected = EXPECTED.get(subject.split(" ")[0])
    if not expected:
        return [f"{subject}: not of the test"], False
    told = get(mail, "spamtrace.attribution")
    bad = [] if told == "exact" else [f"{subject}: attribution {told!r}"]
    wrong = False
    for name in NAMES:
        value = get(mail, name)
        if value != expected.get(name):
            bad.append(f"{subject}: {name} {value!r}")
            # absent is honest, but not of what is said to be exact
            wrong |= value is not None or told == "exact"
    return bad, not wrong and told in ("exact", "inferred", "none")


def judge(records, errors, total):
    """The words for a recording: they end in " ok" if it is as it should be."""
    mails = [r for r in records if get(r, "event.action") == "mail-queued"]
    ends = [r for r in records if get(r, "event.action") == "trace-ended"]
    if len(ends) != 1:
        return f"0/{total} {len(ends)} records of the trace's end"
    end = ends[0]
    bad, forgivable = [], []
    right = 0
    for mail in mails:
        what, honest = faults(mail)
        right += not what
        if what:
            (forgivable if honest else bad).append("; ".join(what))
    for subject, n in collections.Counter(get(m, "email.subject") for m in mails).items():
        if n > 1:
            bad.append(f"{subject}: told {n} times")
    forgivable += ["unseen"] * (total - len(mails))
    for queue in get(end, "spamtrace.queues") or [{"unexplained": "no queue"}]:
        if queue.get("unexplained") or queue.get("queued") != len(mails):
            forgivable.append(f"queue {queue}")
    lost = dict(get(end, "spamtrace.lost") or {})
    skipped = lost.pop("program-skipped", 0)
    if lost:
        bad.append(f"lost {lost}")
    if "privileges that are left" in errors:
        bad.append("privileges could not be dropped")
    if len(forgivable) > skipped:
        bad += forgivable
    told = f" ({skipped} skips told)" if skipped else ""
    return f"[{', '.join(get(end, 'spamtrace.hooks') or [])}] {right}/{total}{told} {'; '.join(bad[:4]) or 'ok'}"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    with open(sys.argv[2], encoding="utf-8", errors="replace") as f:
        told = judge(records, f.read(), int(sys.argv[3]))
    print(told)
    if not told.endswith(" ok"):
        for record in records:
            print(json.dumps(record), file=sys.stderr)


if __name__ == "__main__":
    main()
