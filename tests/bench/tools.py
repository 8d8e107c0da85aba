# SPDX-License-Identifier: GPL-2.0-only
"""The contestants: what an administrator can run while spam goes out. Each is started, is ready when it says so or waits for
events, and is stopped; its CPU time is that of its control group."""
import os
import re
import signal
import subprocess
import time

import measure

OUT = "/run/bench/out"
# bpftrace 0.17 has no suffix match: what is printed is cut down by comm, as one does in a hurry.
NAIVE = """
BEGIN { printf("ready\\n"); }
tracepoint:syscalls:sys_enter_openat /comm == "php-fpm8.2" || comm == "apache2"/ {
  printf("%d open %s\\n", pid, str(args->filename));
}
tracepoint:syscalls:sys_enter_execve {
  printf("%d exec %s\\n", pid, str(args->filename));
}
"""


class Tool:
    """A null tool: starts nothing. The null control, and the base of the others."""
    name = "null control"
    commands = ()
    servers = ""  # ports of the servers with another sendmail_path: wrap-
    settle = 0.0

    def __init__(self):
        self.group = measure.Group("tool")
        self.running = []
        self.rss = 0.0

    def start(self):
        os.makedirs(OUT, exist_ok=True)
        for i, command in enumerate(self.commands):
            with open(f"{OUT}/{i}.out", "wb") as out, open(f"{OUT}/{i}.err", "wb") as err:
                self.running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                                     preexec_fn=self.group.enter))
        for i, p in enumerate(self.running):
            measure.wait_until(f"{self.name}: ready", lambda: self.ready(i, p), 30)
        if self.settle:
            time.sleep(self.settle)

    def ready(self, i, process):
        """libbpf's tools say nothing: attached are they when they wait for events."""
        if process.poll() is not None:
            with open(f"{OUT}/{i}.err", encoding="utf-8", errors="replace") as f:
                raise RuntimeError(f"{self.name} ended: {f.read()[-500:]}")
        try:
            with open(f"/proc/{process.pid}/syscall", encoding="ascii") as f:
                return f.read().split()[0] == "232"  # epoll_wait
        except (OSError, IndexError):
            return False

    def said(self, i, what, stream="err"):
        with open(f"{OUT}/{i}.{stream}", encoding="utf-8", errors="replace") as f:
            return what in f.read()

    def programs(self):
        return [p for r in self.running for p in measure.programs_of(r.pid)]

    def lines(self, i=0):
        with open(f"{OUT}/{i}.out", encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()

    def sample(self):
        self.rss = max(self.rss, sum(measure.peak_rss(r.pid) for r in self.running))

    def stop(self):
        self.sample()
        for r in self.running:
            r.send_signal(signal.SIGINT)
        for r in self.running:
            try:
                r.wait(20)
            except subprocess.TimeoutExpired:
                r.kill()
                r.wait()
        self.running = []


class Spamtrace(Tool):
    name = "spamtrace"
    commands = (["spamtrace", "trace", "-o", "json"],)

    def ready(self, i, process):
        if process.poll() is not None:
            raise RuntimeError(open(f"{OUT}/{i}.err", encoding="utf-8").read())
        return self.said(i, "spamtrace: tracing")


class Table(Spamtrace):
    name = "spamtrace, as a table"
    commands = (["spamtrace", "trace", "-o", "table"],)


class Syscalls(Spamtrace):
    name = "spamtrace, queue by syscalls"
    commands = (["env", "SPAMTRACE_QUEUE_HOOK=syscalls", "spamtrace", "trace", "-o", "json"],)


class NoQueue(Spamtrace):
    name = "spamtrace --mta none"
    commands = (["spamtrace", "trace", "-o", "json", "--mta", "none"],)


class Exec(Tool):
    name = "execsnoop"
    commands = (["execsnoop"],)


class ExecOpen(Tool):
    name = "execsnoop + opensnoop"
    commands = (["execsnoop"], ["opensnoop"])


class Bpftrace(Tool):
    name = "bpftrace"
    commands = (["bpftrace", "-e", NAIVE],)

    def ready(self, i, process):
        return process.poll() is None and self.said(i, "ready", "out")


class Strace(Tool):
    name = "strace -f"

    def start(self):
        pids = subprocess.run(["pgrep", "-f", "^(/usr/sbin/apache2 |apache2 |php-fpm: )"], check=True, capture_output=True,
                              text=True).stdout.split()
        self.attached = [a for p in pids if mine(p) for a in ("-p", p)]
        self.commands = (["strace", "-f", "-q", "-e", "trace=execve,openat", "-o", f"{OUT}/0.trace"] + self.attached,)
        super().start()

    def ready(self, i, process):
        return all(traced(p) for p in self.attached[1::2])

    def lines(self, i=0):
        with open(f"{OUT}/0.trace", encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()


class Lsof(Tool):
    name = "lsof +r 1"
    commands = (["lsof", "+r", "1", "-n", "-P", "-w", "-l", "-c", "php-fpm", "-c", "apache2"],)
    settle = 1.0

    def ready(self, i, process):
        return process.poll() is None and os.path.getsize(f"{OUT}/{i}.out") > 0


class Wrapper(Tool):
    name = "sendmail wrapper"
    servers = "wrap-"

    def lines(self, i=0):
        with open("/run/bench/wrapper.log", encoding="utf-8") as f:
            return f.read().splitlines()


class Auditd(Tool):
    """Every execve, with its directory. Once the kernel's auditing was on, each later process pays for it until the machine is
    booted again, so this comes after everything else."""
    name = "auditd, every execve"
    config = "/run/bench/audit"

    def __init__(self):
        super().__init__()
        self.log = f"{OUT}/audit.log"
        self.commands = (["auditd", "-n", "-c", self.config],)

    def start(self):
        os.makedirs(self.config, mode=0o700, exist_ok=True)
        os.makedirs(OUT, exist_ok=True)
        if os.path.exists(self.log):
            os.unlink(self.log)
        with open(f"{self.config}/auditd.conf", "w", encoding="ascii") as f:
            f.write(f"log_file = {self.log}\nlog_format = RAW\nflush = NONE\nmax_log_file_action = IGNORE\n"
                    "space_left = 2\nspace_left_action = IGNORE\nadmin_space_left = 1\nadmin_space_left_action = IGNORE\n")
        super().start()
        self.control("-D")
        self.control("-b", "65536")
        self.control("-a", "always,exit", "-F", "arch=b64", "-S", "execve", "-k", "spam")

    def control(self, *arguments):
        subprocess.run(["auditctl", *arguments], check=True, stdout=subprocess.DEVNULL)

    def ready(self, i, process):
        if process.poll() is not None:
            raise RuntimeError(f"auditd ended: {open(f'{OUT}/{i}.err', encoding='utf-8').read()[-500:]}")
        state = subprocess.run(["auditctl", "-s"], check=True, capture_output=True, text=True).stdout
        return f"pid {process.pid}" in state and "enabled 1" in state

    def stop(self):
        self.control("-D")
        self.control("-e", "0")
        for r in self.running:
            r.send_signal(signal.SIGTERM)
        super().stop()

    def lines(self, i=0):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()


def mine(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    except OSError:
        return False


def traced(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            return re.search(r"^TracerPid:\s+[1-9]", f.read(), re.M) is not None
    except OSError:
        return True


PEERS = (Bpftrace, ExecOpen, Exec, Strace, Wrapper, Lsof)
