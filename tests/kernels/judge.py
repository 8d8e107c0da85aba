#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges the recording of tests/kernels/guest: prints "[HOOKS] 24/24", or how many were right and what was not.

From 7.0 on the kernel may skip hooks (see AGAIN in bpf/maps.bpf.h), and here, emulated and slow, it does. That is
counted, and a message that is wrong or unseen is forgiven if the count explains it; the row says how many."""
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
    print("0/24", "; ".join(wrong))
    sys.exit()
print(f"[{', '.join(get(ends[0], 'spamtrace.hooks') or [])}] ", end="")
lost = dict(get(ends[0], "spamtrace.lost") or {})
skipped = lost.pop("program-skipped", 0)
if lost:
    wrong.append(f"lost {lost}")
for queue in get(ends[0], "spamtrace.queues") or [{"unexplained": "no queue"}]:
    if (queue.get("unexplained") or queue.get("queued") != len(mails)) and not 24 - len(seen) < skipped:
        wrong.append(f"queue {queue}")
if skipped and 24 - len(seen) <= skipped and not lost:
    print(f"{len(seen)}/24 ({skipped} skips told)", end=" ")
    wrong = [w for w in wrong if w.startswith("queue")]
else:
    print(f"{len(seen)}/24", end=" ")
print("; ".join(wrong[:4]) or "ok")
