#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the benchmark's phases on a stage and writes their figures to /out/PHASE.json. Started by tests/bench/run."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import kernel  # noqa: E402
import load  # noqa: E402
import measure  # noqa: E402
import throughput  # noqa: E402
import tools  # noqa: E402
import truth  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
ROUNDS = int(os.environ.get("ROUNDS") or 7)


def save(phase, result):
    with open(f"/out/{phase}.json", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)


def compare(phase, kinds, rounds, servers, workloads=throughput.WORKLOADS, milliseconds=1000):
    workloads = [w for w in workloads if not QUICK or not w.endswith("Postfix")]
    result = throughput.run(kinds, 1 if QUICK else rounds, 400 if QUICK else milliseconds, servers, tools.Tool, workloads)
    throughput.print_table(result)
    save(phase, result)


def phase_origins(servers):
    """In-kernel time of an origin, and of a fork that is none of PHP's."""
    result = kernel.run(servers, 400 if QUICK else 2000)
    kernel.print_result(result)
    save("origins", result)


def phase_truth(_):
    """What spamtrace and its peers find, and their CPU time per message."""
    result = truth.run(240 if QUICK else 2400)
    truth.print_result(result)
    save("truth", result)


def phase_hooks(servers):
    """What spamtrace costs pages and mails, with its queue hooks and without."""
    compare("hooks", [tools.Spamtrace, tools.Syscalls, tools.NoQueue, tools.Tool], ROUNDS, servers)


def phase_pages(servers):
    """What it costs pages, in so many rounds that the noise of requests a second averages out."""
    compare("pages", [tools.Spamtrace, tools.Tool], ROUNDS * 3, servers, throughput.PAGES, 2000)


def phase_mails(servers):
    """What it costs mails that come and stay, in so many rounds that the noise of mails a second averages out."""
    throughput.transport("retry:later")
    compare("mails", [tools.Spamtrace, tools.Tool], ROUNDS * 3, servers, throughput.MAILS, 2000)
    throughput.transport("discard:none")


def phase_disk(servers):
    """What it costs mails through Postfix with its spool on a disk."""
    compare("disk", [tools.Spamtrace, tools.Syscalls, tools.Tool], ROUNDS, servers, throughput.ON_DISK, 4000)


def phase_peers(servers):
    """What is used instead costs; each against bare, as spamtrace."""
    compare("peers", [tools.Spamtrace, *tools.PEERS], (ROUNDS + 1) // 2, servers)


def phase_audit(servers):
    """auditd. Afterwards every process of this machine is slower until it is booted again."""
    result = throughput.run_after(tools.Auditd, "audit once on, off again", 1 if QUICK else (ROUNDS + 1) // 2, 400 if QUICK else 1000,
                                  servers, tools.Tool, [w for w in throughput.WORKLOADS if "Postfix" not in w])
    throughput.print_table(result)
    result["found"] = truth.run_one(tools.Auditd, 240 if QUICK else 2400)
    save("audit", result)


def phase_held(_):
    """Five minutes of more messages than an MTA takes, or so many messages."""
    load.deploy(load.SCRIPTS)
    result = load.held(measure.Group("tool"), int(os.environ.get("HELD") or 300), int(os.environ.get("HELD_MESSAGES") or 0))
    load.print_held(result)
    save("held", result)
    return not result["problems"]


def phase_load(_):
    """1,000 messages a second; start; latency."""
    result = load.run(4000 if QUICK else 100_000, 3 if QUICK else 15, 100_000)
    load.print_result(result)
    save("load", result)
    return not result["slow"]["problems"] + result["storm"]["problems"]


PHASES = {"origins": phase_origins, "truth": phase_truth, "hooks": phase_hooks, "pages": phase_pages, "mails": phase_mails, "disk": phase_disk, "peers": phase_peers, "load": phase_load, "held": phase_held,
          "audit": phase_audit}


def main():
    os.makedirs("/run/bench", exist_ok=True)
    servers = measure.Group("servers")
    servers.enter()
    subprocess.run(["bash", f"{HERE}/servers.sh"], check=True)
    measure.Group("driver").enter()
    throughput.deploy()
    # a phase that judges what it measures says so
    failed = [phase for phase in sys.argv[1:] if PHASES[phase](servers) is False]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


raise SystemExit(main())
