# SPDX-License-Identifier: GPL-2.0-only
"""Time in the kernel side, from the kernel's own statistics of BPF programs: each window holds one fork, so that a window's run
time is one run's, and a median means something."""
import http.client
import json
import os
import subprocess
import time

import load
import measure
import throughput
import tools

DEPTH = 20
FORK = "proc_close(proc_open(['/bin/true'], [], $pipes));"


def deploy():
    root = f"/var/www/vhosts/{throughput.HOST}/httpdocs"
    os.makedirs(f"{root}/deep", exist_ok=True)
    pages = {"fork.php": f"<?php {FORK}\n", "none.php": "<?php echo 1;\n",
             "deep.php": "<?php require __DIR__ . '/deep/level1.php';\n"}
    for i in range(1, DEPTH + 1):
        inner = f"require __DIR__ . '/level{i + 1}.php';" if i < DEPTH else FORK
        pages[f"deep/level{i}.php"] = f"<?php function level{i}() {{ {inner} }} level{i}();\n"
    for name, text in pages.items():
        with open(f"{root}/{name}", "w", encoding="ascii") as f:
            f.write(text)
        os.utime(f"{root}/{name}", (time.time() - 3600,) * 2)


def windows(program, action, count):
    """Nanoseconds of single runs: windows in which anybody else forked are left out, and counted."""
    out = []
    disturbed = 0
    for _ in range(count):
        runs, ns = program.read()
        action()
        after, after_ns = program.read()
        if after - runs == 1:
            out.append(after_ns - ns)
        else:
            disturbed += 1
    if not out:
        raise RuntimeError("no window with a single fork")
    return {**measure.quantiles(out), "disturbed": disturbed}


class Page:
    def __init__(self, port, path):
        self.path = path
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self):
        self.connection.request("GET", self.path, headers={"Host": throughput.HOST})
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.path}: {answer.status}")


class Plain:
    def __init__(self):
        self.process = subprocess.Popen(["/opt/bench/forker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def __call__(self):
        self.process.stdin.write(b".")
        self.process.stdout.read(1)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def per_message(tool, port, path, groups, milliseconds):
    """Nanoseconds of BPF for each mail, by program, and the tool's own CPU."""
    programs = tool.programs()
    before = [p.read() for p in programs]
    cpu = tool.group.cpu()
    load = measure.Load(port, throughput.HOST, path, groups, milliseconds, 1)
    time.sleep(1)  # what the tool still has to read
    after = [p.read() for p in programs]
    out = {}
    for p, (runs, ns), (runs2, ns2) in zip(programs, before, after):
        if runs2 > runs:
            out[p.name] = {"runs": (runs2 - runs) / load.requests, "ns": (ns2 - ns) / load.requests, "insns": p.insns}
    tool.sample()
    return {"messages": load.requests, "programs": out, "bpf_us": sum(v["ns"] for v in out.values()) / 1e3,
            "user_us": (tool.group.cpu() - cpu) / load.requests * 1e6, "rss": tool.rss}


def run(servers, count):
    deploy()
    tool = tools.Spamtrace()
    result = {"origins": {}, "count": count}
    tool.start()
    try:
        with measure.Statistics():
            fork = next(p for p in tool.programs() if p.name == "on_fork")
            result["insns"] = {p.name: p.insns for p in tool.programs()}
            result["hooks"] = load.get(json.loads(tool.lines()[0]), "spamtrace.hooks")
            for sapi, port in (("mod_php", 8081), ("FPM", 8091)):
                for what, path in (("script", "/fork.php"), (f"{DEPTH} files deep", "/deep.php")):
                    page = Page(port, path)
                    page()
                    result["origins"][f"{sapi}, {what}"] = windows(fork, page, count)
            plain = Plain()
            result["plain"] = windows(fork, plain, count * 3)
            plain.close()
            result["mail"] = per_message(tool, 8092, "/mail.php", (servers,), count * 2)
    finally:
        tool.stop()
    return result


def print_result(r):
    print("hooks: " + ", ".join(r["hooks"] or ["unknown"]))
    for what, q in r["origins"].items():
        print(f"origin, {what}: median {q['median'] / 1000:.1f} us, p95 {q['p95'] / 1000:.1f}, mean {q['mean'] / 1000:.1f}, "
              f"least {q['min'] / 1000:.1f} ({q['n']} single forks, {q['disturbed']} windows left out)")
    q = r["plain"]
    print(f"fork of a process that is not PHP: median {q['median']:.0f} ns, p95 {q['p95']:.0f}, mean {q['mean']:.0f} "
          f"({q['n']} single forks)")
    m = r["mail"]
    print(f"one mail() through FPM and the null injector: {m['bpf_us']:.1f} us in BPF, {m['user_us']:.1f} us of spamtrace's CPU")
    for name, v in sorted(m["programs"].items(), key=lambda i: -i[1]["ns"]):
        print(f"  {name:18} {v['runs']:7.2f} runs, {v['ns'] / v['runs']:7.0f} ns each, {v['ns'] / 1000:6.2f} us a mail, {v['insns']} instructions")
