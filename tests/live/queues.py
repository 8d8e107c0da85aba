# SPDX-License-Identifier: GPL-2.0-only
"""What the MTA itself says: the messages in its queue with the token each carries, and the queue
ids in its log. Read straight from the files, never through spamtrace's code."""
import glob
import os
import re

TRUTH = re.compile(rb"X-Truth: ([A-Za-z0-9._#-]+);")

# MTA: (files of the queue, the id in the file's name, ids in the log or None when it has none)
MTAS = {
    "postfix": (["/var/spool/postfix/incoming/*", "/var/spool/postfix/active/*",
                 "/var/spool/postfix/deferred/*/*", "/var/spool/postfix/hold/*"],
                r"^([0-9A-Fa-z]+)$", rb"postfix/(?:cleanup|qmgr)\[\d+\]: ([0-9A-Za-z]+):"),
    "exim": (["/var/spool/exim4/input/*-H", "/var/spool/exim4/input/*/*-H"],
             r"^(.*)-H$", rb" ([0-9A-Za-z]{6}-[0-9A-Za-z]+-[0-9A-Za-z]+) <="),
    "sendmail": (["/var/spool/mqueue/qf*"], r"^qf(.*)$",
                 rb"sendmail(?:-mta)?\[\d+\]: ([0-9A-Za-z]+): from="),
    "nullmailer": (["/var/spool/nullmailer/queue/*"], r"^(.*)$", None),
    "qmail": (["/var/qmail/queue/mess/*/*"], r"^(\d+)$", rb"info msg (\d+):"),
}


def texts(mta):
    """(queue id, the first 64 KiB of its file) of every file that is a message's."""
    patterns, name, _ = MTAS[mta]
    for pattern in patterns:
        for path in glob.iglob(pattern):
            match = re.match(name, os.path.basename(path))
            if not match:
                continue
            try:
                with open(path, "rb") as f:
                    yield match.group(1), f.read(65536)
            except FileNotFoundError:
                continue  # it moved to the next directory, which is read later


def queue(mta):
    """queue id -> token, of every message whose file is complete."""
    return {i: token.group(1).decode() for i, text in texts(mta) if (token := TRUTH.search(text))}


def log_ids(mta, log):
    """None when this MTA logs no injections: its queue alone then knows the ids."""
    if MTAS[mta][2] is None:
        return None
    with open(log, "rb") as f:
        return {i.decode() for i in re.findall(MTAS[mta][2], f.read())}


def qmail_committed(found):
    """A mess file is linked before its body is there; what is committed has left intd and todo."""
    return {i: t for i, t in found.items() if not os.path.exists(f"/var/qmail/queue/intd/{i}")}
