# SPDX-License-Identifier: GPL-2.0-only
"""Whether a process that is always given the same work stays as large as it is. For tests/live/faults and tests/bench."""
import os
import re
import statistics

# In KiB: two steps by which malloc grows a heap (M_TOP_PAD), for a table that was all but full. A leak has half of all the work
# to show in.
ALLOWANCE = 256


def sample(pid):
    """(resident KiB, open descriptors) of a process, without its children."""
    with open(f"/proc/{pid}/status", "rb") as f:
        resident = re.search(rb"VmRSS:\s+(\d+)", f.read())
    if not resident:
        raise ProcessLookupError(f"{pid} has ended")
    return int(resident.group(1)), len(os.listdir(f"/proc/{pid}/fd"))


def judge(samples):
    """(what is wrong, in words; the figures), of samples taken at equal distances from the begin of the work to its end.

    The first quarter is where tables fill. Of memory the median is compared, which a burst does not move. Descriptors of messages
    that are being read come and go, so the fewest are compared: a leaked one is in them."""
    quarter = len(samples) // 4
    if quarter < 3:
        return [f"{len(samples)} samples are too few to judge by"], {}
    second, last = samples[quarter:2 * quarter], samples[-quarter:]
    figures = {"rss_second": statistics.median(r for r, _ in second), "rss_last": statistics.median(r for r, _ in last),
               "fds_second": min(n for _, n in second), "fds_last": min(n for _, n in last)}
    wrong = []
    if figures["rss_last"] > figures["rss_second"] + ALLOWANCE:
        wrong.append(f"memory grows: {figures['rss_second']:.0f} KiB in the second quarter, {figures['rss_last']:.0f} KiB in the last")
    if figures["fds_last"] > figures["fds_second"]:
        wrong.append(f"descriptors grow: {figures['fds_second']} in the second quarter, {figures['fds_last']} in the last")
    return wrong, figures


def control():
    """What judge() lets pass; nothing, if it works."""
    flat = [(20000 + n % 7 * 16, 60 + n % 3) for n in range(40)]
    missed = [] if not judge(flat)[0] else ["a steady process is judged to grow"]
    for what, made in (("memory", [(r + n * 40, f) for n, (r, f) in enumerate(flat)]),
                       ("descriptors", [(r, f + n // 20) for n, (r, f) in enumerate(flat)]),
                       ("samples", flat[:8])):
        if not judge(made)[0]:
            missed.append(f"growing {what} is not caught")
    return missed
