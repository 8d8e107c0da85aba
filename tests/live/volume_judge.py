# SPDX-License-Identifier: GPL-2.0-only
"""Who sent each message, as spamtrace and five other ways to find out say. Pure: no files, no processes.

Every method is asked for each message which script sent it, and its answer is one of
    right   it names the script, and no other script of the host fits what it says. Either of two will do:
            the file that sent or the primary script that ran. (spamtrace must name both, the line, vhost,
            client, user and subject, and say "exact".)
    wrong   taken at its word it is another script, vhost or user
    partly  true, but more than one script fits: a base name, a user, a directory
    none    it says nothing, or nothing but the user that all vhosts share
"""
import copy
import os
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import check

ANSWERS = ("right", "wrong", "partly", "none")
SHARED_UID = 33


@dataclass
class Host:
    """What is on the host: scripts as path -> uid of its customer, directories of the customers, and whose they are."""
    scripts: dict
    homes: dict  # uid -> directory

    def owner(self, path):
        return next((u for u, home in self.homes.items() if path == home or path.startswith(home + "/")), None)


@dataclass
class Seen:
    """What one message left behind, besides spamtrace's record."""
    header: tuple = None     # X-PHP-Originating-Script: (uid, base name)
    php_log: str = None      # the path in PHP's mail.log
    mta_uid: int = None      # the uid in the MTA's log
    directory: str = None    # of the injector, at its exec
    opened: str = None       # the last script that the sending process opened before it sent


@dataclass
class Truth:
    site_uid: int            # of the customer whose script it is
    uid: int                 # that it ran with
    files: frozenset         # the file that sent, and the primary script
    fields: dict = field(default_factory=dict)


def spamtrace(truth, record):
    if record is None or check.get(record, "spamtrace.attribution") == "none":
        return "none"
    wrong = check.differences(truth.fields, record)
    if not wrong:
        return "right"
    if check.get(record, "spamtrace.attribution") == "inferred" and len(wrong) == 1:
        return "partly"
    return "wrong"


def by_header(truth, seen, host):
    if seen.header is None:
        return "none"
    uid, name = seen.header
    fit = {p for p, owner in host.scripts.items() if os.path.basename(p) == name and uid in (owner, SHARED_UID)}
    return among(truth, fit)


def among(truth, fit):
    if not fit & truth.files:
        return "wrong"
    return "right" if fit <= truth.files else "partly"


def by_php_log(truth, seen, host):
    if seen.php_log is None:
        return "none"
    if seen.php_log in host.scripts:
        return "right" if seen.php_log in truth.files else "wrong"
    # a path of a chroot: it is below somebody's directory
    return among(truth, {home + seen.php_log for home in host.homes.values()} & set(host.scripts))


def by_mta_log(truth, seen, host):
    if seen.mta_uid is None or seen.mta_uid not in host.homes:
        return "none"
    return "partly" if seen.mta_uid == truth.site_uid else "wrong"


def by_directory(truth, seen, host):
    owner = seen.directory and host.owner(seen.directory)
    if owner is None:
        return "none"
    if owner != truth.site_uid:
        return "wrong"
    inside = {p for p in host.scripts if os.path.dirname(p) == seen.directory}
    return "right" if inside and inside <= truth.files else "partly"


def by_opened(truth, seen, host):
    if seen.opened is None:
        return "none"
    return "right" if seen.opened in truth.files else "wrong"


OTHERS = {
    "X-PHP-Originating-Script": by_header,
    "PHP's mail.log setting": by_php_log,
    "the MTA's log": by_mta_log,
    "working directory of sendmail": by_directory,
    "script last opened by the worker": by_opened,
}


def last_opened(opens, pid, when):
    """opens: pid -> sorted [(nanoseconds, path)]."""
    mine = opens.get(pid, [])
    at = bisect_left(mine, (when,))
    return mine[at - 1][1] if at else None


def compare(truths, records, seen, host):
    """truths: token -> Truth; records: token -> record; seen: token -> Seen. method -> Counter of answers."""
    counts = {"spamtrace": Counter(spamtrace(t, records.get(token)) for token, t in truths.items())}
    for name, method in OTHERS.items():
        counts[name] = Counter(method(t, seen.get(token, Seen()), host) for token, t in truths.items())
    return counts


def table(counts):
    rows = [f"  {'METHOD':<34}" + "".join(f"{a.upper() if a != 'none' else 'NOT AT ALL':>12}" for a in ANSWERS)]
    for name, c in counts.items():
        rows.append(f"  {name:<34}" + "".join(f"{c[a]:>12}" for a in ANSWERS))
    return rows


def by_way(truths, ways, columns, seen, host):
    """One row per method: how many of each way to send it names, and so what it is blind to."""
    total = Counter(ways.values())
    rows = [f"  {'RIGHT, BY WAY TO SEND':<34}" + "".join(f"{c:>12}" for c in columns)]
    for name, method in OTHERS.items():
        right = defaultdict(int)
        for token, t in truths.items():
            right[ways[token]] += method(t, seen.get(token, Seen()), host) == "right"
        rows.append(f"  {name:<34}" + "".join(f"{right[c]:>12}" for c in columns))
    return rows + [f"  {'messages':<34}" + "".join(f"{total[c]:>12}" for c in columns)]


def by_sapi(expected, verdicts, records, order):
    """expected: token -> {case, fields}; records: token -> record. A row per SAPI, its problems below it."""
    rows = [f"  {'SAPI':<12}{'MESSAGES':>9}{'RIGHT':>7}{'WRONG':>7}{'INFERRED':>9}{'NONE':>6}{'LOST':>6}"
            f"{'PIDS':>9}{'VHOSTS OF ONE':>15}"]
    for case in order:
        mine = {t: records[t] for t, e in expected.items() if e["case"] == case and t in records}
        proof = Counter(check.get(r, "spamtrace.attribution") for r in mine.values())
        vhosts = defaultdict(set)
        for r in mine.values():
            vhosts[check.get(r, "process.parent.pid")].update({check.get(r, "url.domain")} - {None})
        v = verdicts[case]
        rows.append(f"{'!' if v.problems else ' '} {case or '(none)':<12}"
                    f"{sum(e['case'] == case for e in expected.values()):>9}{v.right:>7}{v.wrong:>7}"
                    f"{proof['inferred']:>9}{proof['none']:>6}{v.lost:>6}{len(vhosts):>9}"
                    f"{max(map(len, vhosts.values()), default=0):>15}")
        rows += [f"      {p}" for p in v.problems[:6]]
    return rows


def controls(truths, records, seen, host):
    """Falsifies one answer at a time: (what, did the count of its method show it) pairs."""
    before = compare(truths, records, seen, host)
    right = {token: r for token, r in records.items() if spamtrace(truths[token], r) == "right"}
    if len(right) < 2:
        return [("two right records to falsify", False)]
    token, record = next(iter(right.items()))
    elsewhere = next((p for p, o in host.scripts.items() if o != truths[token].site_uid), None)

    def falsified(what, name, value):
        made = copy.deepcopy(record)
        check.put(made, name, value)
        after = compare(truths, {**records, token: made}, seen, host)["spamtrace"]
        return (f"comparison: {what}", after["wrong"] == before["spamtrace"]["wrong"] + 1)

    results = [falsified("spamtrace names the script of another vhost", "spamtrace.culprit.file", elsewhere),
               falsified("spamtrace names another line", "spamtrace.culprit.line", 1),
               falsified("spamtrace names another vhost", "url.domain", "other.test")]
    gone = compare(truths, {k: v for k, v in records.items() if k != token}, seen, host)["spamtrace"]
    results.append(("comparison: spamtrace reports one message less", gone["none"] == before["spamtrace"]["none"] + 1))
    for name, change in (("X-PHP-Originating-Script", {"header": (host.scripts[elsewhere], os.path.basename(elsewhere))}),
                         ("PHP's mail.log setting", {"php_log": elsewhere}),
                         ("the MTA's log", {"mta_uid": host.scripts[elsewhere]}),
                         ("working directory of sendmail", {"directory": os.path.dirname(elsewhere)}),
                         ("script last opened by the worker", {"opened": elsewhere})):
        victim = next((k for k, t in truths.items() if OTHERS[name](t, seen.get(k, Seen()), host) != "wrong" and
                       t.site_uid != host.scripts[elsewhere]), None)
        if victim is None:
            results.append((f"comparison: {name}: an answer to falsify", False))
            continue
        made = copy.copy(seen.get(victim, Seen()))
        made.__dict__.update(change)
        after = compare(truths, records, {**seen, victim: made}, host)[name]
        results.append((f"comparison: {name} names another vhost", after["wrong"] == before[name]["wrong"] + 1))
    return results
