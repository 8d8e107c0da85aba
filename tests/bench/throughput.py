# SPDX-License-Identifier: GPL-2.0-only
"""Requests and mails per second, and CPU time per request, with each tool and without, in turn: bare, tool, bare, tool, ... and
each tool against the mean of the bare runs before and after it, so that a drift of the machine falls out."""
import glob
import os
import subprocess
import time

import measure

HOST = "blog.test"
# name: (server, page); the port of FPM is ten higher
WORKLOADS = {
    "static": ("mta", 0, "index.html"),
    "page mod_php": ("mta", 0, "page.php"),
    "page FPM": ("mta", 10, "page.php"),
    "mail mod_php, null": ("null", 0, "mail.php"),
    "mail FPM, null": ("null", 10, "mail.php"),
    "mail FPM, Postfix": ("mta", 10, "mail.php"),
}
PAGES = [w for w in WORKLOADS if "mail" not in w]
# A spam run as it is found: the messages stay in the queue.
MAILS = {
    "mail mod_php, Postfix defers": ("mta", 0, "mail.php"),
    "mail FPM, Postfix defers": ("mta", 10, "mail.php"),
}
# With the spool on a disk, where each mail waits for it.
ON_DISK = {
    "mail mod_php, Postfix on disk": ("mta", 0, "mail.php"),
    "mail FPM, Postfix on disk": ("mta", 10, "mail.php"),
}
PORTS = {"mta": 8081, "null": 8082, "wrap-null": 8083, "wrap-mta": 8084}


def place(workload, wrapped=""):
    server, plus, page = {**WORKLOADS, **MAILS, **ON_DISK}[workload]
    if "mail" not in workload:
        wrapped = ""
    return PORTS[wrapped + server] + plus, "/" + page


def idle():
    """Has Postfix put away all that was injected?"""
    spool = "/var/spool/postfix"
    return not any(glob.glob(f"{spool}/{d}/*") for d in ("maildrop", "incoming", "active"))


def measure_one(workload, milliseconds, servers, tool):
    """Rate, and microseconds of CPU per request: `cpu` of the servers and the tool, `own` of the tool. Postfix goes on when the
    client is served, so there it is all that was used until the queue was empty."""
    own = tool.group.cpu()
    port, page = place(workload, tool.servers)
    # a burst of mails is long enough for a tracer's own rhythm
    burst = 500 if workload in ON_DISK else 200 if "mail" in workload else 40
    load = measure.Load(port, HOST, page, (servers, tool.group), burst, max(1, milliseconds // burst),
                        settled=idle if "Postfix" in workload else None)
    tool.sample()
    return {"rate": load.rate, "cpu": load.cpu, "instructions": load.instructions,
            "own": (tool.group.cpu() - own) / load.requests * 1e6}


def transport(name):
    """What Postfix does with remote mail."""
    subprocess.run(["postconf", "-e", f"default_transport={name}"], check=True)
    subprocess.run(["postfix", "reload"], check=True, stderr=subprocess.DEVNULL)


def turn(tool, workloads, milliseconds, servers):
    tool.start()
    try:
        return {w: measure_one(w, milliseconds, servers, tool) for w in workloads}
    finally:
        tool.stop()
        if any("Postfix" in w for w in workloads):
            # each turn begins with an empty queue
            subprocess.run(["postsuper", "-d", "ALL"], check=True, stderr=subprocess.DEVNULL)


def run(kinds, rounds, milliseconds, servers, bare, workloads=tuple(WORKLOADS)):
    """Ratios to bare by tool, workload and figure, as spreads; bare's own figures; and `own`, microseconds of the tools' CPU."""
    plain = {w: {} for w in workloads}
    own = {k.name: {w: {"own": []} for w in workloads} for k in kinds}
    ratios = {k.name: {w: {} for w in workloads} for k in kinds}
    rss = {k.name: 0.0 for k in kinds}

    def naked():
        out = turn(bare(), workloads, milliseconds, servers)
        for w, figures in out.items():
            for k, v in figures.items():
                plain[w].setdefault(k, []).append(v)
        return out

    last = naked()
    for n in range(rounds):
        start = time.monotonic()
        for kind in kinds[n % len(kinds):] + kinds[:n % len(kinds)]:
            tool = kind()
            got = turn(tool, workloads, milliseconds, servers)
            after = naked()
            rss[kind.name] = max(rss[kind.name], tool.rss)
            for w, figures in got.items():
                own[kind.name][w]["own"].append(figures["own"])
                for k, v in figures.items():
                    mean = (last[w][k] + after[w][k]) / 2
                    if mean:
                        ratios[kind.name][w].setdefault(k, []).append(v / mean)
            last = after
        print(f"bench: round {n + 1} of {rounds}, {time.monotonic() - start:.0f} s", flush=True)
    for by_workload in list(ratios.values()) + list(own.values()) + [plain]:
        for figures in by_workload.values():
            for k in figures:
                figures[k] = measure.spread(figures[k])
    return {"bare": plain, "ratio": ratios, "own": own, "rss": rss, "rounds": rounds, "milliseconds": milliseconds}


def run_after(kind, after, rounds, milliseconds, servers, bare, workloads=tuple(WORKLOADS)):
    """As run(), for a tool that leaves a cost behind: bare comes first and not again; what comes after the tool, in turn with it,
    is named `after`. A drift of the machine does not fall out."""
    plain = [turn(bare(), workloads, milliseconds, servers) for _ in range(rounds)]
    got = {kind.name: [], after: []}
    for _ in range(rounds):
        got[kind.name].append(turn(kind(), workloads, milliseconds, servers))
        got[after].append(turn(bare(), workloads, milliseconds, servers))

    def spreads(turns, base=None):
        return {w: {k: measure.spread([t[w][k] / (base[w][k]["median"] if base else 1) for t in turns])
                    for k in turns[0][w] if not base or base[w][k]["median"]} for w in workloads}

    base = spreads(plain)
    return {"bare": base, "ratio": {name: spreads(turns, base) for name, turns in got.items()}, "rounds": rounds,
            "milliseconds": milliseconds}


def print_table(result):
    for w, b in result["bare"].items():
        print(f"\n{w}: bare {b['rate']['median']:.0f} a second, {b['cpu']['median']:.1f} us of CPU each")
        for tool, figures in result["ratio"].items():
            print(f"  {tool:22} " + "  ".join(f"{k} {f['median']:.3f} ({f['min']:.3f}..{f['max']:.3f})"
                                              for k, f in figures[w].items())
                  + (f"  own {result['own'][tool][w]['own']['median']:.1f} us" if "own" in result else ""))


def deploy():
    root = f"/var/www/vhosts/{HOST}/httpdocs"
    pages = {
        "index.html": "<p>hello</p>\n",
        "page.php": "<?php echo 'hello ', date('H:i'), \"\\n\";\n",
        "mail.php": "<?php mail('x@elsewhere.test', 'note', \"hello\\n\") or http_response_code(500);\n",
    }
    for name, text in pages.items():
        with open(f"{root}/{name}", "w", encoding="ascii") as f:
            f.write(text)
        os.utime(f"{root}/{name}", (time.time() - 3600,) * 2)  # opcache leaves files of the last seconds uncached
