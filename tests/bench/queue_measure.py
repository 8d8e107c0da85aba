#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A full queue read by spamtrace and by the MTA's own tools, in turn, in one run. Runs inside a stage, started by tests/bench/queue."""
import glob
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import queue_fill  # noqa: E402
from measure import spread  # noqa: E402

MTA = os.environ["STAGE_MTA"]
MESSAGES = int(os.environ["MESSAGES"])
ROUNDS = int(os.environ["ROUNDS"])
FEW = MESSAGES // 10
READ = os.environ.get("READ", "")
OUTPUT = "/run/listing"  # in memory

OURS = {
    "spamtrace queue": ["spamtrace", "queue", "--mta", MTA, "-o", "table"],
    "spamtrace queue -o json": ["spamtrace", "queue", "--mta", MTA, "-o", "json"],
    "spamtrace queue --list": ["spamtrace", "queue", "--mta", MTA, "--list", "-o", "table"],
    "spamtrace queue --list -o json": ["spamtrace", "queue", "--mta", MTA, "--list", "-o", "json"],
}
QREAD = "/opt/qread" if READ else "/var/qmail/bin/qmail-qread"
THEIRS = {
    "postfix": {"postqueue -p": ["postqueue", "-p"], "postqueue -j": ["postqueue", "-j"]},
    "exim": {"exim4 -bp": ["exim4", "-bp"]},
    "sendmail": {"sendmail -bp": ["/usr/sbin/sendmail-mta", "-bp"]},
    "nullmailer": {"mailq": ["mailq"]},
    "qmail": {f"qmail-qread ({READ or 'the stand-in'})": [QREAD]},
}[MTA]
DIRECTORIES = {
    "postfix": [f"/var/spool/postfix/{d}" for d in ("maildrop", "incoming", "active", "deferred", "deferred/?", "hold")],
    "exim": ["/var/spool/exim4/input"],
    "sendmail": ["/var/spool/mqueue", "/var/spool/mqueue-client"],
    "nullmailer": ["/var/spool/nullmailer/queue"],
    "qmail": ["/var/qmail/queue/mess/*", "/var/qmail/queue/todo"],
}[MTA]


def run(command):
    """(seconds, peak resident MiB) of one command; its output goes to memory."""
    done = subprocess.run(["/opt/bench/timed", OUTPUT, *command], capture_output=True, stdin=subprocess.DEVNULL, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"bench: {' '.join(command)}: status {done.returncode}: {done.stderr[-500:]}")
    ns, kib = map(int, done.stdout.split())
    return ns / 1e9, kib / 1024


def output():
    with open(OUTPUT, "rb") as f:
        return f.read()


def complete(queue):
    """Each tool must have listed every message, else its time says nothing."""
    for name, command in THEIRS.items():
        run(command)
        have = queue_fill.lines_of(output(), MTA)
        if have != queue.messages:
            sys.exit(f"bench: {name} listed {have} of {queue.messages} messages: {output()[:300]!r}")
    run(OURS["spamtrace queue --list -o json"])
    have = [json.loads(line) for line in output().splitlines()]
    known = sum("origin" in r["spamtrace"]["queue"] and r["spamtrace"]["queue"]["origin"] != "unknown" for r in have)
    if len(have) != queue.messages or known != queue.messages:
        sys.exit(f"bench: spamtrace listed {len(have)} messages, {known} with their origin, of {queue.messages}")


def counting(rounds):
    directories = [d for pattern in DIRECTORIES for d in sorted(glob.glob(pattern))]
    rows = subprocess.run(["/opt/bench/count", MTA, str(rounds), *directories], stdout=subprocess.PIPE, check=True, text=True).stdout
    scans, counts = zip(*(map(int, row.split()) for row in rows.splitlines()))
    return {"scan_ms": spread([n / 1e6 for n in scans]), "count_ms": spread([n / 1e6 for n in counts]),
            "ratio": spread([c / s for s, c in zip(scans, counts)])}


def cold(rounds):
    """qmail's queue on the disk that results go to, and nothing of it in memory."""
    copy = "/out/cold-queue"
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["cp", "-a", "/var/qmail/queue", copy], check=True)
    subprocess.run(["mount", "--bind", copy, "/var/qmail/queue"], check=True)
    times = {name: [] for name in {**OURS, **THEIRS}}
    for _ in range(rounds):
        for name, command in {**OURS, **THEIRS}.items():
            os.sync()
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
                f.write("3")
            times[name].append(run(command)[0])
    subprocess.run(["umount", "/var/qmail/queue"], check=True)
    shutil.rmtree(copy)
    own = next(reversed(THEIRS))
    return {name: {"ms": spread([s * 1000 for s in seconds]), "faster": spread([o / s for o, s in zip(times[own], seconds)])}
            for name, seconds in times.items()}


def main():
    shell = ". /src/scripts/lib/hosting.sh; . /src/scripts/lib/servers.sh; . /src/scripts/lib/mta.sh; start_mta"
    if MTA == "sendmail":
        shell = "echo '127.0.0.1 truth.test d000.elsewhere.test' >>/etc/hosts; " + shell
    subprocess.run(["bash", "-c", "set -e; " + shell], check=True)
    queue = queue_fill.Queue(MTA)
    queue.grow(FEW)
    few = {name: run(command)[1] for name, command in OURS.items()}
    queue.grow(MESSAGES)
    complete(queue)
    times = {name: [] for name in {**OURS, **THEIRS}}
    memory = {}
    for _ in range(ROUNDS):
        for name, command in {**OURS, **THEIRS}.items():
            seconds, mib = run(command)
            times[name].append(seconds)
            memory[name] = max(mib, memory.get(name, 0))
    own = next(reversed(THEIRS))
    result = {
        "mta": MTA, "messages": MESSAGES, "few": FEW, "rounds": ROUNDS, "own": own, "qread": READ or "stand-in",
        "count": counting(4 * ROUNDS),
        "tools": {name: {"ms": spread([s * 1000 for s in seconds]), "rss": memory[name], "rss_few": few.get(name),
                         # how many times as long the MTA's own tool takes, round by round
                         "faster": spread([o / s for o, s in zip(times[own], seconds)])}
                  for name, seconds in times.items()},
    }
    if MTA == "qmail":
        result["cold"] = cold(ROUNDS)
    with open(f"/out/queue-{MTA}.json", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)


main()
