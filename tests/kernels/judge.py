#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges the recording of tests/kernels/guest: prints "24/24", or how many were right and what was not."""
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
}


def get(record, name):
    for part in name.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


records = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
mails = [r for r in records if get(r, "event.action") == "mail-queued"]
wrong = []
seen = set()
for mail in mails:
    subject = get(mail, "email.subject") or ""
    expected = dict(EXPECTED.get(subject.split(" ")[0], {"email.subject": "a subject of the test"}))
    expected["spamtrace.attribution"] = "exact"
    bad = [f"{subject}: {k} {get(mail, k)!r}" for k, v in expected.items() if get(mail, k) != v]
    wrong += bad
    if not bad:
        seen.add(subject)
    elif len(wrong) == len(bad):
        print(json.dumps(mail), file=sys.stderr)
ends = [r for r in records if get(r, "event.action") == "trace-ended"]
if not ends:
    wrong.append("no trace-ended")
else:
    if get(ends[0], "spamtrace.lost"):
        wrong.append(f"lost {get(ends[0], 'spamtrace.lost')}")
    for queue in get(ends[0], "spamtrace.queues") or [{"unexplained": "no queue"}]:
        if queue.get("unexplained") or queue.get("queued") != len(mails):
            wrong.append(f"queue {queue}")
    hooks = get(ends[0], "spamtrace.hooks") or []
    print(f"[{', '.join(hooks)}] ", end="")
print(f"{len(seen)}/24", "; ".join(wrong[:4]))
