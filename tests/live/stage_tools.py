# SPDX-License-Identifier: GPL-2.0-only
"""What the live drivers share inside a stage: sites, requests, waiting, and a spamtrace that runs."""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time

import cases as rows

VHOSTS = "/var/www/vhosts"
DOMAINS = re.search(r"DOMAINS=\((.*?)\)",
                    open("/src/scripts/lib/hosting.sh", encoding="ascii").read()).group(1).split()
HANG = 60  # seconds after which a wait is a hang


def wait_until(what, test, limit=HANG):
    """True when test() came true; polls, because queues and pipes of others have no event for us."""
    end = time.monotonic() + limit
    while not test():
        if time.monotonic() > end:
            print(f"live: {what} did not happen within {limit} s", file=sys.stderr)
            return False
        time.sleep(0.01)
    return True


def docroot(site):
    return f"{VHOSTS}/{DOMAINS[site - 1]}/httpdocs"


def write(path, text, uid):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chown(path, uid, uid)
    os.utime(path, (time.time() - 3600,) * 2)  # opcache leaves files of the last seconds uncached


def request(server, site, path, source="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", rows.SERVERS[server], timeout=HANG,
                                            source_address=(source, 0))
    connection.request("GET", path, headers={"Host": DOMAINS[site - 1]})
    answer = connection.getresponse()
    body = answer.read().decode(errors="replace")
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{server}{path}: {answer.status} {body[:200]}")
    try:
        return json.loads(body)
    except ValueError:
        raise RuntimeError(f"{server}{path}: {body[:200]}") from None


class Tracer:
    def __init__(self, out, *options):
        self.out = out
        self.recording = f"{out}/recording.json"
        self.stderr = f"{out}/spamtrace.err"
        open(self.recording, "w", encoding="utf-8").close()
        with open(f"{out}/spamtrace.out", "wb") as o, open(self.stderr, "wb") as e:
            self.process = subprocess.Popen(
                ["spamtrace", "trace", "--strict", "-o", "table", "-w", self.recording, *options],
                stdout=o, stderr=e, stdin=subprocess.DEVNULL)
        self.start = time.monotonic()

    def complain(self, what):
        with open(self.stderr, encoding="utf-8", errors="replace") as f:
            sys.exit(f"live: {what}\n{f.read()[-2000:]}")

    def ready(self):
        def tracing():
            if self.process.poll() is not None:
                self.complain(f"spamtrace ended with status {self.process.returncode} before it traced")
            with open(self.stderr, "rb") as f:
                return b"spamtrace: tracing" in f.read()

        if not wait_until("the line 'spamtrace: tracing'", tracing, 30):
            self.complain("spamtrace does not trace")
        return time.monotonic() - self.start

    def count(self):
        with open(self.recording, "rb") as f:
            return f.read().count(b'"mail-queued"')

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.complain("spamtrace did not end within 30 s of SIGINT")

    def records(self):
        with open(self.recording, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n") and line.strip()]
