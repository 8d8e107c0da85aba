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


def save(phase, result):
    with open(f"/out/{phase}.json", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)


def phase_hooks(servers):
    """What the hooks cost those who do not trigger them, and those who do."""
    kinds = [tools.Spamtrace, tools.NoQueue, tools.Tool]
    result = throughput.run(kinds, 3 if QUICK else int(os.environ.get("ROUNDS", "9")), 1200, servers, tools.Tool)
    throughput.print_table(result)
    save("hooks", result)


def phase_origins(servers):
    """In-kernel time of an origin, and of a fork that is none of PHP's."""
    result = kernel.run(servers, 400 if QUICK else 2000)
    kernel.print_result(result)
    save("origins", result)


def phase_load(_):
    """1,000 messages a second; start; latency."""
    result = load.run(6000 if QUICK else 100_000, 3 if QUICK else 15, 100_000)
    load.print_result(result)
    save("load", result)


def phase_peers(servers):
    """spamtrace beside what is used instead: throughput."""
    kinds = [tools.Spamtrace, *tools.PEERS]
    result = throughput.run(kinds, 1 if QUICK else int(os.environ.get("ROUNDS", "9")) // 2 + 1, 1200, servers, tools.Tool)
    throughput.print_table(result)
    save("peers", result)


def phase_truth(_):
    """spamtrace beside what is used instead: what each of them finds, and its CPU time per message."""
    result = truth.run(240 if QUICK else 960)
    truth.print_result(result)
    save("truth", result)


PHASES = {"truth": phase_truth, "peers": phase_peers,
          "origins": phase_origins, "load": phase_load, "hooks": phase_hooks}


def main():
    os.makedirs("/run/bench", exist_ok=True)
    servers = measure.Group("servers")
    servers.enter()
    subprocess.run(["bash", f"{HERE}/servers.sh"], check=True)
    measure.Group("driver").enter()
    throughput.deploy()
    for phase in sys.argv[1:]:
        PHASES[phase](servers)


main()
