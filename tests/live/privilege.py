#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs inside a stage, started by tests/live/privilege."""
import glob
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

OUT = "/out"
KEEP = "/root/evidence"
SITE = "/var/www/vhosts/blog.test/httpdocs"
UID = 10001
JAIL = "/srv/jail"
# Words that only addresses, names and subjects of this run have.
SECRETS = ("zsecretfrom", "zsecretto", "zsecretname", "zsecretsubject", "zsecretcli", "zsecretbounce",
           "zsecretid")

SEND = """mail('zsecretto@elsewhere.test', 'zsecretsubject {n}', 'x',
    "From: zsecretname <zsecretfrom@blog.test>\\r\\nMessage-ID: <zsecretid-{n}@blog.test>", '-fzsecretbounce@blog.test');"""
SCRIPTS = {
    "plain.php": "<?php\n" + SEND.format(n=1) + "\n",
    # deleted while the engine has it open, until its message is reported
    "open.php": "<?php\nunlink(__FILE__);\n" + SEND.format(n=3) + "\nwhile (!file_exists('/tmp/go')) usleep(1000);\n",
    # an included file is closed when it runs
    "gone.php": "<?php\nunlink(__FILE__);\n" + SEND.format(n=4) + "\n",
    "front.php": "<?php\ninclude 'gone.php';\n",
    "args.php": "<?php\nexec(\"printf 'Subject: zsecretsubject 5\\n\\nx\\n' | /usr/sbin/sendmail -i "
                "-F 'zsecretname two' -f zsecretbounce@blog.test zsecretcli@elsewhere.test\");\n",
    "busy.php": "<?php\nfor ($i = 0; $i < 40; $i++) " + SEND.format(n=6) + "\n",
}

# They delete themselves once sendmail has come back: a race, which the tracer often wins and never lies about.
AFTER = {f"after{n}.php": f"<?php // {n}\n" + SEND.format(n=2) + "\nunlink(__FILE__);\n" for n in range(10)}

passed = failed = 0


def check(what, right, found=""):
    global passed, failed
    passed, failed = passed + bool(right), failed + (not right)
    print(f"{' ' if right else '!'} privilege: {what}{'' if right else f': {found}'}", flush=True)


def wait_until(what, test, limit=60):
    end = time.monotonic() + limit
    while not test():
        if time.monotonic() > end:
            check(what, False, f"did not happen within {limit} s")
            return False
        time.sleep(0.01)
    return True


def get(record, name):
    for part in name.split("."):
        if not isinstance(record, dict) or part not in record:
            return None
        record = record[part]
    return record


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write(path, text, uid=UID, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chown(path, uid, uid)
    os.chmod(path, mode)


def servers():
    subprocess.run(["bash", "-c", """set -euo pipefail
        . /src/scripts/lib/hosting.sh; . /src/scripts/lib/servers.sh; . /src/scripts/lib/mta.sh
        start_mta; start_fpm fpm; start_proxy px 8082 fpm unix"""], check=True)
    for name, text in {**SCRIPTS, **AFTER}.items():
        write(f"{SITE}/{name}", text)


def jail():
    """A chroot with a PHP in it, and on the host another file of the same name."""
    for d in ("usr", "lib", "lib64", "bin", "etc"):
        os.makedirs(f"{JAIL}/{d}", exist_ok=True)
        subprocess.run(["mount", "--bind", f"/{d}", f"{JAIL}/{d}"], check=True)
    inside = "<?php\n$s = fsockopen('127.0.0.1', 2525);\nfgets($s);\n"
    write(f"{JAIL}/www/jailed.php", inside)
    write("/www/jailed.php", "<?php // of another\n")
    return inside


def run_jailed():
    with socket.create_server(("127.0.0.1", 2525)) as listener:
        with subprocess.Popen(["chroot", f"--userspec={UID}:{UID}", JAIL, "/usr/bin/php", "/www/jailed.php"],
                              stdout=subprocess.DEVNULL) as php:
            connection = listener.accept()[0]
            wait_until("the connection is reported", lambda: b"jailed.php" in read(f"{OUT}/recording", "rb"), 15)
            connection.sendall(b"\n")
            connection.close()
            php.wait(10)


def read(path, mode="r"):
    with open(path, mode) as f:  # pylint: disable=unspecified-encoding
        return f.read()


def request(name):
    connection = http.client.HTTPConnection("127.0.0.1", 8082, timeout=60)
    connection.request("GET", f"/{name}", headers={"Host": "blog.test"})
    status = connection.getresponse().status
    connection.close()
    if status != 200:
        check(f"{name} runs", False, status)


def as_site(script, **more):
    subprocess.run(["bash", "-c", script], check=True, user=UID, group=UID, extra_groups=[], cwd="/tmp",
                   stdin=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/bin"}, **more)


def status_of(pid):
    return dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":\t" in line)


def check_status(pid):
    s = status_of(pid)
    kept = 1 << 2 | 1 << 19 | 1 << 39 | 1 << 40
    for name in ("CapEff", "CapPrm"):
        check(f"{name} is what is used", int(s[name], 16) == kept, s[name])
    for name in ("CapInh", "CapBnd", "CapAmb"):
        check(f"{name} is empty", int(s[name], 16) == 0, s[name])
    check("no_new_privs is set", s["NoNewPrivs"] == "1", s["NoNewPrivs"])
    check("a seccomp filter is in force", s["Seccomp"] == "2", s["Seccomp"])
    check("files are nobody's", s["Uid"].split()[3] == "65534" and s["Gid"].split()[3] == "65534", s["Uid"])
    check("no supplementary groups", not s["Groups"].strip(), s["Groups"])
    files = next(line.split()[3:5] for line in read(f"/proc/{pid}/limits").splitlines() if line.startswith("Max open files"))
    check("as many files as it may have", files == ["4096", "4096"], files)


def main():
    servers()
    inside = jail()
    with open(f"{OUT}/screen", "wb") as o, open(f"{OUT}/spamtrace.err", "wb") as e:
        tracer = subprocess.Popen(
            ["prlimit", "--nofile=512:4096", "spamtrace", "trace", "--strict", "-v", "-o", "table", "-w", f"{OUT}/recording", "--redact", "--evidence", KEEP],
            stdout=o, stderr=e, stdin=subprocess.DEVNULL)
    if not wait_until("tracing", lambda: tracer.poll() is not None or b"spamtrace: tracing" in read(f"{OUT}/spamtrace.err", "rb")) \
            or tracer.poll() is not None:
        sys.exit(1)
    check_status(tracer.pid)

    waiting = threading.Thread(target=request, args=("open.php",))
    waiting.start()
    wait_until("open.php is reported", lambda: b"open.php" in read(f"{OUT}/recording", "rb"), 15)
    write("/tmp/go", "")
    waiting.join()
    for name in (*AFTER, "plain.php", "front.php", "args.php", "busy.php"):
        request(name)
    # a script that has its own name lead to another's file before it sends
    write("/tmp/mail", "Subject: zsecretsubject 7\nTo: zsecretto@elsewhere.test\n\nx\n")
    write("/tmp/swap/real/shadow", "ln -sfn /etc /tmp/swap/link\n/usr/sbin/sendmail -t -i </tmp/mail\n:\n")
    os.symlink("real", "/tmp/swap/link")
    os.chown("/tmp/swap", UID, UID)
    as_site("/bin/sh /tmp/swap/link/shadow")
    run_jailed()
    # the work goes on that needs privileges: a queue, users and servers are looked at again
    expected = len(AFTER) + 1 + 4 + 39 + 1

    def queued():
        return read(f"{OUT}/recording", "rb").count(b'"mail-queued"')

    wait_until(f"{expected} messages are recorded", lambda: queued() >= expected)
    tracer.send_signal(signal.SIGINT)
    check("it ends well", tracer.wait(30) == 0, tracer.returncode)

    raw = read(f"{OUT}/recording", "rb")
    records = [json.loads(line) for line in raw.splitlines()]
    mails = [r for r in records if get(r, "event.action") == "mail-queued"]
    check(f"{expected} messages", len(mails) == expected, len(mails))
    for secret in SECRETS:
        check(f"redacted: no {secret}", secret.encode() not in raw,
              raw[max(0, raw.find(secret.encode()) - 60):][:120])
    check("redacted: senders and subjects are there as hashes",
          all((get(r, "email.sender.address") or "").startswith("h-") and
              (get(r, "email.subject") or "").startswith("h-") for r in mails if get(r, "url.domain")))
    check("the terminal shows them", b"zsecretsubject 1" in read(f"{OUT}/screen", "rb"))
    check("the recording is private", os.stat(f"{OUT}/recording").st_mode & 0o7777 == 0o600)

    facts = {os.path.basename(get(r, "spamtrace.culprit.file") or get(r, "file.path") or ""):
             get(r, "spamtrace.culprit") or {} for r in records if get(r, "spamtrace.culprit")}
    for name in ("plain.php", "open.php", "args.php", "busy.php"):
        f = facts.get(name, {})
        check(f"{name}: its hash", f.get("sha256") == sha(SCRIPTS[name]), f)
        check(f"{name}: owner and size", f.get("owner") == str(UID) and f.get("size") == len(SCRIPTS[name]), f)
        copies = glob.glob(f"{KEEP}/files/{sha(SCRIPTS[name])}-{name}")
        check(f"{name}: its copy", len(copies) == 1 and read(copies[0]) == SCRIPTS[name] and
              os.stat(copies[0]).st_mode & 0o7777 == 0o600, copies)
    for name in ("open.php", "gone.php"):
        check(f"{name}: deleted", facts.get(name, {}).get("deleted") is True, facts.get(name))
    check("gone.php: no hash of something else", "sha256" not in facts.get("gone.php", {}), facts.get("gone.php"))
    caught = [n for n in AFTER if facts.get(n, {}).get("sha256") == sha(AFTER[n])]
    missed = [n for n in AFTER if "sha256" not in facts.get(n, {}) and facts.get(n, {}).get("deleted") is True]
    check(f"scripts that delete themselves: {len(caught)} of {len(AFTER)} caught, the rest said to be gone",
          caught and len(caught) + len(missed) == len(AFTER), [facts.get(n) for n in AFTER])
    shadow = facts.get("shadow")
    check("/etc/shadow: neither hashed nor copied, and said so",
          shadow and shadow.get("real_path") == "/etc/shadow" and "may not read" in shadow.get("note", "") and
          "sha256" not in shadow and not glob.glob(f"{KEEP}/files/*shadow*"), shadow)
    jailed = next((r for r in records if get(r, "event.action") == "smtp-connected"), {})
    check("jailed.php: the file of the chroot", get(jailed, "spamtrace.culprit.sha256") == sha(inside),
          get(jailed, "spamtrace.culprit"))
    index = [json.loads(line) for line in read(f"{KEEP}/index.jsonl").splitlines()]
    names = sorted(os.path.basename(i["path"]) for i in index)
    check("the index names each once", names ==
          sorted(["args.php", "busy.php", "jailed.php", "open.php", "plain.php"] + caught), names)
    check("the directory is private", os.stat(KEEP).st_mode & 0o7777 == 0o700)
    err = read(f"{OUT}/spamtrace.err")
    check("every step was taken", "privileges that are left" not in err and "seccomp" not in err, err)
    check("nothing of the evidence was refused", "evidence" not in err and "script files" not in err, err)
    with open(f"{OUT}/done", "w", encoding="ascii"):
        pass
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
