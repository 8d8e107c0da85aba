# SPDX-License-Identifier: GPL-2.0-only
"""What each MTA's own log says about the messages it took: read straight from its lines, with none
of spamtrace's code.

read(mta, text) gives a Log: messages, each with its id, its envelope sender and what the log knows
of its source (local, network, auth, bounce, forward), and removals, in the log's order. An id may
occur more than once: queue ids are used again."""
import re
from dataclasses import dataclass, field


@dataclass
class Message:
    id: str
    kind: str = "local"
    sender: str = ""
    uid: int | None = None
    user: str | None = None  # of authenticated SMTP
    parent: str | None = None  # of a bounce
    client: str | None = None
    qp: str | None = None  # qmail


@dataclass
class Log:
    messages: list = field(default_factory=list)
    removed: list = field(default_factory=list)  # (id, "delivered", "bounced" or "administrator")


def postfix(text):
    log, open_, bounced, pending = Log(), {}, set(), {}
    for line in text.split("\n"):
        m = re.search(r"postfix/(\w+)\[\d+\]: ([0-9A-F]{6,}): (.*)", line)
        if not m:
            continue
        program, qid, rest = m.groups()
        seen = pending.setdefault(qid, Message(qid))
        if program == "pickup" and (n := re.match(r"uid=(\d+) from=<(.*?)>", rest)):
            pending[qid] = Message(qid, "local", n[2], uid=int(n[1]))
        elif program == "smtpd" and (n := re.match(r"client=\S*?\[(.*?)\](.*)", rest)):
            user = re.search(r"sasl_username=(\S+)", n[2])
            pending[qid] = Message(qid, "auth" if user else "network", client=n[1], user=user and user[1])
        elif program == "bounce" and (n := re.match(r"sender (?:non-)?delivery(?: status)? notification: (\w+)", rest)):
            new = pending.setdefault(n[1], Message(n[1]))
            new.kind, new.parent = "bounce", qid
            bounced.add(qid)
        elif program == "local" and (n := re.search(r"forwarded as (\w+)", rest)):
            pending.setdefault(n[1], Message(n[1])).kind = "forward"
        elif program == "qmgr" and (n := re.match(r"from=<(.*?)>, size=", rest)):
            if qid not in open_:
                seen.sender = n[1]
                open_[qid] = seen
                log.messages.append(seen)
        elif program in ("qmgr", "postsuper") and rest == "removed":
            how = "administrator" if program == "postsuper" else "bounced" if qid in bounced else "delivered"
            log.removed.append((qid, how))
            open_.pop(qid, None)
            pending.pop(qid, None)
            bounced.discard(qid)
    return log


def exim(text):
    log, bounced, admin = Log(), set(), set()
    for line in text.split("\n"):
        m = re.match(r"\S+ \S+ (?:\[\d+\] )?(\w{6}-\w{6,11}-\w{2,4}) (.*)", line)
        if not m:
            continue
        qid, rest = m.groups()
        if n := re.match(r"<= (\S+) (.*)", rest):
            one = Message(qid, "local", "" if n[1] == "<>" else n[1])
            if parent := re.search(r"R=(\S+)", n[2]):
                one.kind, one.parent = "bounce", parent[1]
                bounced.add(parent[1])
            elif user := re.search(r"A=\w+:(\S+)", n[2]):
                one.kind, one.user = "auth", user[1]
            elif re.search(r"P=e?smtp", n[2]):
                one.kind = "network"
            if one.kind in ("auth", "network"):
                client = re.search(r"\[([0-9a-f.:]+)\]", n[2])
                one.client = client and client[1]
            log.messages.append(one)
        elif rest.startswith("removed by"):
            admin.add(qid)
        elif rest.startswith("Completed"):
            log.removed.append((qid, "administrator" if qid in admin else "bounced" if qid in bounced else "delivered"))
    return log


def sendmail(text):
    """The daemon's lines say daemon=MTA; those of the submission program lead to its ids. A login
    stands once a session, in a line of the daemon process that then takes its messages."""
    log, submitted, known, open_, bounced, logins = Log(), {}, {}, set(), set(), {}
    for line in text.split("\n"):
        m = re.search(r"(?:sendmail|sm-mta|sm-msp)\S*\[(\d+)\]: (?:(\w{14}): )?(.*)", line)
        if not m:
            continue
        pid, qid, rest = m.groups()
        if n := re.match(r"AUTH=server, relay=.*?, authid=(\S+), mech=", rest):
            logins[pid] = n[1]
        elif not qid:
            if "connect from " in rest or rest.startswith("NOQUEUE: "):
                logins.pop(pid, None)
        elif n := re.match(r"(\w{14}): (?:DSN|postmaster notify|return to sender): ", rest):
            if qid in known:
                bounced.add(qid)
                known[n[1]] = Message(n[1], "bounce", "", parent=qid)
                log.messages.append(known[n[1]])
                open_.add(n[1])
        elif "daemon=" in rest and (n := re.match(r"from=<?(.*?)>?, size=\d+.*?nrcpts=([1-9]\d*), .*msgid=(.*)", rest)):
            known[qid] = Message(qid, "network", "" if n[1] == "<>" else n[1])
            client = re.search(r"relay=.*?\[([0-9a-f.:]+)\]", n[3])
            known[qid].client = client and client[1]
            if pid in logins:
                known[qid].kind, known[qid].user = "auth", logins[pid]
            log.messages.append(known[qid])
            open_.add(qid)
        elif n := re.search(r"stat=Sent \((\w{14}) Message accepted", rest):
            submitted[n[1]] = qid
        elif qid in open_ and re.match(r"to=", rest) and not re.search(r"stat=(?:Deferred|queued)", rest):
            log.removed.append((qid, "bounced" if "stat=Sent" not in rest else "delivered"))
            open_.discard(qid)
    for one in log.messages:
        if one.id in submitted and one.kind == "network":
            one.kind = "local"
    return log


def nullmailer(text):
    log, seen, last, failed = Log(), {}, None, False
    for line in text.split("\n"):
        if n := re.search(r"file: (\d+\.\d+\S*)", line):
            last = n[1]
        elif (n := re.search(r"From: <(.*?)> to:", line)) and last:
            if last not in seen:
                seen[last] = Message(last, "local" if n[1] else "bounce", n[1])
                log.messages.append(seen[last])
        elif "Permanent error" in line and last:
            log.removed.append((last, "bounced"))
        elif "Sent file" in line and last:
            log.removed.append((last, "delivered"))
    return log


def qmail(text):
    log, open_, delivery, forwards, bounced, bounces = Log(), {}, {}, set(), {}, {}
    for line in text.split("\n"):
        m = re.search(r"qmail(?:\[\d+\])?: (?:\d+\.\d+ )?(.*)", line)
        rest = m[1] if m else ""
        if n := re.match(r"info msg (\d+): bytes \d+ from <(.*?)> qp (\d+) uid (\d+)", rest):
            one = Message(n[1], "local", n[2], uid=int(n[4]), qp=n[3])
            one.kind = {1002: "network", 1007: "bounce"}.get(one.uid, "local")
            if one.kind == "bounce":
                one.parent = bounces.get(one.qp)
            open_[n[1]] = one
            log.messages.append(one)
        elif n := re.match(r"bounce msg (\d+) qp (\d+)", rest):
            bounces[n[2]] = n[1]
            bounced[n[1]] = True
            for one in reversed(log.messages):
                if one.qp == n[2]:
                    one.parent = n[1]
                    break
        elif n := re.search(r"success: did_0\+\d+\+0/qp_(\d+)/", rest):
            forwards.add(n[1])
        elif n := re.match(r"end msg (\d+)", rest):
            log.removed.append((n[1], "bounced" if bounced.pop(n[1], None) else "delivered"))
            open_.pop(n[1], None)
    for one in log.messages:
        if one.qp in forwards and one.kind == "local":
            one.kind = "forward"
    return log


def read(mta, text):
    return globals()[mta](text)
