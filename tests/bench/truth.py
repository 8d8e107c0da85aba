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
MODPHP, FPM = 8082, 8092
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


def send(messages, wrapped):
    """Eight at a time, by turns from every script of every site through both servers; half a second of life before and after."""
    scripts = [(port, site, page) for page in WAYS for site in SITES for port in (MODPHP, FPM)]

    def one(i):
        port, site, page = scripts[i % len(scripts)]
        connection = http.client.HTTPConnection("127.0.0.1", port + (1 if wrapped else 0), timeout=60)
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
            if "/opt/bench/sendmail" in m.group(4):
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
    by_time(tool.lines(), truth, judge, re.compile(r"(\d+) open (\S+)"), re.compile(r"(\d+) exec /opt/bench/sendmail"))


def by_strace(tool, truth, judge):
    by_time(tool.lines(), truth, judge, re.compile(r'(\d+) +openat\(\w+, "([^"]+)"'),
            re.compile(r'(\d+) +execve\("/opt/bench/sendmail"'))


def by_wrapper(tool, truth, judge):
    said = {f[1]: f[2] for f in (line.split() for line in tool.lines()) if len(f) > 2}
    for pid, _, script in truth:
        judge.verdict(script, pid in said, said.get(pid))  # exec keeps the shell's pid


def by_lsof(tool, truth, judge):
    """Once a second, no message is seen at all; what the workers had open or stood in at the last look is all there is."""
    looks, now = [], set()
    for line in tool.lines():
        if line.startswith("====="):
            looks.append(now)
            now = set()
        elif "/var/www/vhosts/" in line:
            now.add("/var/www/vhosts/" + line.split("/var/www/vhosts/")[1].strip())
    places = [p for look in looks for p in look]
    for _, _, script in truth:
        judge.verdict(script, False, script if script in places else
                      os.path.dirname(script) if os.path.dirname(script) in places else None)


READERS = {tools.Spamtrace: by_spamtrace, tools.Exec: by_execsnoop, tools.ExecOpen: by_exec_open, tools.Bpftrace: by_bpftrace,
           tools.Strace: by_strace, tools.Wrapper: by_wrapper, tools.Lsof: by_lsof}


def judge_tool(kind, messages):
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
            send(messages, bool(tool.servers))
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
    READERS[kind](tool, truth, judge)
    return {**result, **judge.counts, "messages": messages, "rss": tool.rss}


def run(messages):
    deploy()
    send(96, False)  # warm: no script is opened any more
    send(96, True)
    return {kind.name: judge_tool(kind, messages) for kind in READERS}


def print_result(result):
    for name, r in result.items():
        print(f"{name:22} seen {r['seen']:4} of {r['messages']}, right {r['right']}, directory {r['directory']}, wrong {r['wrong']}, "
              f"nothing {r['nothing']}; {r['user_us']:.1f} us of its CPU and {r['bpf_us']:.1f} us of BPF a message, {r['rss']:.1f} MiB")
