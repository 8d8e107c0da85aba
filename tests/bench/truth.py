# SPDX-License-Identifier: GPL-2.0-only
"""What each tool would tell an administrator: messages from several scripts in several sites, each carrying its own truth, noted by
the null injector together with its process id; and each tool's output read as one reads it in a hurry."""
import http.client
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import load
import measure
import tools

SITES = ("blog.test", "shop.test", "club.test")
INJECTOR = "/usr/lib/sendmail"
# of the servers: opcache warm and never checked, off, and with the wrapper
PORTS = {"warm": (8082, 8092), "off": (8085, 8095), "wrap-": (8083, 8093)}
HEAD = "<?php $t = $_GET['t']; $s = \"$t \" . $_SERVER['SCRIPT_FILENAME'];\n"
# Two scripts in each site's directory; a third sends through an included file; a fourth through a pipe.
WAYS = {
    "direct.php": "mail('x@elsewhere.test', $s, 'hello');\n",
    "other.php": "mail('x@elsewhere.test', $s, 'hello');\n",
    "lib.php": "require __DIR__ . '/inc/send.php';\n",
    "pipe.php": "$p = popen(ini_get('sendmail_path'), 'w'); fwrite($p, \"Subject: $s\\n\\nhello\\n\"); pclose($p);\n",
}


def root(site):
    return f"/var/www/vhosts/{site}/httpdocs"


def deploy():
    for site in SITES:
        os.makedirs(f"{root(site)}/inc", exist_ok=True)
        pages = {name: HEAD + text for name, text in WAYS.items()}
        pages["inc/send.php"] = "<?php mail('x@elsewhere.test', $s, 'hello');\n"
        for name, text in pages.items():
            with open(f"{root(site)}/{name}", "w", encoding="ascii") as f:
                f.write(text)
            os.utime(f"{root(site)}/{name}", (time.time() - 3600,) * 2)


def send(messages, ports):
    """Eight at a time, by turns from every script of every site through both servers; half a second of life before and after."""
    scripts = [(port, site, page) for page in WAYS for site in SITES for port in ports]

    def one(i):
        port, site, page = scripts[i % len(scripts)]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", f"/{page}?t={i}", headers={"Host": site})
        status = connection.getresponse().status
        connection.close()
        if status != 200:
            raise RuntimeError(f"{site}/{page}: {status}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(messages)))


class Judge:
    """name: what the tool says of each message. A verdict is a script, a directory, or None; keyed by the injector's pid."""

    def __init__(self, truth):
        self.truth = truth  # [(pid, token, script)], pids may come twice
        self.counts = {"seen": 0, "right": 0, "directory": 0, "wrong": 0, "nothing": 0}

    def verdict(self, script, seen, said):
        self.counts["seen"] += seen
        if not said:
            self.counts["nothing"] += 1
        elif said == script:
            self.counts["right"] += 1
        elif said.rstrip("/") in (os.path.dirname(script), os.path.dirname(os.path.dirname(script))) and not said.endswith(".php"):
            self.counts["directory"] += 1
        else:
            self.counts["wrong"] += 1


def read_truth():
    with open("/run/bench/truth", encoding="ascii") as f:
        return [tuple(line.split()) for line in f]


def php(path):
    return path.startswith("/var/www/vhosts/") and path.endswith(".php")


def by_spamtrace(tool, truth, judge):
    said = {}
    for line in tool.lines():
        r = json.loads(line)
        if load.get(r, "event.action") in ("mail-queued", "mail-attempted"):
            said[str(load.get(r, "process.pid"))] = load.get(r, "file.path")
    for pid, _, script in truth:
        judge.verdict(script, pid in said, said.get(pid))


def by_execsnoop(tool, truth, judge, opens=()):
    """PCOMM PID PPID RET ARGS; from the injector up to the worker, then the last script that the worker had opened."""
    parent, seen = {}, set()
    for line in tool.lines():
        m = re.match(r"(\S+)\s+(\d+)\s+(\d+)\s+\d+\s+(.*)", line)
        if m:
            parent[m.group(2)] = m.group(3)
            if INJECTOR in m.group(4):
                seen.add(m.group(2))
    last = {}
    for line in opens:
        m = re.match(r"(\d+)\s+(\S+)\s+-?\d+\s+\d+\s+(\S+)", line)
        if m and php(m.group(3)):
            last[m.group(1)] = m.group(3)
    for pid, _, script in truth:
        at = pid
        while at in parent and at not in last:
            at = parent[at]
        judge.verdict(script, pid in seen, last.get(at))


def by_exec_open(tool, truth, judge):
    by_execsnoop(tool, truth, judge, tool.lines(1))


def by_time(lines, truth, judge, opened, execed):
    """No fork tree: the last script that anybody opened before the injector's exec."""
    last, said = None, {}
    for line in lines:
        m = opened.match(line)
        if m and php(m.group(2)):
            last = m.group(2)
        m = execed.match(line)
        if m:
            said[m.group(1)] = last
    for pid, _, script in truth:
        judge.verdict(script, pid in said, said.get(pid))


def by_bpftrace(tool, truth, judge):
    by_time(tool.lines(), truth, judge, re.compile(r"(\d+) open (\S+)"), re.compile(rf"(\d+) exec {INJECTOR}"))


def by_strace(tool, truth, judge):
    by_time(tool.lines(), truth, judge, re.compile(r'(\d+) +openat\(\w+, "([^"]+)"'),
            re.compile(rf'(\d+) +execve\("{INJECTOR}"'))


def by_wrapper(tool, truth, judge):
    said = {f[1]: f[2] for f in (line.split() for line in tool.lines()) if len(f) > 2}
    for pid, _, script in truth:
        judge.verdict(script, pid in said, said.get(pid))  # exec keeps the shell's pid


def by_auditd(tool, truth, judge):
    """SYSCALL has the process id and the program, CWD of the same event the directory."""
    execs, said = {}, {}
    for line in tool.lines():
        m = re.match(r"type=(SYSCALL|CWD) msg=audit\(([^)]*)\): (.*)", line)
        if not m:
            continue
        kind, event, rest = m.groups()
        if kind == "SYSCALL" and f'exe="{INJECTOR}"' in rest:
            execs[event] = re.search(r" pid=(\d+)", rest).group(1)
        elif kind == "CWD" and event in execs:
            said[execs[event]] = rest.split('"')[1] if '"' in rest else None
    for pid, _, script in truth:
        judge.verdict(script, pid in said, said.get(pid))


def by_lsof(tool, truth, judge):
    """Once a second, and no message is seen: a look says who sends only when it shows a single place below the sites."""
    looks, now = [], set()
    for line in tool.lines():
        if line.startswith("====="):
            looks.append(now)
            now = set()
        elif "/var/www/vhosts/" in line:
            now.add("/var/www/vhosts/" + line.split("/var/www/vhosts/")[1].strip())
    single = {next(iter(look)) for look in looks if len(look) == 1}
    said = next(iter(single)) if len(single) == 1 else None
    for _, _, script in truth:
        judge.verdict(script, False, said)


READERS = {tools.Spamtrace: by_spamtrace, tools.Exec: by_execsnoop, tools.ExecOpen: by_exec_open, tools.Bpftrace: by_bpftrace,
           tools.Strace: by_strace, tools.Wrapper: by_wrapper, tools.Lsof: by_lsof}
LATER = {tools.Auditd: by_auditd}


def judge_tool(kind, messages, opcache):
    tool = kind()
    with open("/run/bench/truth", "w", encoding="ascii"):
        pass
    os.chmod("/run/bench/truth", 0o666)
    if kind is tools.Wrapper:
        open("/run/bench/wrapper.log", "w", encoding="ascii").close()
    tool.start()
    try:
        with measure.Statistics():
            programs = tool.programs()
            before = [p.read() for p in programs]
            cpu = tool.group.cpu()
            send(messages, PORTS[tool.servers or opcache])
            time.sleep(1.2)  # what it still has to print
            result = {"user_us": (tool.group.cpu() - cpu) / messages * 1e6,
                      "bpf_us": sum(p.read()[1] - b[1] for p, b in zip(programs, before)) / messages / 1e3}
    finally:
        tool.stop()
    truth = read_truth()
    os.unlink("/run/bench/truth")
    if len(truth) != messages:
        raise RuntimeError(f"{len(truth)} of {messages} messages reached the injector")
    judge = Judge(truth)
    if kind in READERS | LATER:
        (READERS | LATER)[kind](tool, truth, judge)
    return {**result, **judge.counts, "messages": messages, "rss": tool.rss}


def run(messages):
    deploy()
    for ports in PORTS.values():
        send(96, ports)  # warm: no script is opened any more
    out = {}
    for opcache in ("warm", "off"):
        for kind in READERS:
            if opcache == "warm" or not kind.servers:
                out.setdefault(opcache, {})[kind.name] = judge_tool(kind, messages, opcache)
    # the same with rows for a person in place of JSON lines: only its cost
    out["warm"]["spamtrace"]["table"] = judge_tool(tools.Table, messages, "warm")
    return out


def run_one(kind, messages):
    """One tool alone, with opcache warm."""
    deploy()
    for ports in PORTS.values():
        send(96, ports)
    return judge_tool(kind, messages, "warm")


def print_result(result):
    for opcache, by_tool in result.items():
        for name, r in by_tool.items():
            print(f"opcache {opcache:4} {name:22} seen {r['seen']:4} of {r['messages']}, right {r['right']}, directory {r['directory']}, "
                  f"wrong {r['wrong']}, nothing {r['nothing']}; {r['user_us']:.1f} us of its CPU and {r['bpf_us']:.1f} us of BPF a "
                  f"message, {r['rss']:.1f} MiB")
    t = result["warm"]["spamtrace"]["table"]
    print(f"spamtrace as a table: {t['user_us']:.1f} us of its CPU and {t['bpf_us']:.1f} us of BPF a message, {t['rss']:.1f} MiB")
