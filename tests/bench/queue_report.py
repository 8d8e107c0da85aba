#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tables of tests/bench/queue: queue_report.py RESULTS."""
import json
import os
import sys

MTAS = ("postfix", "exim", "sendmail", "nullmailer", "qmail")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])


def ms(s):
    return f"{s['median']:,.0f} ({s['min']:,.0f}..{s['max']:,.0f})"


def times(s):
    return f"{s['median']:.1f} ({s['min']:.1f}..{s['max']:.1f})"


def text(results):
    """The tables of what there are figures of; None: of nothing."""
    listed, counted, cold = [], [], []
    for mta in MTAS:
        path = f"{results}/queue-{mta}.json"
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            r = json.load(f)
        for name, t in r["tools"].items():
            listed.append([mta, f"`{name}`" if "(" not in name else name, ms(t["ms"]), times(t["faster"]) if name != r["own"] else "1",
                           f"{t['rss']:.1f}" + (f" ({t['rss_few']:.1f})" if t["rss_few"] else "")])
        cold += [[mta, f"`{name}`" if "(" not in name else name, ms(t["ms"]), times(t["faster"]) if name != r["own"] else "1"]
                 for name, t in r.get("cold", {}).items()]
        c = r["count"]
        counted.append([mta, f"{c['scan_ms']['median']:.1f}", f"{c['count_ms']['median']:.1f}",
                        f"{c['ratio']['median']:.2f} ({c['ratio']['min']:.2f}..{c['ratio']['max']:.2f})"])
    if not listed:
        return None
    return (table([f"{r['messages']:,} messages", "command", "ms", "times as fast as the last of its MTA",
                   f"peak RSS, MiB (with {r['few']:,} messages)"], listed) + "\n\n" +
            table(["counting", "bare scan, ms", "spamtrace, ms", "ratio"], counted) +
            ("\n\n" + table(["on disk, nothing in memory", "command", "ms", "times as fast"], cold) if cold else ""))


if __name__ == "__main__":
    print(text(sys.argv[1]))
