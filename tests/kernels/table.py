#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of scripts/kernel-matrix: table.py DIR INSNS README SERIES...

DIR/SERIES.out is what the guest printed; INSNS holds lines "SERIES PROGRAM INSTRUCTIONS VERIFIED", what every
program cost when it was last accepted. A program that has grown by a tenth, or whose verification has by half,
fails, as does one that is new there or gone; RECORD=1 accepts what was found and writes the file anew. Prints
Markdown, then "N passed, N failed"; with DOCS=1 the table also takes the place of that between the marks
<!-- kernels --> and <!-- end --> of README, when every series ran and nothing failed."""
import datetime
import os
import re
import sys

TRACES = ("postfix", "fexit", "fanotify", "syscalls")
HEAD = ("kernel", "programs", "BPF tests", "Postfix, fexit", "qmail, fexit", "qmail, fanotify", "qmail, syscalls", "exec in place")


def read(path):
    results, programs, hooks, notes = {}, {}, {}, []
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            words = line.strip().split(" ", 2)
            if words[0] == "@result":
                results[words[1]] = words[2] if len(words) > 2 else ""
            elif words[0] == "@program":
                program, *rest = line.split()[1:]
                programs[program] = tuple(int(n) for n in rest)
            elif words[0] == "@hooks":
                hooks[words[1]] = set(words[2].split(", "))
            elif words[0] == "@note":
                notes.append(" ".join(words[1:]))
    return results, programs, hooks, notes


def costs(s, programs, recorded):
    """What costs more than was accepted, is new or is gone."""
    accepted = {p: cost for (of, p), cost in recorded.items() if of == s}
    for program in sorted(accepted.keys() - programs.keys()):
        yield f"{program}: gone, it was accepted"
    for program, (insns, verified) in sorted(programs.items()):
        was = accepted.get(program)
        if not was:
            yield f"{program}: no cost was accepted, see RECORD=1"
        elif insns > was[0] * 1.1 + 16:
            yield f"{program}: {insns} instructions, {was[0]} were accepted"
        elif was[1] and verified > was[1] * 1.5 + 1000:
            yield f"{program}: the verifier walked {verified} instructions, {was[1]} were accepted"


def hook_faults(version, queue, hooks):
    # "fork, exec, exit" is one
    wanted = {"fork", "exec", "exit", "connect", "script opens", "queue file creation", f"queue ({queue})"}
    if version >= (6, 10):
        wanted.add("exec in place")
    hooks = hooks.get(queue, set())
    return [f"hook {h} is missing" for h in sorted(wanted - hooks)] + [f"hook {h} is one too many" for h in sorted(hooks - wanted)]


def trace_fault(name, version, results):
    """Empty if the trace of that name is as it should be."""
    told = results.get(f"trace.{name}")
    if told is None:
        return "it did not run"
    if name == "fanotify" and version < (5, 17):
        return "" if told == "not before 5.17" else told
    if results.get(f"exit.{name}") != "0":
        return f"exit status {results.get(f'exit.{name}')}: {told}"
    hook = "fexit" if name == "postfix" else name
    total = 26 if results.get("in-place") == "tried" else 24
    if f"queue ({hook})" not in told or f"/{total}" not in told or not told.endswith(" ok"):
        return told or "it told nothing"
    return ""


def in_place_fault(version, told):
    if told is None:
        return "nothing was told of it"
    return "" if version < (6, 10) or told == "tried" else told


def check(s, found, recorded):
    """Faults by what was checked; a list that is empty passed."""
    results, programs, hooks, notes = found
    number = re.match(r"(\d+)\.(\d+)", results.get("kernel", ""))
    version = (int(number[1]), int(number[2])) if number else (0, 0)
    checks = {
        "guest": [] if results.get("status") == "0" and number else [f"status {results.get('status')}"],
        "load and attach": ([] if results.get("load") == "ok" else ["not loaded"]) + notes +
        hook_faults(version, "fexit", hooks) + hook_faults(version, "syscalls", hooks),
        "BPF tests": [] if results.get("bpf") == "0 0" else [f"status and skipped: {results.get('bpf', 'not run')}"],
        "exec in place": [f for f in [in_place_fault(version, results.get("in-place"))] if f],
    }
    if "servers" in results:
        checks["guest"].append("a server did not start")
    for name in TRACES:
        checks[f"trace ({name})"] = [f for f in [trace_fault(name, version, results)] if f]
    if recorded is not None:
        checks["instruction counts"] = list(costs(s, programs, recorded))
    return checks


def row(s, found, checks):
    results, programs, _, _ = found

    def cell(name, text):
        return "FAILED" if checks[name] else text

    def trace(name):
        told = results.get(f"trace.{name}", "").split("] ")[-1].removesuffix(" ok")
        return cell(f"trace ({name})", re.sub(r"^(\d+)/(\d+)", r"\1 of \2", told))

    return [results.get("kernel", s).removesuffix("-amd64"), cell("load and attach", str(len(programs))), cell("BPF tests", "ok"),
            *[trace(name) for name in TRACES], cell("exec in place", results.get("in-place", "").replace("tried", "yes"))]


def write_document(path, table):
    with open(path, encoding="utf-8") as f:
        document = f.read()
    document, n = re.subn(r"(<!-- kernels -->\n).*?(<!-- end -->)", lambda m: m[1] + table + "\n" + m[2], document, flags=re.S)
    if n != 1:
        return f"{path} has not one place between <!-- kernels --> and <!-- end -->"
    with open(path, "w", encoding="utf-8") as f:
        f.write(document)
    return ""


def read_costs(path):
    recorded = {}
    with open(path, encoding="ascii") as f:
        for line in f:
            if not line.startswith("#"):
                s, program, insns, verified = line.split()
                recorded[s, program] = (int(insns), int(verified))
    return recorded


def order(s):
    return [int(n) for n in s.split(".")] if s[0].isdigit() else [1000]


def write_costs(path, recorded):
    with open(path, "w", encoding="ascii") as f:
        f.write("# SPDX-License-Identifier: GPL-2.0-only\n# Written by: make check-kernels RECORD=1\n"
                "# series program instructions verified (0: not told)\n")
        for (s, program), cost in sorted(recorded.items(), key=lambda r: order(r[0][0])):
            f.write(f"{s} {program} {cost[0]} {cost[1]}\n")


def main():
    directory, insns_path, readme, *series = sys.argv[1:]
    accept = os.environ.get("RECORD") == "1"
    recorded = read_costs(insns_path)
    passed = failed = 0
    rows = []
    for s in series:
        path = f"{directory}/{s}.out"
        if not os.path.exists(path):
            failed += 1
            rows.append([s, "not to be had from this mirror"] + [""] * (len(HEAD) - 2))
            continue
        found = read(path)
        checks = check(s, found, None if accept else recorded)
        for name, faults in checks.items():
            passed += not faults
            failed += bool(faults)
            for fault in faults:
                print(f"kernel-matrix: {s}: {name}: {fault}", file=sys.stderr)
        print(f"kernel-matrix: {s}: {found[0].get('seconds')} seconds", file=sys.stderr)
        rows.append(row(s, found, checks))
        if accept and not checks["load and attach"]:
            recorded = {k: v for k, v in recorded.items() if k[0] != s}
            recorded.update({(s, p): cost for p, cost in found[1].items()})
    if accept:
        write_costs(insns_path, recorded)
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)] + ["| " + " | ".join(r) + " |" for r in rows]
    if os.environ.get("DOCS") == "1":
        text = f"Run of {datetime.date.today()}:\n\n" + "\n".join(lines)
        whole = not failed and {s for s, _ in recorded} <= set(series)
        why = write_document(readme, text) if whole else f"{readme} is as it was: not every series ran, or not all passed"
        if why:
            failed += 1
            print(f"kernel-matrix: {why}", file=sys.stderr)
    print("\n" + "\n".join(lines))
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
