# SPDX-License-Identifier: GPL-2.0-only
"""A queue of many messages for the benchmark, in the MTA's own format: a few real ones are sent through the MTA, and their files
are copied under further ids with other senders, recipients and subjects of the same length."""
import glob
import os
import re
import smtplib
import subprocess
import time

from measure import wait_until

NUMBER = b"00000000"  # stands in addresses and subjects, a copy's own number replaces it
DOMAIN = b"d000"      # one of 500 recipient domains
REMOTE = "d000.elsewhere.test"
HOUR = 3600


def text(kind):
    return (f"From: {kind}{NUMBER.decode()}@truth.test\nTo: r{NUMBER.decode()}@{REMOTE}, q@{REMOTE}\n"
            f"Subject: Your parcel no. {NUMBER.decode()} is waiting\nX-PHP-Originating-Script: 10001:inc.php\n\n" + "body " * 200 + "\n")


def send():
    """A script's, a web server's, a network client's: three messages. Returns how many."""
    for uid in (10001, 33):
        subprocess.run(["/usr/sbin/sendmail", "-t", "-i", "-f", f"u{NUMBER.decode()}@truth.test"], input=text("u").encode(), check=True,
                       user=uid, group=uid, extra_groups=[], env={"PATH": "/usr/sbin:/usr/bin:/bin"}, cwd="/", stderr=subprocess.DEVNULL)
    try:
        with smtplib.SMTP("127.0.0.1", 25, timeout=30) as s:
            s.sendmail(f"s{NUMBER.decode()}@truth.test", [f"r{NUMBER.decode()}@{REMOTE}"], text("s"))
    except ConnectionRefusedError:  # nullmailer takes none
        return 2
    return 3


def vary(data, n):
    return data.replace(NUMBER, f"{n:08d}".encode()).replace(DOMAIN, f"d{n % 500:03d}".encode())


def write(path, data, like, when=None):
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, like.st_uid, like.st_gid)
    os.chmod(path, like.st_mode & 0o7777)
    if when:
        os.utime(path, (when, when))


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Postfix:
    """deferred/X/ID, ID being 5 digits of microseconds and the inode. qmgr leaves alone what is not due yet."""
    patterns = ["/var/spool/postfix/deferred/*/*"]

    def copy(self, model, n):
        new = f"/var/spool/postfix/deferred/.new{n}"
        with open(new, "wb") as f:
            inode = os.fstat(f.fileno()).st_ino
            name = f"{n * 7919 % 0x100000:05X}{inode:X}"
            f.write(vary(read(model), n).replace(os.path.basename(model).encode(), name.encode()))
        directory = f"/var/spool/postfix/deferred/{name[0]}"
        st = os.stat(model)
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o700)
            os.chown(directory, st.st_uid, st.st_gid)
        os.chown(new, st.st_uid, st.st_gid)
        os.chmod(new, st.st_mode & 0o7777)
        os.utime(new, (time.time() + HOUR,) * 2)
        os.rename(new, f"{directory}/{name}")


class Exim:
    """ID-H and ID-D, the id standing in both."""
    patterns = ["/var/spool/exim4/input/*-H"]
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def copy(self, model, n):
        old = os.path.basename(model)[:-2]
        part = "".join(self.digits[n // 62 ** i % 62] for i in reversed(range(6)))
        new = f"{old[:6]}-{part}-00"
        for end in "DH":
            path = f"/var/spool/exim4/input/{old}-{end}"
            write(f"/var/spool/exim4/input/{new}-{end}", vary(read(path), n).replace(old.encode(), new.encode()), os.stat(path))


class Sendmail:
    """qfID and dfID; the id stands in the file where a header names it."""
    patterns = ["/var/spool/mqueue/qf*"]

    def copy(self, model, n):
        old = os.path.basename(model)[2:]
        new = f"{old[:6]}zz{n:06d}"
        for start in ("df", "qf"):
            path = f"/var/spool/mqueue/{start}{old}"
            write(f"/var/spool/mqueue/{start}{new}", vary(read(path), n).replace(old.encode(), new.encode()), os.stat(path))


class Nullmailer:
    patterns = ["/var/spool/nullmailer/queue/*"]

    def copy(self, model, n):
        name = f"{int(os.path.basename(model).split('.')[0]) + 60 + n // 30000}.{n % 30000 + 100}"
        write(f"/var/spool/nullmailer/queue/{name}", vary(read(model), n), os.stat(model))


class Qmail:
    """mess/N%23/N, N being its inode; info and remote have the envelope."""
    patterns = ["/var/qmail/queue/mess/*/*"]

    def copy(self, model, n):
        queue, old = "/var/qmail/queue", os.path.basename(model)
        new = f"{queue}/pid/{n}"
        write(new, vary(read(model), n), os.stat(model))
        inode = os.stat(new).st_ino
        for place in ("info", "remote"):
            path = f"{queue}/{place}/{int(old) % 23}/{old}"
            write(f"{queue}/{place}/{inode % 23}/{inode}", vary(read(path), n), os.stat(path))
        os.rename(new, f"{queue}/mess/{inode % 23}/{inode}")


MTAS = {"postfix": Postfix, "exim": Exim, "sendmail": Sendmail, "nullmailer": Nullmailer, "qmail": Qmail}


class Queue:
    def __init__(self, mta):
        self.mta = MTAS[mta]()
        sent = send()
        wait_until("the first messages in the queue", lambda: len(self.files()) == sent and self.settled(mta))
        self.models = sorted(self.files())
        self.messages = sent

    def files(self):
        return [p for pattern in self.mta.patterns for p in glob.glob(pattern)]

    def settled(self, mta):
        return mta != "qmail" or (not os.listdir("/var/qmail/queue/todo") and all(
            os.path.exists(f"/var/qmail/queue/remote/{int(n) % 23}/{n}") for n in map(os.path.basename, self.files())))

    def grow(self, total):
        for n in range(self.messages, total):
            self.mta.copy(self.models[n % len(self.models)], n)
        self.messages = total


def lines_of(output, mta):
    """How many messages the listing of an MTA's own tool has: to know that it did what it is timed for."""
    pattern = {"postfix": rb'"queue_id"|^[0-9A-F]{6,}[*!]? +\d', "exim": rb"^ *\d+[smhd] +[\d.]+[KM]? +\S{16} ", "sendmail": rb"^[0-9A-Za-z]{14}[*-]? ",
               "nullmailer": rb"^\d{4}-\d\d-\d\d ", "qmail": rb"#\d+  \d+  "}[mta]
    return len(re.findall(pattern, output, re.M))
