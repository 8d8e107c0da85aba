# SPDX-License-Identifier: GPL-2.0-only
"""What this project is held to, and whether the figures of a run keep it. A ratio is judged by the null control's, which was taken in
the same turns: on a noisy machine that is not 1 either. It is missed when all of the interval in which its median is (with 95 %) is
below the bound; where the bound is within the interval, the run does not tell."""
import json
import os

MET, MISSED, OPEN = "met", "**missed**", "not told: the interval has the bound in it"


def share(figures, null, least):
    if figures["median"] / null["median"] >= least:
        return MET
    return MISSED if figures["high"] / null["median"] < least else OPEN


def at_most(value, most):
    return MET if value <= most else MISSED


def interval(f):
    return f"{f['median']:.3f} ({f['low']:.3f}..{f['high']:.3f})"


def throughput(r, what, least, workloads):
    for w in workloads:
        ours, null = (r["ratio"][tool][w] for tool in ("spamtrace", "null control"))
        counted = f"; instructions {ours['instructions']['median']:.3f}" if ours.get("instructions") else ""
        yield (f"{what}: {w}", f"{ours['rate']['median'] / null['rate']['median']:.3f}: {interval(ours['rate'])} where the null control has "
               f"{interval(null['rate'])}{counted}", share(ours["rate"], null["rate"], least))


def origins(r):
    most = max(q["median"] for q in r["origins"].values()) / 1000
    yield "an origin at most 15 µs in the kernel (median)", f"{most:.1f} µs, the dearest", at_most(most, 15)
    yield "a fork of a process that is not PHP under 1 µs", f"{r['plain']['median'] / 1000:.2f} µs", at_most(r["plain"]["median"], 1000)


def hooks(r):
    yield from throughput(r, "mails a second at least .98 of bare", .98, ("mail FPM, Postfix", "mail mod_php, null", "mail FPM, null"))


def pages(r):
    yield from throughput(r, "requests a second at least .99 of bare", .99, list(r["bare"]))


def mails(r):
    yield from throughput(r, "mails a second at least .98 of bare", .98, list(r["bare"]))


def truth(r):
    ours, one, two = (r["warm"][tool]["user_us"] + r["warm"][tool]["bpf_us"] for tool in ("spamtrace", "execsnoop", "execsnoop + opensnoop"))
    yield "CPU of tracer and BPF a message, not above execsnoop's", f"{ours:.1f} µs, execsnoop {one:.1f}", at_most(ours, one)
    yield "... and at most a third of execsnoop + opensnoop", f"{ours / two:.2f} of {two:.1f} µs", at_most(ours, two / 3)
    wrong = sum(r[opcache]["spamtrace"][k] for opcache in r for k in ("wrong", "nothing", "directory"))
    sent = sum(r[opcache]["spamtrace"]["messages"] for opcache in r)
    yield "every message has its script", f"{sent - wrong:,} of {sent:,}", at_most(wrong, 0)


def load(r):
    s = r["storm"]
    if s["rate"] < 990:
        yield "1,000 messages a second", f"this machine makes {s['rate']:.0f}; below reckoned for 1,000", "not told: not reached"
    used = s["user_us"] / 1e6 * 1000
    yield ("1,000 messages a second: at most 4 % of a core in user space", f"{used * 100:.1f} % ({s['user_us']:.0f} µs a message) with JSON lines",
           at_most(used, .04))
    bad = s["missing"] + s["twice"] + s["wrong"] + s["unnamed"]
    yield "... none lost, twice, wrong or without a name", f"{s['right']:,} of {s['sent']:,} right, losses {s['losses'] or 'none'}", at_most(bad, 0)
    yield "start in under 1 s", f"{r['start']['median']:.2f} s; {r['start_500']['median']:.2f} with 500 idle workers", at_most(r["start_500"]["median"], 1)
    yield "a message on the screen within 250 ms", f"median {s['late_ms']['median']:.0f} ms, most {s['late_max_ms']:.0f}", at_most(s["late_max_ms"], 250)


def held(r):
    rss = r["rss_of_a_million"]
    if rss:
        yield ("resident at most 32 MiB after 1,000,000 messages", f"{rss:.1f} MiB, of which 8 are the ring, mapped twice; at the end of "
               f"{r['sent']:,} at most {r['rss']:.1f}; {r['scripts']:,} scripts", at_most(rss, 32))
    yield ("held: every message, and the books", f"{r['right']:,} of {r['sent']:,} right at {r['rate']:.0f} a second, {r['unexplained']} unexplained",
           at_most(len(r["problems"]), 0))


JUDGES = {"origins": origins, "hooks": hooks, "pages": pages, "mails": mails, "truth": truth, "load": load, "held": held}


def rows(results):
    """[(bound, measured, verdict)] of all phases that have figures."""
    found = []
    for phase, judge in JUDGES.items():
        path = f"{results}/{phase}.json"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                found += judge(json.load(f))
    return found
