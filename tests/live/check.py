# SPDX-License-Identifier: GPL-2.0-only
"""Judges a recording against the truth. Pure: no files, no processes, so that it can itself be
tested with recordings that were made wrong on purpose (the negative control)."""
import copy
from collections import defaultdict

# What every queued or attempted record is asked for, in the order it is shown.
FIELDS = ("file.path", "spamtrace.culprit.file", "spamtrace.culprit.line", "url.domain", "client.ip",
          "user.id", "spamtrace.source", "spamtrace.attribution", "email.subject")


def get(record, name):
    """A field by its dotted name, whether the record nests or has it flat."""
    if name in record:
        return record[name]
    at = record
    for part in name.split("."):
        if not isinstance(at, dict) or part not in at:
            return None
        at = at[part]
    return at


def put(record, name, value):
    if name in record:
        record[name] = value
        return
    *path, last = name.split(".")
    for part in path:
        record = record.setdefault(part, {})
    record[last] = value


def action(record):
    return get(record, "event.action")


class Verdict:
    """One case's result: the problems found, and what was reported, for the table."""

    def __init__(self):
        self.right = self.wrong = self.lost = 0
        self.problems = []
        self.reported = None

    def problem(self, text):
        if text not in self.problems:
            self.problems.append(text)


# An attribution that depends on who was faster: both are right, the second with its reason.
MAYBE = "exact or inferred"


def differences(expected, record):
    """"field: expected X, reported Y" of each field that is not as expected. A field expected to be
    None must be absent: an unknown name is never an empty or an invented one."""
    found = []
    if expected.get("spamtrace.attribution") == MAYBE:
        have = get(record, "spamtrace.attribution")
        expected = {**expected, "spamtrace.attribution": have if have == "inferred" else "exact"}
        if have == "exact":
            expected.pop("reason")
    for name in expected:
        have = get(record, name)
        if name == "reason":
            name, right = "spamtrace.reason", expected[name] in (have := get(record, "spamtrace.reason") or "")
            if not right:
                found.append(f"{name}: expected {expected['reason']!r} in it, reported {have!r}")
        elif have != expected[name]:
            found.append(f"{name}: expected {expected[name]!r}, reported {have!r}")
    return found


def judge(truth, records, queue, log_ids):
    """truth: token -> {case, expect, fields, args}, queue: queue id -> token as the MTA's own files
    say, log_ids: the ids that the MTA's own log knows, or None. Returns case -> Verdict; the case "" takes
    what belongs to none."""
    verdicts = defaultdict(Verdict)
    seen = defaultdict(int)
    for t in truth.values():
        verdicts[t["case"]]
    for r in records:
        if action(r) != "mail-queued":
            continue
        qid = get(r, "email.local_id")
        token = queue.get(qid)
        if token not in truth:
            verdicts[""].wrong += 1
            verdicts[""].problem(f"queued {qid!r} is no message of this run "
                                 f"({get(r, 'file.path')}, subject {get(r, 'email.subject')!r})")
            continue
        t = truth[token]
        v = verdicts[t["case"]]
        seen[token] += 1
        v.reported = v.reported or r
        found = differences(t["fields"], r)
        if log_ids is not None and qid not in log_ids:
            found.append(f"email.local_id: {qid!r} is not in the MTA's log")
        if t["expect"] != "queued":
            found.append(f"queued, but {t['expect']} was expected")
        if seen[token] > 1:
            found.append(f"{token} was reported {seen[token]} times")
        for f in found:
            v.problem(f)
        if found:
            v.wrong += 1
        else:
            v.right += 1
    attempts = [r for r in records if action(r) == "mail-attempted"]
    used = set()
    for token, t in truth.items():
        v = verdicts[t["case"]]
        if t["expect"] == "queued" and not seen[token]:
            v.lost += 1
            v.problem(f"{token} was queued but not reported")
        if t["expect"] == "queued":
            continue
        mine = [i for i, r in enumerate(attempts) if belongs(t, token, r)]
        used.update(mine)
        if t["expect"] == "nothing":
            v.right += not mine
            v.wrong += len(mine)
            if mine:
                v.reported = attempts[mine[0]]
                v.problem("an attempt was reported, but nothing was injected")
            continue
        if not mine:
            v.lost += 1
            v.problem(f"the attempt {token} was not reported")
        for i in mine:
            v.reported = v.reported or attempts[i]
            found = differences(t["fields"], attempts[i])
            for f in found:
                v.problem(f)
            v.wrong += bool(found)
            v.right += not found
        if len(mine) > 1:
            v.wrong += 1
            v.problem(f"the attempt {token} was reported {len(mine)} times")
    for i, r in enumerate(attempts):
        # a tracer sees the whole machine; what other stages do is in mount namespaces of theirs
        if i not in used and get(r, "container.id") is None:
            verdicts[""].wrong += 1
            verdicts[""].problem(f"an attempt of none of the cases: {get(r, 'process.args')} "
                                 f"{get(r, 'file.path')}")
    if "" in verdicts and not verdicts[""].problems:
        del verdicts[""]
    return verdicts


def belongs(t, token, record):
    """Is this attempt the one of that token? By the script, which only one case has, or by its
    arguments; a -bp is known by nothing else."""
    script = t["fields"].get("file.path")
    if script and get(record, "file.path") == script:
        return True
    args = get(record, "process.args") or []
    return any(token in a for a in args) or (t.get("args") is not None and t["args"] == args)


def failed(verdicts):
    return [c for c, v in verdicts.items() if v.problems]


def controls(truth, records, queue, log_ids):
    """Alters one record at a time and asks whether the judge sees it: (what, caught) pairs."""
    victim = next((i for i, r in enumerate(records)
                   if action(r) == "mail-queued" and get(r, "url.domain")), None)
    if victim is None:
        return [("a recording with a web message to alter", False)]
    changes = [(f"altered {name}", lambda r, n=name: put(r, n, other(get(r, n))))
               for name in FIELDS + ("email.local_id",)]
    results = []
    for what, change in changes:
        made = list(records)
        made[victim] = copy.deepcopy(records[victim])
        change(made[victim])
        results.append((what, bool(failed(judge(truth, made, queue, log_ids)))))
    without = records[:victim] + records[victim + 1:]
    results.append(("a record left out", bool(failed(judge(truth, without, queue, log_ids)))))
    twice = records + [records[victim]]
    results.append(("a record given twice", bool(failed(judge(truth, twice, queue, log_ids)))))
    return results


def other(value):
    if isinstance(value, int):
        return value + 1
    return f"{value}x" if value else "x"


def clip(text, width):
    text = str(text)
    return text if len(text) <= width else "…" + text[-(width - 1):]


def where(fields):
    """"script:line vhost uid" for a row of the table."""
    culprit = fields("spamtrace.culprit.file") or fields("file.path")
    if not culprit:
        return f"- {fields('url.domain') or '-'} {fields('user.id') or '-'}"
    line = fields("spamtrace.culprit.line")
    short = "/".join(culprit.rsplit("/", 2)[-2:])
    return f"{short}{f':{line}' if line else ''} {fields('url.domain') or '-'} {fields('user.id') or '-'}"


def table(truth, verdicts, order):
    """Rows of text, one per case."""
    first = {}
    for t in truth.values():
        first.setdefault(t["case"], t)
    rows = [f"  {'CASE':<26} {'EXPECTED':<46} {'REPORTED':<46} {'RIGHT':>5} {'WRONG':>5} {'LOST':>4}"]
    for case in order:
        v = verdicts[case]
        t = first.get(case)
        expected = "-"
        if t:
            expected = ("" if t["expect"] == "queued" else t["expect"] + " ") + \
                (where(t["fields"].get) if t["expect"] != "nothing" else "")
        reported = where(lambda n: get(v.reported, n)) if v.reported else "-"
        mark = " " if not v.problems else "!"
        rows.append(f"{mark} {case or '(none)':<26} {clip(expected, 46):<46} {clip(reported, 46):<46} "
                    f"{v.right:>5} {v.wrong:>5} {v.lost:>4}")
        rows.extend(f"      {p}" for p in v.problems[:6])
        if len(v.problems) > 6:
            rows.append(f"      and {len(v.problems) - 6} more")
    return rows
