# SPDX-License-Identifier: GPL-2.0-only
"""Judges a trace of mixed mail against the MTA's own log. Pure, so that it can be shown recordings
that were made wrong on purpose."""
import copy
from collections import Counter

from check import action, get, put

SOURCES = ("script", "cli", "user", "smtp", "smtp-auth", "bounce", "forward")
KINDS = {"local": ("script", "cli", "user"), "network": ("smtp", "smtp-auth"), "auth": ("smtp-auth",),
         "bounce": ("bounce",), "forward": ("forward",)}


def cut_short(message):
    """An injector that was killed in mid-message, after its queue program had enough of it to queue
    what it had (nullmailer does). The MTA's log decides what became of it."""
    return message.kind == "local" and message.sender.startswith("killed.")


def source_of(message, sent):
    """What the log knows of a message, finer where only the plan can tell: which local program."""
    if message.kind in ("bounce", "forward"):
        return message.kind
    if cut_short(message):
        return "user"
    plan = sent.get(message.sender)
    if plan is None:
        return "?"
    return plan.source if plan.source in KINDS[message.kind] else f"{message.kind}?"


def differ(what, ours, theirs):
    """"" when two multisets are the same, else the first differences."""
    if ours == theirs:
        return ""
    more, less = ours - theirs, theirs - ours
    show = lambda c: ", ".join(f"{'/'.join(str(p) for p in k) if isinstance(k, tuple) else k}"
                               f"{f' x{n}' if n > 1 else ''}" for k, n in list(c.items())[:4])
    parts = []
    if more:
        parts.append(f"{sum(more.values())} only in spamtrace's records: {show(more)}")
    if less:
        parts.append(f"{sum(less.values())} only in {what}: {show(less)}")
    return "; ".join(parts)


def attempt(record):
    """A tracer sees the whole machine; what other stages do is in mount namespaces of theirs."""
    return action(record) == "mail-attempted" and get(record, "container.id") is None


GONE = "the queue file was gone before it could be read"


def read_too_late(queued, log, sent):
    """Of Exim and Sendmail nothing but the queue file says that a message is a network client's. Where that was gone before it could
    be read spamtrace says `none`, and so: record -> the source by the log. What local programs sent is known all the same."""
    sources = {m.id: source_of(m, sent) for m in log.messages if m.kind in ("network", "auth")}
    return {id(r): sources[get(r, "email.local_id")] for r in queued
            if get(r, "spamtrace.bytes") is None and get(r, "spamtrace.source") == "unknown"
            and get(r, "spamtrace.attribution") == "none" and get(r, "spamtrace.reason") == GONE and get(r, "email.local_id") in sources}


class Judge:
    """sent: sender -> plan; log: books_log.Log; records: the recording; growth: by the driver's own
    count, per queue directory; attempts: how many injections came to nothing."""

    def __init__(self, sent, log, records, growth, attempts):
        self.checks = []
        self.rows = []
        queued = [r for r in records if action(r) == "mail-queued"]
        late = read_too_late(queued, log, sent)
        self.source = lambda r: late.get(id(r)) or get(r, "spamtrace.source")
        self.check("queue files could be read in time", f"{len(late)} of {len(queued)} were gone" if len(late) > len(queued) / 100 else "")
        self.sources(sent, log, queued)
        self.identities(sent, log, queued)
        self.names(sent, queued)
        attempts -= sum(cut_short(m) for m in log.messages)
        self.check("injections that came to nothing", "" if attempts == (n := sum(
            attempt(r) for r in records)) else f"{attempts} were made, {n} are reported")
        self.removals(log, records)
        self.samples(records, growth)

    def check(self, name, problem):
        self.checks.append((name, problem))

    def sources(self, sent, log, queued):
        by_log = Counter(source_of(m, sent) for m in log.messages)
        ours = Counter(self.source(r) for r in queued)
        plan = Counter(p.source for p in sent.values())
        for source in SOURCES + tuple(sorted((set(by_log) | set(ours)) - set(SOURCES))):
            if not (plan[source] or by_log[source] or ours[source]):
                continue
            self.rows.append((source, plan[source] or None, by_log[source], ours[source]))
            self.check(f"{source}: log and spamtrace", "" if by_log[source] == ours[source] else
                       f"the log has {by_log[source]}, spamtrace {ours[source]}")
        missing = set(sent) - {m.sender for m in log.messages}
        self.check("everything that was sent is in the log",
                   f"{len(missing)} are not: {sorted(missing)[:4]}" if missing else "")
        self.rows.append(("all", len(sent), len(log.messages), len(queued)))

    def identities(self, sent, log, queued):
        unread = [r for r in queued if get(r, "spamtrace.bytes") is None]
        if unread:
            self.rows.append(("(no details)", None, 0, len(unread)))

        # a file that was gone before it could be read: the id must do, and where it was used again,
        # the order of those that no file names
        keys = [(get(r, "email.local_id"), get(r, "email.sender.address") or "") for r in queued]
        theirs = Counter((m.id, m.sender) for m in log.messages)
        left = theirs - Counter(keys)
        for i, r in enumerate(queued):
            if get(r, "spamtrace.bytes") is None and not keys[i][1]:
                free = [m for m in log.messages if m.id == keys[i][0] and left[m.id, m.sender]]
                if free:
                    keys[i] = (free[0].id, free[0].sender)
                    left[keys[i]] -= 1
        ours = Counter(keys)
        self.check("every message once, under the id that the log has", differ("the log", ours, theirs))
        pairs = Counter((*k, self.source(r)) for k, r in zip(keys, queued))
        wanted = Counter((m.id, m.sender, source_of(m, sent)) for m in log.messages)
        self.check("every message's own source", differ("the log", pairs, wanted))
        ours = Counter((get(r, "email.local_id"), get(r, "spamtrace.parent_queue_id"))
                       for r in queued if get(r, "spamtrace.source") == "bounce"
                       and get(r, "spamtrace.bytes") is not None)
        read = {i for i, _ in ours}
        theirs = Counter((m.id, m.parent) for m in log.messages if m.kind == "bounce" and m.id in read)
        if any(m.parent for m in log.messages):
            self.check("bounces' parents", differ("the log", ours, theirs))

    def names(self, sent, queued):
        wrong = Counter()
        for r in queued:
            plan = sent.get(get(r, "email.sender.address"))
            if not plan or get(r, "spamtrace.source") == "forward":
                continue
            for name, value in plan.fields.items():
                if name == "spamtrace.auth_user" and get(r, "spamtrace.bytes") is None:
                    continue
                if get(r, name) != value:
                    wrong[f"{plan.source}: {name} {get(r, name)!r} instead of {value!r}"] += 1
        self.check("scripts, users, clients and mailboxes", "; ".join(f"{n} x {w}" for w, n in wrong.most_common(3)))

    def removals(self, log, records):
        gone = [r for r in records if action(r) == "mail-removed" and get(r, "spamtrace.remover") != "aborted"]
        self.check("removals", differ("the log", Counter(get(r, "email.local_id") for r in gone),
                                      Counter(i for i, _ in log.removed)))
        self.check("who removed them", differ(
            "the log", Counter((get(r, "email.local_id"), get(r, "spamtrace.remover")) for r in gone),
            Counter(log.removed)))

    def samples(self, records, growth):
        last, bad, unequal = {}, Counter(), []
        for r in records:
            if action(r) != "queue-sampled":
                continue
            q = get(r, "spamtrace.queue")
            last[q["directory"]] = q
            if q.get("unexplained"):
                bad[f"{q['directory']}: {q['unexplained']} ({q.get('note')})"] += 1
        self.check("nothing unexplained in any sample", "; ".join(f"{n} x {t}" for t, n in bad.most_common(3)))
        for d, q in last.items():
            # only qmail counts files that are no message, and so does spamtrace
            partly = q.get("in_flight", 0) + q.get("orphans", 0) if "qmail" in d else 0
            if q["growth"] != q["queued"] - q["removed"] + partly:
                unequal.append(f"{d}: grew by {q['growth']}, {q['queued']} came, {q['removed']} left, {partly} are no message")
            if d in growth and q["growth"] != growth[d]:
                unequal.append(f"{d}: grew by {growth[d]}, spamtrace says {q['growth']}")
        self.check("growth is what came less what left", "; ".join(unequal) if last else "no sample")

    @property
    def failed(self):
        return [name for name, problem in self.checks if problem]

    def table(self, mta):
        show = lambda n: "-" if n is None else str(n)
        rows = [f"  {mta:<12}{'SENT':>8}{'LOG':>8}{'SPAMTRACE':>11}"]
        rows += [f"{' ' if log == ours or name[0] == '(' else '!'} {name:<12}{show(sent):>8}{log:>8}{ours:>11}"
                 for name, sent, log, ours in self.rows]
        rows += [f"{'!' if problem else ' '} {name}: {problem or 'agree'}" for name, problem in self.checks
                 if problem or not name.endswith("log and spamtrace")]
        return rows


def unknown(record):
    """As a client's message that was not seen to come is told; its file was there."""
    record["spamtrace"].pop("bytes", None)
    for name, value in (("source", "unknown"), ("attribution", "none"), ("reason", "its injection began before tracing, or was not seen")):
        put(record, f"spamtrace.{name}", value)


def controls(judge_with, records):
    """Alters one record at a time: (what, did a check fail that had passed)."""
    def failing(recording):
        return {(name, problem) for name, problem in judge_with(recording).checks if problem}

    before = failing(records)
    first = {}
    for i, r in enumerate(records):
        if action(r) == "mail-attempted" and not attempt(r):
            continue
        if get(r, "spamtrace.remover") == "aborted":  # never was a message: no log has it
            continue
        if action(r) != "mail-queued" or (get(r, "spamtrace.source") in KINDS["local"] and get(r, "email.sender.address")):
            first.setdefault(action(r), i)
        if action(r) == "queue-sampled":
            first["last-sample"] = i
        if action(r) == "mail-queued" and get(r, "spamtrace.source") in ("smtp", "smtp-auth"):
            if get(r, "spamtrace.bytes") is not None:
                first.setdefault(get(r, "spamtrace.source"), i)
    changes = [
        ("a message's source", "mail-queued", lambda r: put(r, "spamtrace.source", "forward")),
        ("a message's id", "mail-queued", lambda r: put(r, "email.local_id", "0")),
        ("a message's user", "mail-queued", lambda r: put(r, "user.id", "77")),
        ("who removed one", "mail-removed", lambda r: put(r, "spamtrace.remover", "nobody")),
        ("an unexplained message", "last-sample", lambda r: get(r, "spamtrace.queue").update(unexplained=1)),
        ("the queue's growth", "last-sample", lambda r: get(r, "spamtrace.queue").update(growth=12345)),
    ]
    if "smtp-auth" in first:
        changes += [
            ("a login that is not reported", "smtp-auth", lambda r: put(r, "spamtrace.source", "smtp")),
            ("a login's mailbox", "smtp-auth", lambda r: put(r, "spamtrace.auth_user", "other@shop.test")),
            ("a client without a login", "smtp", lambda r: put(r, "spamtrace.source", "smtp-auth")),
            ("a client's address", "smtp", lambda r: put(r, "client.ip", "192.0.2.1")),
        ]
    if "smtp" in first:
        changes.append(("a client told as unknown, without the word that its file was gone", "smtp", unknown))
    results = []
    for what, kind, change in changes:
        if kind not in first:
            results.append((f"{what}: no record to alter", False))
            continue
        made = list(records)
        made[first[kind]] = copy.deepcopy(made[first[kind]])
        change(made[first[kind]])
        results.append((what, bool(failing(made) - before)))
    for what, kind in (("a message left out", "mail-queued"), ("a removal left out", "mail-removed"),
                       ("an attempt left out", "mail-attempted")):
        if kind not in first:
            results.append((f"{what}: no record to leave out", False))
            continue
        at = first[kind]
        results.append((what, bool(failing(records[:at] + records[at + 1:]) - before)))
    return results
