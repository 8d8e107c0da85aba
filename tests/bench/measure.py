# SPDX-License-Identifier: GPL-2.0-only
"""What is measured with: groups of processes and their CPU time, a load generator, the kernel's statistics of BPF programs."""
import ctypes
import glob
import os
import re
import statistics
import struct
import subprocess
import time

GROUPS = os.environ.get("BENCH_CGROUP", "")


class Group:
    """A control group (v2): counts the CPU time of all that was ever in it, short-lived children too."""

    def __init__(self, name):
        self.dir = f"{GROUPS}/{name}"
        os.makedirs(self.dir, exist_ok=True)

    def enter(self):
        with open(f"{self.dir}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(os.getpid()))

    def cpu(self):
        """Seconds, user and system."""
        with open(f"{self.dir}/cpu.stat", encoding="ascii") as f:
            return int(re.search(r"usage_usec (\d+)", f.read()).group(1)) / 1e6


class Load:
    """A closed loop of HTTP requests in short bursts. On a machine that others use too, the best bursts are what the servers
    can do: `rate` is the upper decile of requests a second. `cpu` (microseconds) and `instructions` are totals by request, because a
    tracer may read its events in some bursts and not in others; where the servers go on when the client is served, until `settled`."""

    def __init__(self, port, host, path, groups, milliseconds, bursts, connections=3, settled=None):
        command = ["/opt/bench/burst", *(["-w"] if settled else []), str(port), host, path, str(connections), str(milliseconds),
                   str(bursts), *(g.dir for g in groups)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
            rows = list(map(numbers, iter(lambda: p.stdout.readline().strip(), "")))
            if settled:
                wait_until("the end of what was begun", settled)
                p.stdin.write("\n")
                p.stdin.flush()
            whole = [numbers(line) for line in p.stdout] or rows
        if p.returncode:
            raise RuntimeError(f"burst ended with status {p.returncode}")
        self.requests = sum(r[0] for r in rows)
        self.rate = sorted(n / ns * 1e9 for n, ns, *_ in rows)[-1 - len(rows) // 10]
        self.cpu = sum(r[2] for r in whole) / self.requests
        self.instructions = sum(r[3] for r in whole) / self.requests


def numbers(line):
    return tuple(int(n) for n in line.split())


def spread(values):
    """`low` to `high` is where the true median is with 95 % (the sign test's interval); of few values, all of them."""
    values = sorted(values)
    n = len(values)
    at = max(0, int(n / 2 - .98 * n ** .5) - 1)
    return {"median": statistics.median(values), "min": values[0], "max": values[-1], "n": n, "low": values[at], "high": values[n - 1 - at]}


def quantiles(values):
    values = sorted(values)
    return {"median": statistics.median(values), "p95": values[int(len(values) * .95)], "mean": statistics.mean(values),
            "min": values[0], "n": len(values)}


# --- the kernel's statistics of BPF programs ---

_libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF = 321
OBJ_GET_INFO_BY_FD, PROG_GET_FD_BY_ID, ENABLE_STATS = 15, 13, 32


def _bpf(command, attr):
    buf = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    n = _libc.syscall(SYS_BPF, command, buf, 128 if command != ENABLE_STATS else 4)
    if n < 0:
        raise OSError(ctypes.get_errno(), "bpf()")
    return n


class Statistics:
    """Counts run time while it is open; the kernel ends that with the descriptor, so nothing is left switched on."""

    def __enter__(self):
        self.fd = _bpf(ENABLE_STATS, struct.pack("=I", 0))
        return self

    def __exit__(self, *_):
        os.close(self.fd)


class Program:
    """A loaded BPF program, by id. read() gives (runs, nanoseconds) since it was loaded."""

    def __init__(self, number):
        self.fd = _bpf(PROG_GET_FD_BY_ID, struct.pack("=I", number))
        self.info = ctypes.create_string_buffer(256)
        raw = self._info()
        self.name = raw[64:80].split(b"\0")[0].decode()
        self.insns = struct.unpack_from("=I", raw, 20)[0] // 8

    def _info(self):
        ctypes.memset(self.info, 0, 256)
        # linux/bpf.h, struct bpf_prog_info: name at 64, run_time_ns at 192, run_cnt at 200
        _bpf(OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", self.fd, 208, ctypes.addressof(self.info)))
        return self.info.raw

    def read(self):
        ns, runs = struct.unpack_from("=QQ", self._info(), 192)
        return runs, ns

    def close(self):
        os.close(self.fd)


def programs_of(pid):
    """The BPF programs that a process and its children hold."""
    ids = set()
    for one in [pid] + children(pid):
        for path in glob.glob(f"/proc/{one}/fdinfo/*"):
            try:
                with open(path, encoding="ascii", errors="replace") as f:
                    ids.update(int(n) for n in re.findall(r"^prog_id:\s+(\d+)", f.read(), re.M))
            except OSError:
                pass
    return [Program(n) for n in sorted(ids)]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            direct = [int(n) for n in f.read().split()]
    except OSError:
        return []
    return direct + [n for c in direct for n in children(c)]


def peak_rss(pid):
    """MiB, of the process and its children together."""
    total = 0
    for one in [pid] + children(pid):
        try:
            with open(f"/proc/{one}/status", encoding="ascii", errors="replace") as f:
                m = re.search(r"VmHWM:\s+(\d+) kB", f.read())
            total += int(m.group(1)) if m else 0
        except OSError:
            pass
    return total / 1024


def wait_until(what, test, limit=60):
    end = time.monotonic() + limit
    while not test():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not happen within {limit} s")
        time.sleep(0.01)
