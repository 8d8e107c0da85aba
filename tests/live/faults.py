#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Load, loss and faults, a row each. Runs inside a stage, started by tests/live/faults."""
import argparse
import copy
import json
import os
import re
import signal
import subprocess
import time

import faults_stage as fs
from faults_stage import (OUT, Failed, Tracer, action, get, judge, read, send_cli, send_web, tokens, wait_until)
import faults_log
import faults_output
import faults_php
import faults_server
import steady

SITES = (1, 2, 3)


class Run:
    """What every row is given."""

    def __init__(self, mta, soak):
        self.mta, self.soak = mta, soak
        self.truth = fs.Truth(fs.deploy(), mta)
        self.problems = []
        self.row = ""
        self.tracers = []

    def need(self, right, text):
        if not right:
            self.problems.append(text)

    def tracer(self, *args, **more):
        t = Tracer(self.row, *args, **more)
        self.tracers.append(t)
        return t.ready()

    def prefix(self, kind, site, part=0):
        return f"{self.row}.{kind}.s{site}.{part}"

    def begin(self, count, part=0, sites=SITES):
        """Senders of `count` messages each, and the tokens that they will send."""
        prefixes = [self.prefix("cli", s, part) for s in sites]
        return [send_cli(p, count) for p in prefixes], [t for p in prefixes for t in tokens(p, count)]

    def send(self, count, part=0, sites=SITES):
        processes, wanted = self.begin(count, part, sites)
        for p in processes:
            fs.finish(p)
        return wanted

    def web(self, kind, count, part=0, sites=SITES):
        prefixes = [self.prefix(kind, s, part) for s in sites]
        for p in prefixes:
            send_web(p, count)
        return [t for p in prefixes for t in tokens(p, count)]

    def settle(self, tracer, wanted, recorded=None):
        """Waits for the queue, and for the recording as far as it comes."""
        wait_until("every message in the queue", lambda: self.truth.settled(wanted))
        want = len(wanted) if recorded is None else recorded
        try:
            wait_until("", lambda: tracer.count() >= want, 10 if recorded is None else 3)
        except Failed:
            pass  # what is missing is the judge's to say

    def judge(self, tracer, wanted):
        self.truth.look()
        j = judge(tracer.records(), self.truth.queue, wanted, self.truth.fields)
        self.problems += j.wrong[:4] + j.problems[:4]
        return j

    def all_exact(self, tracer, wanted, status=0):
        """Ends the tracer and asks for everything."""
        self.settle(tracer, wanted)
        got = tracer.stop()
        self.need(got == status, f"exit status {got} instead of {status}")
        j = self.judge(tracer, wanted)
        self.need(not j.missing, f"not reported: {j.missing[:3]} of {len(j.missing)}")
        self.need(not j.unsure, f"not exact: {len(j.unsure)}, {[get(r, 'spamtrace.reason') for r in j.unsure[:2]]}")
        self.need(j.exact == len(wanted), f"{j.exact} exact of {len(wanted)}")
        self.need(not tracer.lost(), f"lost: {tracer.lost()}")
        return j

    def kernel_totals(self, tracer, per_uid):
        """The kernel's own numbers against {uid: messages}."""
        totals = get(tracer.ended(), "spamtrace.kernel_totals") or {}
        have = {r["user"]["id"]: (r["injections"], r.get("commits")) for r in totals.get("by_uid", [])}
        # with fanotify it is not the kernel side that sees commits, and so it counts none
        late = "queue (fanotify)" in get(tracer.ended(), "spamtrace.hooks")
        for uid, n in per_uid.items():
            self.need(have.get(uid) == (n, None if late else n),
                      f"the kernel counted {have.get(uid)} for uid {uid}, {n} were sent")


# ---- load ----

STORM_RATE = 5000


def execs(*args, below=None):
    """How many execs a second a storm made, and how many in all."""
    argv = ["/opt/faults/storm", *map(str, args)]
    p = fs.as_site(below, ["php", "-r", f"passthru('{' '.join(argv)}');"]) if below else \
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    out, _ = p.communicate(timeout=120)
    if p.returncode or len(out.split()) != 2:
        raise Failed(f"{argv} ended with status {p.returncode}: {out[:100]}")
    n, seconds = out.split()
    return int(n) / float(seconds), int(n)


def storm(run):
    """The load that it claims: 5,000 execs a second, or what the machine has in it. What that is, is asked before and after."""
    able = [execs(2, 1000000)[0]]
    t = run.tracer()
    senders, wanted = run.begin(40)
    paced, many = execs(10, 4 * STORM_RATE, STORM_RATE)
    for s in senders:
        fs.finish(s)
    # the same below a PHP script: every fork of it is carried and recorded
    senders, more = run.begin(40, 1)
    below, many_below = execs(10, 2 * STORM_RATE, below=1)
    for s in senders:
        fs.finish(s)
    j = run.all_exact(t, wanted + more)
    run.kernel_totals(t, {str(10000 + s): 80 for s in SITES})
    able.append(execs(2, 1000000)[0])
    # the mail is sent meanwhile, and by the same machine
    run.need(paced > min(STORM_RATE * .95, min(able) / 4), f"{paced:.0f} execs/s of {STORM_RATE}: the machine has {able[0]:.0f} and {able[1]:.0f} in it")
    made = "reached" if paced > STORM_RATE * .95 else f"not reached: the machine alone makes {able[0]:.0f} before and {able[1]:.0f} after"
    return (f"{many} execs at {paced:.0f}/s, {STORM_RATE} asked for and {made}; {many_below} at {below:.0f}/s below PHP; {j}")


def forks(run):
    t = run.tracer()
    script = [f"{fs.docroot(s)}/fork.php" for s in SITES]
    start = time.monotonic()
    workers = [fs.as_site(s, ["php", script[s - 1], "5000"]) for s in SITES[:2]]
    senders, wanted = run.begin(40)
    done = [w.communicate(timeout=120)[0].split() for w in workers]
    seconds = time.monotonic() - start
    for s in senders:
        fs.finish(s)
    connection = subprocess.run(["curl", "-s", "-H", f"Host: {fs.DOMAINS[2]}", "http://127.0.0.1:8082/fork.php?n=500"],
                                capture_output=True, text=True, check=True)
    run.need(connection.stdout.split()[-1:] == ["500"], f"FPM: {connection.stdout[:100]}")
    forked = sum(int(d[1]) for d in done)
    run.need(forked == 10000, f"{forked} forks")
    j = run.all_exact(t, wanted)
    run.kernel_totals(t, {str(10000 + s): 40 for s in SITES})
    # another stage's are seen, too
    attempts = [r for r in t.records() if action(r) == "mail-attempted" and get(r, "file.path") in script]
    run.need(not attempts, f"{len(attempts)} attempts reported of workers that sent nothing")
    return f"{forked} forks ({done[0][0]}) in {seconds:.1f} s, 500 programs by FPM; {j}"


def constant(name):
    """One of user/trace/pace.h."""
    return int(re.search(rb"#define %s +(\d+)" % name.encode(), read("/src/user/trace/pace.h")).group(1))


def woken(t):
    """How often the queues woke a tracer that was given -v, and how often that led to a rest."""
    said = re.search(rb"the queues woke it (\d+) times, (\d+) of them to a rest", read(t.stderr))
    return (int(n) for n in said.groups())


def pace(run):
    """However many events there are in the queue, they do not wake the tracer more often than user/trace/pace.h says."""
    words = []
    for part, env in enumerate(({}, {"SPAMTRACE_QUEUE_HOOK": "syscalls"})):
        start = time.monotonic()
        t = run.tracer("-v", env=env)
        run.all_exact(t, run.send(200, part))
        seconds = time.monotonic() - start
        wakes, rests = woken(t)
        windows = seconds * 1e9 / constant("PACE_WINDOW_NS") + 2
        # and there are no rests before so many messages, of at most 6 events each
        most = windows * (constant("PACE_PROMPT") + constant("PACE_WINDOW_NS") // constant("PACE_REST_NS") + 1) + 6 * constant("PACE_STAYED")
        run.need(0 < wakes <= most, f"woken {wakes} times in {seconds:.1f} s, {most:.0f} at most")
        words.append(f"{next(h for h in get(t.ended(), 'spamtrace.hooks') if h.startswith('queue'))}: 600 messages, woken {wakes} times, rested {rests} times in {seconds:.1f} s")
    return "; ".join(words)


def pace_gone(run):
    """What is delivered while the tracer rests cannot be read: where messages go at once it does not rest."""
    t = run.tracer("-v")
    senders = [send_cli(run.prefix("cli", s), 400, "sink@localhost") for s in SITES]
    sent = sum(fs.finish(s)[0] for s in senders)
    wait_until("every message in the recording", lambda: t.count() >= sent)
    t.stop()
    mails = [r for r in t.records() if action(r) == "mail-queued"]
    unread = sum(not get(r, "email.subject") for r in mails)
    wakes, rests = woken(t)
    run.need(len(mails) == sent, f"{len(mails)} of {sent} messages")
    # on a machine so busy that they do not go at once it may
    run.need(rests < 40 or unread < sent / 8, f"it rested {rests} times, and {unread} of {sent} messages were not read")
    return f"{sent} messages, woken {wakes} times, rested {rests} times; {unread} were gone before they could be read"


def lossy(run, t, wanted, strict):
    run.settle(t, wanted, 0)
    status = t.stop()
    run.need(status == (2 if strict else 0), f"exit status {status} with{'' if strict else 'out'} --strict")
    j = run.judge(t, wanted)
    lost = t.lost()
    run.need(not (j.missing or j.unsure) or lost, "messages are missing, but nothing is said to be lost")
    for r in j.unsure:
        run.need(get(r, "spamtrace.reason"), f"{get(r, 'email.local_id')}: not exact, without a reason")
    return j, lost


def tiny_ring(run):
    words = []
    for part, (strict, env) in enumerate(((True, {}), (False, {"SPAMTRACE_QUEUE_HOOK": "syscalls"}))):
        t = run.tracer("--ring", "0.004", "-o", "table", *(["--strict"] if strict else []), env=env)
        before = len(run.truth.look())
        senders, wanted = run.begin(50, part)
        # it is fast enough for 4 KiB, unless it does not get to it
        t.kill(signal.SIGSTOP)
        wait_until("some messages", lambda: len(run.truth.look()) > before + 20)
        t.kill(signal.SIGCONT)
        for s in senders:
            fs.finish(s)
        j, lost = lossy(run, t, wanted, strict)
        run.need(lost and all(k in ("ring-origin", "ring-lineage", "ring-exec", "ring-queue", "origin-missing",
                                    "inconsistent") for k in lost), f"lost: {lost}")
        run.need(j.exact < len(wanted), "nothing was lost in a ring of 4 KiB")
        run.kernel_totals(t, {str(10000 + s): 50 for s in SITES})
        run.need(b"LOST" in read(t.stdout) and b"COUNTED" in read(t.stdout), "the summary does not say what was lost")
        hook = next(h for h in get(t.ended(), "spamtrace.hooks") if h.startswith("queue"))
        words.append(f"{hook}: {j}; lost {sum(lost.values())}")
    return "; ".join(words)


def stopped(run):
    """The consumer is stopped: with the ring of everyday, and with one that must overflow."""
    words = []
    for part, ring in enumerate(("16", "1")):
        t = run.tracer("--ring", ring, "--strict", "-o", "table")
        senders, wanted = run.begin(100000, part)

        def sent_by_now(part=part):
            return len([x for x in run.truth.look().values() if x.startswith(f"{run.row}.cli") and f".{part}#" in x])

        # Postfix's pickup ends after 100 rounds: one that ran before the tracer, and ends while that is stopped, is not known
        wait_until("a pickup that was seen to start", lambda: sent_by_now() >= 500)
        before, begun = sent_by_now(), time.monotonic()
        t.kill(signal.SIGSTOP)
        time.sleep(10)
        if ring == "1":
            wait_until("more than fits into the ring", lambda: sent_by_now() - before >= 1000)
        during, seconds = sent_by_now(), time.monotonic() - begun
        t.kill(signal.SIGCONT)
        open("/tmp/enough", "w").close()
        sent = [fs.finish(s) for s in senders]
        os.unlink("/tmp/enough")
        prefixes = [run.prefix("cli", s, part) for s in SITES]
        wanted = [x for p, (n, _) in zip(prefixes, sent) for x in tokens(p, n)]
        run.settle(t, wanted, len(wanted))
        status = t.stop()
        j = run.judge(t, wanted)
        lost = t.lost()
        run.need(during - before > 20, f"the server stood still: {during - before} messages in {seconds:.0f} s")
        longest = max(ms for _, ms in sent)
        run.need(longest < 5000, f"a message took {longest} ms")
        run.need(not (j.missing or j.unsure) or lost, f"{j}, but nothing is said to be lost")
        run.need(status == (2 if lost else 0), f"exit status {status} with losses {lost}")
        run.kernel_totals(t, {str(10000 + s): n for s, (n, _) in zip(SITES, sent)})
        if ring == "1":
            run.need(lost, f"a ring of 1 MiB held {during - before} messages: no loss was provoked")
        words.append(f"{ring} MiB: {(during - before) / seconds:.0f} mails/s meanwhile, longest {longest} ms; {j}; "
                     f"lost {sum(lost.values())}")
    return "; ".join(words)


def replay(run):
    """The user side alone, as tests/live/faults ran it: a million messages from 10,000 scripts, and Postfix down."""
    large = json.loads(read(f"{OUT}/replay-up"))
    run.need(large["messages"] == large["exact"] == 1000000, f"{large}")
    run.need(large["bad"] == 0 and large["tasks"] <= 8192, f"{large}")
    run.need(large["rss"] < 32, f"{large['rss']} MiB")
    run.need(large["rss"] - large["rss_fifth"] < 0.3, f"grows: {large['rss_fifth']} MiB after 200,000, {large['rss']} MiB after all")
    down = json.loads(read(f"{OUT}/replay-down"))
    run.need(down["messages"] == down["exact"] == down["waiting"] == 90000, f"Postfix down: {down}")
    run.need(down["untold"] <= 4096 and down["bad"] == down["origins"] == down["forgotten"] == 0, f"Postfix down: {down}")
    run.need(down["rss"] < 32, f"Postfix down: {down['rss']} MiB")
    return (f"1,000,000 messages, 10,000 scripts: {large['rss']} MiB ({large['rss_fifth']} after 200,000), "
            f"{large['user_us']} µs each, lost 0; "
            f"90,000 in maildrop at once: {down['rss']} MiB")


def fill_logins():
    """Of so many lines of the log it is remembered whose a message is: a table that a mail server fills in minutes, and 20 s of mail do
    not. Without this it would look like a leak."""
    room = int(re.search(rb"#define LOGINS_MAX (\d+)", read(f"{fs.HERE}/../../user/mail/logins.c")).group(1))
    with open(read("/run/mail-log").decode().strip(), "ab") as f:
        for n in range(room):
            f.write(b"Nov 30 00:00:00 soak postfix/pickup[1]: ZZZZ%X: uid=0 from=<soak>\n" % n)


def soak(run):
    t = run.tracer("--strict", "-o", "json", stdout=subprocess.DEVNULL)
    fill_logins()
    senders = [send_cli(run.prefix("cli", s), 10000000, "sink@localhost") for s in SITES]
    samples = []
    end = time.monotonic() + run.soak
    while time.monotonic() < end:
        time.sleep(.25)
        samples.append(steady.sample(t.pid))
    open("/tmp/enough", "w").close()
    sent = sum(fs.finish(s)[0] for s in senders)
    os.unlink("/tmp/enough")
    try:
        wait_until("", lambda: t.count() >= sent, 30)
    except Failed:
        pass
    status = t.stop()
    run.need(status == 0, f"exit status {status}, lost {t.lost()}")
    mails = [r for r in t.records() if action(r) == "mail-queued"]
    exact = [r for r in mails if get(r, "spamtrace.attribution") == "exact"]
    run.need(len(mails) == len(exact) == sent, f"{sent} sent, {len(mails)} reported, {len(exact)} exact")
    wrong = [r for r in exact if (get(r, "email.subject") or "").startswith("[") and
             get(r, "file.path") != run.truth.fields(get(r, "email.subject")[1:].split("]")[0])["file.path"]]
    run.need(not wrong, f"{len(wrong)} wrong: {wrong[:1]}")
    others = sum(action(r) == "mail-attempted" for r in t.records())
    run.need(others < sent / 2, f"disturbed: another stage injected {others} times")
    growth, figures = steady.judge(samples)
    run.problems += growth
    return (f"{sent} messages in {run.soak} s, all exact, lost 0; {figures['rss_second'] / 1024:.1f} MiB in the second quarter, "
            f"{figures['rss_last'] / 1024:.1f} MiB in the last; {figures['fds_second']} descriptors, {figures['fds_last']} then")


class Found(Run):
    """What is found of a report that is made up."""

    def __init__(self, truth):  # pylint: disable=super-init-not-called
        self.truth, self.problems = truth, []


def control(run):
    """The judge itself: altered records must be caught."""
    t = run.tracer()
    wanted = run.send(2)
    run.settle(t, wanted)
    t.stop()
    records, queue = t.records(), run.truth.look()
    run.need(not judge(records, queue, wanted, run.truth.fields).wrong, "the unaltered recording is judged wrong")
    i = next(i for i, r in enumerate(records) if action(r) == "mail-queued")
    for name in ("file.path", "user.id", "spamtrace.culprit.line", "email.local_id"):
        made = copy.deepcopy(records)
        fs.check.put(made[i], name, fs.check.other(get(made[i], name)))
        run.need(judge(made, queue, wanted, run.truth.fields).wrong, f"an altered {name} was not caught")
    run.need(judge(records[:i] + records[i + 1:], queue, wanted, run.truth.fields).missing,
             "a message left out was not caught")
    run.need(judge(records + [records[i]], queue, wanted, run.truth.fields).wrong, "one given twice was not caught")
    right = run.truth.fields(wanted[0])["file.path"]
    for how, path, reason, good in (("inferred", right, "why", True), ("none", None, "why", True), ("inferred", None, "why", False),
                                    ("inferred", "/other.php", "why", False), ("none", right, "why", False), ("none", None, None, False)):
        found = Found(run.truth)
        faults_server.not_wrong(found, wanted[0], {"spamtrace.attribution": how, "file.path": path, "spamtrace.reason": reason})
        run.need(good != bool(found.problems), f"in flight, {how} as {path}, reason {reason}: {found.problems}")
    run.problems += steady.control()
    return "6 altered recordings, 4 wrong reports of messages in flight and a process that grows caught"


ROWS = (
    ("control", control), ("storm", storm), ("forks", forks), ("pace", pace), ("pace-gone", pace_gone), ("tiny-ring", tiny_ring), ("stopped", stopped),
    *faults_server.ROWS, *faults_php.ROWS, *faults_log.ROWS, *faults_output.ROWS, ("replay", replay), ("soak", soak),
)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", default="")
    p.add_argument("--soak", type=int, default=60)
    args = p.parse_args()
    subprocess.run(["bash", "-c", """set -euo pipefail
        . /src/scripts/lib/hosting.sh; . /src/scripts/lib/servers.sh; . /src/scripts/lib/mta.sh
        start_mta; start_modphp mod 8081; start_fpm fpm; start_proxy px 8082 fpm unix"""], check=True)
    run = Run(os.environ["STAGE_MTA"], args.soak)
    passed = failed = 0
    for name, row in ROWS:
        if not re.search(args.only, name):
            continue
        run.row, run.problems, run.tracers = name, [], []
        start = time.monotonic()
        try:
            text = row(run)
        except Exception as e:  # noqa: BLE001  a row that cannot be run is a failed row
            run.problems.append(f"{type(e).__name__ if not isinstance(e, Failed) else 'gave up'}: {e}")
            text = ""
        for t in run.tracers:
            if t.process.poll() is None:
                t.process.kill()
                t.process.wait()
        right = not run.problems
        passed, failed = passed + right, failed + (not right)
        print(f"{' ' if right else '!'} {name:<14} {time.monotonic() - start:5.1f} s  {text}", flush=True)
        for problem in run.problems[:8]:
            print(f"      {problem}", flush=True)
    with open(f"{OUT}/done", "w", encoding="ascii"):
        pass
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


raise SystemExit(main())
