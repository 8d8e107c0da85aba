#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Containers as Docker has them, made by runc: PHP-FPM and command line in namespaces of their own (mounts,
pids, network, IPC, UTS, one of them users), in a control group named as its engine and container, on an overlay over
an image, the site bind-mounted from the host. Runs inside a stage, started by tests/live/containers."""
import copy
import glob
import hashlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import cases as rows  # noqa: E402
import check  # noqa: E402
from cases_part2 import lines_of  # noqa: E402
from stage_tools import DOMAINS, Tracer, docroot, request, wait_until, write  # noqa: E402

SCRIPT = open(f"{HERE}/sites/container.php", encoding="utf-8").read()
LINES = lines_of(SCRIPT)
HOST_IP = "10.88.0.1"
SHIFT = 200000  # of the uids of the container with a user namespace
HOME = "/home/containers"
RESERVED_PIDS = 300  # kernel/pid.c: where the host's go on when they have come to pid_max; a container's first are below


def run(*argv, **more):
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, **more)


class Container:
    """site: whose httpdocs is its /var/www/html. mta: None, "bound" (the host's sendmail and queue), or the
    name of a layer that is part of its image."""

    def __init__(self, number, site, mta=None, users=False, host_network=False):
        self.number, self.site, self.mta, self.users = number, site, mta, users
        self.name = f"box{number}"
        self.id = "5baced" + hashlib.sha256(self.name.encode()).hexdigest()[:58]
        self.ip = "127.0.0.1" if host_network else f"10.88.0.{number + 1}"
        self.port = 9900 + number
        self.host_network = host_network
        self.bundle = f"{HOME}/{self.name}"
        self.root = f"{self.bundle}/rootfs"
        self.uid = 10000 + site + (SHIFT if users else 0)

    def network(self):
        """Of the running container, whose own user namespace may own it."""
        veth = f"v{self.number}"
        run("ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        run("ip", "link", "set", veth, "master", "docker0", "up")
        for command in (("addr", "add", f"{self.ip}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                        ("link", "set", "lo", "up")):
            run("nsenter", "-t", str(self.pid), "-n", "ip", *command)

    def image(self):
        for d in ("upper", "work", "rootfs"):
            os.makedirs(f"{self.bundle}/{d}")
        lower = f"/opt/{self.mta}:/opt/base" if self.mta and self.mta != "bound" else "/opt/base"
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={lower},upperdir={self.bundle}/upper,workdir={self.bundle}/work", self.root)
        for d in ("etc/stage", "var/www/html", "var/www/app", "run/php"):
            os.makedirs(f"{self.root}/{d}", exist_ok=True)
        for f in ("passwd", "group", "shadow"):
            mine = {line.split(":")[0] for line in open(f"{self.root}/etc/{f}", encoding="utf-8")}
            with open(f"/etc/{f}", encoding="utf-8") as host, open(f"{self.root}/etc/{f}", "a", encoding="utf-8") as to:
                to.writelines(line for line in host if line.startswith("site") and line.split(":")[0] not in mine)
        with open(f"{self.root}/etc/hosts", "w", encoding="ascii") as f:
            f.write(f"127.0.0.1 localhost {self.name}\n")
        with open(f"{self.root}/etc/stage/fpm.conf", "w", encoding="ascii") as f:
            f.write(f"""[global]
pid = /run/php/fpm.pid
error_log = /var/log/fpm.log
[www]
user = site{self.site}
group = site{self.site}
listen = {self.port}
pm = static
pm.max_children = 2
clear_env = no
""")
        start = {"postfix": "postfix start", "nullmailer": "setpriv --reuid=mail --regid=mail --clear-groups "
                 "nullmailer-send >/var/log/nullmailer 2>&1 &"}.get(self.mta, ":")
        if self.mta == "postfix":
            run("cp", "/etc/aliases", "/etc/aliases.db", f"{self.root}/etc/")
            run("cp", "/etc/postfix/main.cf", f"{self.root}/etc/postfix/")
        if self.mta == "nullmailer":
            for name, text in (("remotes", "127.0.0.1 smtp --port=2"), ("me", self.name), ("defaultdomain", self.name)):
                with open(f"{self.root}/etc/nullmailer/{name}", "w", encoding="ascii") as f:
                    f.write(text + "\n")
        with open(f"{self.root}/etc/stage/init", "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\n{start}\nexec $(ls /usr/sbin/php-fpm8* | head -n 1) -F -y /etc/stage/fpm.conf\n")
        os.chmod(f"{self.root}/etc/stage/init", 0o755)

    def config(self):
        run("runc", "spec", cwd=self.bundle)
        with open(f"{self.bundle}/config.json", encoding="utf-8") as f:
            c = json.load(f)
        # Docker's defaults where runc's are stricter: a setgid postdrop must work
        caps = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
                "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
                "CAP_AUDIT_WRITE"]
        c["process"].update(terminal=False, noNewPrivileges=False, args=["/etc/stage/init"],
                            capabilities={k: caps for k in ("bounding", "effective", "permitted")})
        c["process"]["rlimits"] = []
        c["hostname"] = self.name
        c["root"]["readonly"] = False
        c["linux"]["cgroupsPath"] = f"/docker-stage/{self.id}"
        spaces = [n for n in c["linux"]["namespaces"] if n["type"] not in ("network", "cgroup")]
        if not self.host_network:
            spaces.append({"type": "network"})
        if self.users:
            spaces.append({"type": "user"})
            c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [
                {"containerID": 0, "hostID": SHIFT, "size": 65536}]
        c["linux"]["namespaces"] = spaces
        bind = [(docroot(self.site), "/var/www/html")]
        if self.mta == "bound":
            bind += [(p, p) for p in ("/etc/postfix", "/usr/sbin/sendmail", "/usr/sbin/postdrop", "/usr/lib/postfix",
                                      "/var/spool/postfix", "/etc/passwd", "/etc/group")]
            libs = subprocess.run(["ldd", "/usr/sbin/sendmail"], capture_output=True, text=True, check=True).stdout
            bind += [(w, w) for w in libs.split() if w.startswith("/") and not os.path.exists(self.root + w)]
        c["mounts"] += [{"destination": to, "type": "bind", "source": at, "options": ["rbind", "rw"]} for at, to in bind]
        with open(f"{self.bundle}/config.json", "w", encoding="utf-8") as f:
            json.dump(c, f)

    def start(self):
        self.image()
        self.config()
        if self.users:
            # as engines that shift uids unpack an image; PHP is what matters of it
            programs = [p for d in ("bin", "sbin") for p in glob.glob(f"{self.root}/usr/{d}/php*") if not os.path.islink(p)]
            run("chown", "-R", f"{SHIFT}:{SHIFT}", self.bundle + "/rootfs/etc/stage", self.root + "/run/php",
                self.root + "/var/log", *programs)
        with open(f"/var/log/stage/{self.name}.log", "wb") as log:
            if subprocess.run(["runc", "run", "-d", "--pid-file", f"{self.bundle}/pid", "-b", self.bundle, self.id],
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode:
                with open(log.name, encoding="utf-8", errors="replace") as f:
                    sys.exit(f"containers: {self.name} did not start\n{f.read()}")
        with open(f"{self.bundle}/pid", encoding="ascii") as f:
            self.pid = int(f.read())
        if not self.host_network:
            self.network()

    def execute(self, *argv):
        run("runc", "exec", "--user", f"{10000 + self.site}:{10000 + self.site}", self.id, *argv,
            stdout=subprocess.DEVNULL)


def nspid(pid):
    """What a process is called in its own namespace."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return int(next(line for line in f if line.startswith("NSpid:")).split()[-1])


def nginx(boxes):
    text = "pid /run/nginx-boxes.pid; user www-data; error_log /var/log/stage/nginx-boxes.log;\n" \
           "events { worker_connections 64; }\nhttp { access_log off;\n"
    for b in boxes:
        rows.SERVERS[b.name] = 8140 + b.number
        text += f"""server {{
    listen 127.0.0.1:{8140 + b.number};
    server_name {DOMAINS[b.site - 1]};
    root {docroot(b.site)};
    location ~ ^/app/ {{
        include /etc/nginx/fastcgi.conf;
        fastcgi_param SCRIPT_FILENAME /var/www$fastcgi_script_name;
        fastcgi_param DOCUMENT_ROOT /var/www/app;
        fastcgi_pass {b.ip}:{b.port};
    }}
    location ~ \\.php$ {{
        include /etc/nginx/fastcgi.conf;
        fastcgi_param SCRIPT_FILENAME /var/www/html$fastcgi_script_name;
        fastcgi_param DOCUMENT_ROOT /var/www/html;
        fastcgi_pass {b.ip}:{b.port};
    }}
}}
"""
    write("/etc/stage/nginx-boxes.conf", text + "}\n", 0)
    run("nginx", "-c", "/etc/stage/nginx-boxes.conf")


class Table:
    """One row per message: what was expected, what was reported."""
    passed = failed = 0

    def __init__(self, number, boxes):
        self.number, self.boxes, self.expected = number, boxes, {}

    def expect(self, box, kind, way, script):
        """kind: fpm, cli, or own (a script of the image, which every container has at the same place)."""
        b = self.boxes[box]
        token = f"{self.number}.{box}.{kind}.{way}"
        followed = "postfix" if self.number else None
        queued = b.mta == followed if self.number else b.mta in (None, "bound")
        fields = {"file.path": script, "spamtrace.culprit.file": script, "spamtrace.culprit.line": LINES[way],
                  "user.id": str(b.uid), "container.id": b.id[:12],
                  "spamtrace.source": "cli" if kind == "cli" else "script",
                  "url.domain": None if kind == "cli" else DOMAINS[b.site - 1],
                  "event.outcome": "success" if queued else "unknown",
                  "event.action": "mail-queued" if queued else "mail-attempted"}
        if queued:
            fields["email.subject"] = f"[{token}] offer"
        self.expected[token] = (b, kind, way, fields)
        return token

    def send(self):
        for name, b in self.boxes.items():
            to = "127.0.0.1" if b.host_network else HOST_IP
            ways = ("smtp",) if b.mta is None else ("mail", "popen", "background")
            if self.number and b.mta != "postfix":
                continue
            for way in ways:
                t = self.expect(name, "fpm", way, f"{docroot(b.site)}/box.php")
                request(b.name, b.site, f"/box.php?way={way}&t={t}&mta={to}")
                t = self.expect(name, "cli", way, f"{docroot(b.site)}/box.php")
                b.execute("php", "/var/www/html/box.php", way, t, to)
            t = self.expect(name, "own", ways[0], f"{b.root}/var/www/app/own.php")
            request(b.name, b.site, f"/app/own.php?way={ways[0]}&t={t}&mta={to}")

    @staticmethod
    def reports(records):
        return [r for r in records if check.action(r) in ("mail-queued", "mail-attempted")]

    def wait(self, tracer):
        wait_until("a record for every message", lambda: len(self.reports(tracer.records())) >= len(self.expected), 15)

    def of(self, token, records):
        """By subject; an attempt has none, but the only one of its script, line, container and kind."""
        _, kind, way, fields = self.expected[token]
        if "email.subject" in fields:
            return [r for r in records if check.get(r, "email.subject") == fields["email.subject"]]
        own = kind == "own"
        return [r for r in records if check.action(r) == "mail-attempted" and
                check.get(r, "container.id") == fields["container.id"] and
                check.get(r, "spamtrace.culprit.line") == fields["spamtrace.culprit.line"] and
                check.get(r, "spamtrace.source") == fields["spamtrace.source"] and
                (check.get(r, "file.path") or "").endswith("/own.php") == own]

    def problems(self, token, records):
        b, kind, _, fields = self.expected[token]
        mine = self.of(token, records)
        if len(mine) != 1:
            return f"{len(mine)} records", None
        r = mine[0]
        proof, reason = check.get(r, "spamtrace.attribution"), check.get(r, "spamtrace.reason") or ""
        fields = dict(fields)
        if kind == "cli" and proof == "inferred" and "as its worker saw it" in reason:
            # PHP had ended before its file could be looked up
            fields["file.path"] = fields["spamtrace.culprit.file"] = "/var/www/html/box.php"
        elif kind == "own" and proof == "inferred" and "share this directory" not in reason or \
                kind != "own" and proof != "exact":
            return f"{proof}: {reason}", r
        return "; ".join(check.differences(fields, r)), r

    def judge(self, records, status):
        reports = self.reports(records)
        print(f"  {'MESSAGE':<27}{'OUTCOME':<9}{'PROOF':<10}{'CONTAINER':<14}{'UID':<8}{'SCRIPT':<60}")
        for token in self.expected:
            problem, r = self.problems(token, reports)

            def show(name, record=r):
                return str(check.get(record, name) or "-") if record else "-"
            print(f"{'!' if problem else ' '} {token:<27}{show('event.outcome'):<9}{show('spamtrace.attribution'):<10}"
                  f"{show('container.id'):<14}{show('user.id'):<8}{check.clip(show('file.path'), 60):<60}")
            if problem:
                print(f"      {problem}")
            self.result(None, not problem)
        self.result("no record of another message", len(reports) == len(self.expected))
        self.result("spamtrace ended without loss", status == 0)
        pids = {check.get(r, "process.pid") for r in reports}
        self.result("process ids are the host's", all(p and p >= RESERVED_PIDS for p in pids))
        inside = {nspid(b.pid) for b in self.boxes.values()}
        self.result("negative control: a container's own are not", not any(p >= RESERVED_PIDS for p in inside))
        token = next(t for t, (_, kind, _, _) in self.expected.items() if kind == "fpm")
        _, victim = self.problems(token, reports)
        for name in ("file.path", "container.id", "user.id", "event.outcome", "spamtrace.attribution") if victim else ():
            made = [copy.deepcopy(r) if r is victim else r for r in reports]
            check.put(next(m for m, r in zip(made, reports) if r is victim), name, "other")
            self.result(f"negative control: altered {name}", bool(self.problems(token, made)[0]))

    def result(self, what, ok):
        Table.passed, Table.failed = Table.passed + bool(ok), Table.failed + (not ok)
        if what:
            print(f"{' ' if ok else '!'} {what}")


def start_servers():
    run("bash", "-ec", ". /src/scripts/lib/hosting.sh; . /src/scripts/lib/servers.sh; . /src/scripts/lib/mta.sh; "
        "start_mta")
    run("ip", "link", "add", "docker0", "type", "bridge")
    run("ip", "addr", "add", f"{HOST_IP}/24", "dev", "docker0")
    run("ip", "link", "set", "docker0", "up")
    run("postconf", "-e", "inet_interfaces=all", "mynetworks=127.0.0.0/8,10.88.0.0/24")
    run("postfix", "stop", stderr=subprocess.DEVNULL)
    run("postfix", "start", stderr=subprocess.DEVNULL)


def main():
    start_servers()
    boxes = {
        "smtp": Container(1, 1),
        "bound": Container(2, 2, mta="bound"),
        "postfix": Container(3, 3, mta="postfix"),
        "nullmailer": Container(4, 4, mta="nullmailer"),
        "late": Container(7, 7, mta="nullmailer"),  # starts while spamtrace traces
        "users": Container(5, 5, users=True),
        "hostnet": Container(6, 6, host_network=True),
    }
    def start(b):
        write(f"{docroot(b.site)}/box.php", SCRIPT, 10000 + b.site)
        b.start()
        write(f"{b.root}/var/www/app/own.php", SCRIPT, 10000 + b.site)

    def ready(b):
        if not wait_until(f"PHP in {b.name}", lambda: answers(b), 20):
            print(open(f"/var/log/stage/{b.name}.log", encoding="utf-8", errors="replace").read())

    for name, b in boxes.items():
        if name != "late":
            start(b)
    nginx(boxes.values())
    for name, b in boxes.items():
        if name != "late":
            ready(b)
    # Then the same, following the queue inside of a container.
    inside = f"/proc/{boxes['postfix'].pid}/root/var/spool/postfix"
    runs = ((), ("--mta", "postfix", "--queue-dir", inside))
    for n, options in enumerate(runs):
        out = f"/out/{n}"
        os.mkdir(out)
        tracer = Tracer(out, *options)
        print(f"containers: tracing after {tracer.ready():.2f} s", flush=True)
        if n == 0:
            start(boxes["late"])
            ready(boxes["late"])
        table = Table(n, boxes)
        table.send()
        table.wait(tracer)
        status = tracer.stop()
        table.judge(tracer.records(), status)
        with open(tracer.stderr, encoding="utf-8") as f:
            table.result("it is said that a container's own queue is not followed", ("not followed" in f.read()) == (n == 0))
    for b in boxes.values():
        subprocess.run(["runc", "delete", "-f", b.id], check=False)
    with open("/out/result", "w", encoding="ascii") as f:
        f.write(f"{Table.passed} {Table.failed}\n")


def answers(b):
    try:
        return request(b.name, b.site, "/box.php")["pid"]
    except (RuntimeError, OSError):
        return False


main()
