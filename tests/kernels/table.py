#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of scripts/kernel-matrix: table.py DIR INSNS SERIES...

DIR/SERIES.out is what the guest printed; INSNS holds lines "SERIES PROGRAM INSTRUCTIONS VERIFIED", what every
program cost when it was last accepted. A program that has grown by a tenth, or whose verification has by half,
fails; RECORD=1 writes the file anew instead. Prints Markdown, then "N passed, N failed"."""
import os
import sys

directory, insns_path, *series = sys.argv[1:]
recorded = {}
if os.path.exists(insns_path):
    for line in open(insns_path, encoding="ascii"):
        if not line.startswith("#"):
            s, program, insns, verified = line.split()
            recorded[s, program] = (int(insns), int(verified))


def read(s):
    results, programs, hooks = {}, {}, {}
    path = f"{directory}/{s}.out"
    if not os.path.exists(path):
        return None
    for line in open(path, encoding="utf-8", errors="replace"):
        words = line.strip().split(" ", 2)
        if words[0] == "@result":
            results[words[1]] = words[2] if len(words) > 2 else ""
        elif words[0] == "@program":
            program, rest = line.split()[1], line.split()[2:]
            programs[program] = tuple(int(n) for n in rest)
        elif words[0] == "@hooks":
            hooks[words[1]] = words[2]
    return results, programs, hooks


def jumps(s, programs):
    """Programs that cost more than was accepted."""
    for program, (insns, verified) in sorted(programs.items()):
        was = recorded.get((s, program))
        if was and insns > was[0] * 1.1 + 16:
            yield f"{program}: {insns} instructions, {was[0]} were accepted"
        elif was and was[1] and verified > was[1] * 1.5 + 1000:
            yield f"{program}: the verifier walked {verified} instructions, {was[1]} were accepted"


passed = failed = 0
problems, rows = [], []
for s in series:
    found = read(s)
    if not found:
        failed += 1
        rows.append((s, "not to be had from this mirror", "", "", "", "", ""))
        continue
    results, programs, hooks = found
    checks = {
        "load and attach": results.get("load") == "ok" and "queue (fexit)" in hooks.get("fexit", ""),
        "trace (fexit)": "queue (fexit)" in results.get("trace.fexit", "") and
                         results["trace.fexit"].endswith(" ok") and results.get("exit.fexit") == "0",
        "trace (syscalls)": "queue (syscalls)" in results.get("trace.syscalls", "") and
                            results["trace.syscalls"].endswith(" ok") and
                            results.get("exit.syscalls") == "0",
        "guest": results.get("status") == "0",
    }
    if "bpf" in results:
        checks["BPF tests"] = results["bpf"] == "0"
    if recorded and not os.environ.get("RECORD"):
        grown = list(jumps(s, programs))
        checks["instruction counts"] = not grown
        problems += [f"{s}: {g}" for g in grown]
    passed += sum(checks.values())
    failed += len(checks) - sum(checks.values())
    problems += [f"{s}: {name} failed: {results.get('trace.' + name[7:-1], '')}" for name, ok in checks.items() if not ok]

    def mark(name):
        return "-" if name not in checks else "ok" if checks[name] else "FAILED"

    def trace(key, name):
        words = results.get(key, "").split("] ")[-1]
        return words.removesuffix(" ok") if checks[name] else f"{words.split(' ')[0] or 'nothing'} FAILED"
    kernel = results.get("kernel", s).removesuffix("-amd64")
    rows.append((kernel, hooks.get("fexit", "none").replace(", script opens, queue file creation", ""),
                 str(len(programs)) if checks["load and attach"] else "FAILED", mark("BPF tests"),
                 trace("trace.fexit", "trace (fexit)"), trace("trace.syscalls", "trace (syscalls)"),
                 results.get("seconds", "")))
    if os.environ.get("RECORD"):
        recorded = {k: v for k, v in recorded.items() if k[0] != s}
        recorded.update({(s, p): cost for p, cost in programs.items()})

if os.environ.get("RECORD"):
    with open(insns_path, "w", encoding="ascii") as f:
        f.write("# SPDX-License-Identifier: GPL-2.0-only\n# series program instructions verified (0: not told)\n")
        for (s, program), cost in recorded.items():
            f.write(f"{s} {program} {cost[0]} {cost[1]}\n")
for p in problems:
    print(f"kernel-matrix: {p}", file=sys.stderr)
print("\n| Kernel | Hooks | Programs | BPF tests | Live trace, fexit | Live trace, syscalls | Seconds |")
print("|---|---|---|---|---|---|---|")
for row in rows:
    print("| " + " | ".join(row) + " |")
print(f"\n{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
