#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tables and the plot's data from the figures of a benchmark: report.py RESULTS [DOCUMENT]. Prints the tables, or writes each
between its marks in the document: <!-- NAME --> and <!-- end -->. Leaves RESULTS/plot.dat for plot.gp. Exits with 1 where a bound is
missed, and says which."""
import json
import os
import re
import sys

import bounds
import queue_report


def ratio(f):
    return f"{f['median']:.3f} ({f['min']:.3f}..{f['max']:.3f})" if f else "–"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])


def origins(r):
    rows = [[f"origin, {what}", f"{q['median'] / 1000:.1f} µs", f"{q['p95'] / 1000:.1f} µs", q["n"]]
            for what, q in r["origins"].items()]
    q = r["plain"]
    rows.append(["fork of a process that is not PHP", f"{q['median']:.0f} ns", f"{q['p95']:.0f} ns", q["n"]])
    return f"Hooks: {', '.join(r['hooks'] or ['unknown'])}.\n\n" + table(["in the kernel", "median", "95 of 100 below", "single forks measured"], rows)


def ratios(r, figure):
    workloads = list(r["bare"])
    rows = [["bare"] + [f"{r['bare'][w][figure]['median']:,.0f}" if figure in r["bare"][w] else "–" for w in workloads]]
    for tool, by_workload in r["ratio"].items():
        rows.append([tool] + [ratio(by_workload[w].get(figure)) for w in workloads])
    return table([f"{r['rounds']} rounds"] + workloads, rows)


def counted(r):
    """None where the processor counts no instructions."""
    return ratios(r, "instructions") if any(f["instructions"]["median"] for f in r["bare"].values() if "instructions" in f) else None


def own(r):
    workloads = list(r["bare"])
    rows = [[tool] + [f"{f['median']:.1f} ({f['min']:.1f}..{f['max']:.1f})" for f in (by_workload[w]["own"] for w in workloads)]
            for tool, by_workload in r["own"].items()]
    return table([f"{r['rounds']} rounds"] + workloads, rows)


def likely(f):
    return bounds.interval(f) if f else "–"


def in_turn(r, show=ratio, unit="mail"):
    rows = []
    for w, bare in r["bare"].items():
        rows.append([w, "bare", f"{bare['rate']['median']:.0f}", f"{bare['cpu']['median']:,.0f}",
                     f"{bare['instructions']['median'] / 1e6:.1f} million" if bare.get("instructions", {}).get("median") else "–", "–"])
        rows += [["", tool, show(by[w]["rate"]), show(by[w]["cpu"]), show(by[w].get("instructions")),
                  f"{r['own'][tool][w]['own']['median']:.{0 if unit == 'mail' else 1}f}"]
                 for tool, by in r["ratio"].items()]
    return table([f"{r['rounds']} rounds", "", f"{unit}s a second", f"CPU, µs a {unit}", f"instructions a {unit}", f"the tracer's own, µs a {unit}"], rows)


def found(r):
    rows = [[name, opcache, t["seen"], t["right"], t["directory"], t["wrong"], t["nothing"], f"{t['user_us']:.0f}",
             f"{t['bpf_us']:.1f}", f"{t['rss']:.0f}"] for opcache, by_tool in r.items() for name, t in by_tool.items()]
    total = r["warm"]["spamtrace"]["messages"]
    t = r["warm"]["spamtrace"]["table"]
    rows.insert(1, ["spamtrace, rows in place of JSON", "warm"] + ["–"] * 5 + [f"{t['user_us']:.0f}", f"{t['bpf_us']:.1f}",
                                                                               f"{t['rss']:.0f}"])
    return table([f"{total} messages", "opcache", "seen", "right script", "directory only", "wrong", "nothing",
                  "own CPU, µs a message", "BPF, µs a message", "peak RSS, MiB"], rows)


def found_by_audit(r):
    t = r["found"]
    return table([f"{t['messages']} messages", "opcache", "seen", "right script", "directory only", "wrong", "nothing"],
                 [["auditd", "warm", t["seen"], t["right"], t["directory"], t["wrong"], t["nothing"]]])


def load(r):
    def ms(s):
        return f"{s['median'] * 1000:.0f} ms ({s['min'] * 1000:.0f}..{s['max'] * 1000:.0f})"

    s, slow = r["storm"], r["slow"]
    rows = [
        ["messages, and how many a second", f"{s['sent']:,}, {s['rate']:.0f}"],
        ["right, wrong, without a name, missing, twice", f"{s['right']:,}, {s['wrong']}, {s['unnamed']}, {s['missing']}, {s['twice']}"],
        ["CPU of spamtrace with JSON lines, of one core", f"{s['user'] * 100:.1f} % in user space ({s['user_us']:.0f} µs a message), "
                                          f"{s['system'] * 100:.1f} % in the kernel"],
        ["the same with rows in place of JSON", f"{r['table']['user'] * 100:.1f} % in user space, {r['table']['system'] * 100:.1f} % in the kernel; "
                                                f"exit status under --strict {r['table']['status']}"],
        ["peak RSS", f"{s['rss']:.1f} MiB, of which 8 are the ring, mapped twice"],
        ["replay (synthetic: the user side alone)", f"{r['replay']['messages']:,} messages of {r['replay']['scripts']:,} scripts: "
                                                    f"{r['replay']['rss']:.1f} MiB, {r['replay']['user_us']:.0f} µs of CPU each"],
        ["commit to line, under that load", f"median {s['late_ms']['median']:.0f} ms, p95 {s['late_ms']['p95']:.0f}, most {s['late_max_ms']:.0f}"],
        ["commit to line, 20 messages a second", f"median {slow['late_ms']['median']:.0f} ms, p95 {slow['late_ms']['p95']:.0f}, most {slow['late_max_ms']:.0f}"],
        ["start to `spamtrace: tracing`", ms(r["start"])],
        ["the same with 500 idle PHP-FPM workers", ms(r["start_500"])],
        ["idle", f"{(r['idle']['user'] + r['idle']['system']) * 100:.2f} % of one core"],
        [f"idle, {r['in_queue']:,} messages in the queue", f"{(r['idle_full']['user'] + r['idle_full']['system']) * 100:.1f} % of one core"],
    ]
    return table(["load", ""], rows)


def held(r):
    return table(["held", ""], [
        ["messages, and how many a second", f"{r['sent']:,} of {r['scripts']:,} scripts in {r['seconds']:.0f} s, {r['rate']:.0f}"],
        ["right, wrong, without a name, missing, twice", f"{r['right']:,}, {r['wrong']}, {r['unnamed']}, {r['missing']}, {r['twice']}"],
        ["records lost; exit status under `--strict`", f"{r['losses'] or 'none'}; {r['status']}"],
        ["books", f"{r['queued']:,} came, {r['removed']:,} left, growth {r['growth']}, {r['unexplained']} unexplained"],
        ["peak RSS", f"{r['rss']:.1f} MiB"],
        ["memory and descriptors, second quarter and last", f"{r['steady']['rss_second'] / 1024:.1f} and {r['steady']['rss_last'] / 1024:.1f} MiB, "
                                                            f"{r['steady']['fds_second']} and {r['steady']['fds_last']}"],
        ["commit to line", f"at most {r['late_max_ms']:.0f} ms"],
    ])


TABLES = {
    "origins": ("origins", origins),
    "hooks": ("hooks", lambda r: ratios(r, "rate")),
    "hooks cpu": ("hooks", lambda r: ratios(r, "cpu")),
    "hooks instructions": ("hooks", counted),
    "hooks own": ("hooks", own),
    "pages": ("pages", lambda r: in_turn(r, likely, "page")),
    "mails": ("mails", lambda r: in_turn(r, likely)),
    "disk": ("disk", in_turn),
    "peers": ("peers", lambda r: ratios(r, "rate")),
    "peers cpu": ("peers", lambda r: ratios(r, "cpu")),
    "peers own": ("peers", own),
    "peers instructions": ("peers", counted),
    "truth": ("truth", found),
    "audit": ("audit", lambda r: ratios(r, "rate")),
    "audit instructions": ("audit", counted),
    "audit found": ("audit", found_by_audit),
    "load": ("load", load),
    "held": ("held", held),
}


def plot_data(r, path):
    """One line a tool: name, then median, least and most of pages and of mails."""
    with open(path, "w", encoding="utf-8") as f:
        for tool, by_workload in r["ratio"].items():
            cells = [f"{by_workload[w]['rate'][k]:.4f}" for w in ("page FPM", "mail FPM, null") for k in ("median", "min", "max")]
            f.write(f'"{tool}" ' + " ".join(cells) + "\n")


def main():
    results = sys.argv[1]
    texts = {}
    for name, (phase, make) in TABLES.items():
        path = f"{results}/{phase}.json"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                texts[name] = make(json.load(f))
    texts = {name: text for name, text in texts.items() if text}
    judged = bounds.rows(results)
    if judged:
        texts["bounds"] = table(["bound", "measured", ""], judged)
    queues = queue_report.text(results)
    if queues:
        texts["queue"] = queues
    if os.path.exists(f"{results}/peers.json"):
        with open(f"{results}/peers.json", encoding="utf-8") as f:
            plot_data(json.load(f), f"{results}/plot.dat")
    if len(sys.argv) == 2:
        for name, text in texts.items():
            print(f"\n{name}\n\n{text}")
    else:
        write(sys.argv[2], texts)
    missed = [f"{bound}: {measured}" for bound, measured, verdict in judged if verdict == bounds.MISSED]
    for line in missed:
        print(f"bench: missed: {line}", file=sys.stderr)
    return 1 if missed else 0


def write(path, texts):
    with open(path, encoding="utf-8") as f:
        document = f.read()
    for name, text in texts.items():
        document = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: m.group(1) + text + "\n" + m.group(2), document,
                          flags=re.S)
    with open(path, "w", encoding="utf-8") as f:
        f.write(document)


raise SystemExit(main())
