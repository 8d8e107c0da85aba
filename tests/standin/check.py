#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds the qmail stand-in to what qmail was measured to do: chains, queue files, log lines and
formats. Runs inside a stage, started by tests/standin/run."""
import glob
import os
import re
import signal
import smtplib
import subprocess
import sys
import time

QUEUE = "/var/qmail/queue"
LOG = "/var/log/maillog"
results = []


def check(what, ok, have=""):
    results.append(bool(ok))
    if not ok:
        print(f"! {what}: {str(have)[:300]}")


def until(what, test, limit=30):
    end = time.monotonic() + limit
    while not (have := test()):
        if time.monotonic() > end:
            check(what, False, "it did not happen")
            return None
        time.sleep(0.01)
    return have


def log():
    with open(LOG, encoding="utf-8", errors="replace") as f:
        return f.read()


def sendmail(*args, text="", uid=33, program="/usr/sbin/sendmail"):
    return subprocess.run([program, *args], input=text.encode(), user=uid, group=uid, extra_groups=[],
                          env={"PATH": "/usr/bin:/bin"}, capture_output=True)


def queued(subject, having=""):
    """The mess file of the message with that subject, and that text, when preprocessing is over."""
    for path in glob.glob(f"{QUEUE}/mess/*/*"):
        try:
            with open(path, "rb") as f:
                text = f.read().decode()
        except FileNotFoundError:
            continue
        number = os.path.basename(path)
        if f"\nSubject: {subject}\n" in text and having in text and os.path.exists(f"{QUEUE}/info/{int(number) % 23}/{number}") \
                and not os.path.exists(f"{QUEUE}/todo/{number}"):
            return path, text
    return None


def read(path):
    with open(path, "rb") as f:
        return f.read()


check("--version says stand-in", b"STAND-IN" in subprocess.run(
    ["/var/qmail/bin/qmail-queue", "--version"], capture_output=True).stdout)
check("qmail-queue is setuid qmailq", os.stat("/var/qmail/bin/qmail-queue").st_mode & 0o7777 == 0o4711
      and os.stat("/var/qmail/bin/qmail-queue").st_uid == 1005)

# a script's message: id, owner, header, envelope
sendmail("-t", "-i", text="To: a@elsewhere.test, \"B, b\" <b@elsewhere.test>\nCc: c (x, y) <c@elsewhere.test>\n"
                          "Bcc: d@elsewhere.test\nSubject: one\n\nbody\n")
path, text = until("one is queued", lambda: queued("one")) or ("", "")
number = os.path.basename(path)
if path:
    st = os.stat(path)
    check("mess/N%23/N, N the inode", path == f"{QUEUE}/mess/{st.st_ino % 23}/{st.st_ino}", path)
    check("owner qmailq, group the injector's", (st.st_uid, st.st_gid, st.st_mode & 0o777) == (1005, 33, 0o644))
    check("Received by uid", re.match(r"Received: \(qmail \d+ invoked by uid 33\); \d\d? \w+ \d{4} [\d:]{8} -0000\n",
                                      text), text)
    check("no Bcc in the header", "Bcc" not in text and "Message-ID: <" in text)
    check("remote/N", read(f"{QUEUE}/remote/{st.st_ino % 23}/{number}") ==
          b"Ta@elsewhere.test\0Tb@elsewhere.test\0Tc@elsewhere.test\0Td@elsewhere.test\0")
    check("info/N", read(f"{QUEUE}/info/{st.st_ino % 23}/{number}") == b"Fanonymous@stage.example.test\0")
    qp = re.match(r"Received: \(qmail (\d+)", text).group(1)
    until("info msg in the log", lambda: f"info msg {number}: bytes {st.st_size} from "
          f"<anonymous@stage.example.test> qp {qp} uid 33\n" in log())
    until("deferral", lambda: re.search(r"delivery \d+: deferral: \S+\n", log()))

# local delivery and removal, bounce, forward
sendmail("-t", text="To: sink@stage.example.test\nSubject: sunk\n\nx\n")
until("delivered and removed", lambda: re.search(r"success: did_0\+0\+1/\n(.*\n)*?.* end msg \d+\n", log()))
sendmail("-t", "-f", "r@elsewhere.test", text="To: nosuch@stage.example.test\nSubject: bounced\n\nx\n")
until("bounce msg in the log", lambda: re.search(r"bounce msg \d+ qp \d+\n(.*\n)*?.* end msg", log()))
_, text = until("the bounce is queued", lambda: queued("failure notice")) or ("", "")
check("Received for bounce", re.match(r"Received: \(qmail \d+ invoked for bounce\)", text), text)
check("bounce in the log", re.search(r"info msg \d+: bytes \d+ from <> qp \d+ uid 1007\n", log()))
sendmail("-t", "-f", "r@elsewhere.test", text="To: fwd@stage.example.test\nSubject: forwarded\n\nx\n")
until("forward in the log", lambda: re.search(r"success: did_0\+1\+0/qp_\d+/\n", log()))
_, text = until("the forward is queued", lambda: queued("forwarded", "\nDelivered-To: ")) or ("", "")
check("Received by alias", re.match(r"Received: \(qmail \d+ invoked by alias\)\S* .*\nDelivered-To: fwd@", text), text)

# no recipients, options that are no message
done = sendmail("-t", text="Subject: nobody\n\nx\n")
check("-t without recipients queues, and ends", done.returncode == 0, done)
check("no -t, no recipients: queues, and ends", sendmail("-i", text="\nx\n").returncode == 0)
check("-t, and a header that is none: queues", sendmail("-t", text="To: \"x\n\nx\n").returncode == 0)
check("an unknown option", sendmail("-Z", text="To: x\n\nx\n").returncode == 100)
check("-bd is an error", sendmail("-bd").returncode == 100)
check("-bp is for root", sendmail("-bp").returncode == 111)
done = sendmail("-bp", uid=0).stdout.decode()
check("qmail-qread's format", re.search(
    rf"^\d\d? \w{{3}} \d{{4}} [\d:]{{8}} GMT  #{number}  \d+  <anonymous@stage\.example\.test> \n"
    r"\tremote\ta@elsewhere\.test\n", done, re.M), done)
done = subprocess.run(["/var/qmail/bin/qmail-qstat"], capture_output=True).stdout.decode()
check("qmail-qstat's format", re.fullmatch(
    r"messages in queue: \d+\nmessages in queue but not yet preprocessed: \d+\n", done), done)

# SMTP: relaying from a listed address, AUTH as Plesk logs it, one qmail-queue per message
with smtplib.SMTP("127.0.0.1", 25) as smtp:
    smtp.ehlo("c.test")
    smtp.login("info@shop.test", "secret")
    for n in (1, 2):
        smtp.mail("r@elsewhere.test")
        smtp.rcpt("z@elsewhere.test")
        code, answer = smtp.data(f"Subject: smtp{n}\n\nx\n")
        check("250 ok TIME qp PID", code == 250 and re.fullmatch(rb"ok \d+ qp \d+", answer), answer)
_, text = until("smtp2 is queued", lambda: queued("smtp2")) or ("", "")
check("Received from network", re.match(r"Received: \(qmail \d+ invoked from network\).*\n"
                                        r"Received: from unknown \(HELO c\.test\) \(127\.0\.0\.1\)\n", text), text)
check("smtp_auth in the log", re.search(
    r"smtp_auth\[\d+\]: smtp_auth: SMTP user info@shop\.test : /var/qmail/mailnames/shop\.test/info logged in from "
    r"unknown@unknown \[127\.0\.0\.1\]\n", log()))
try:
    smtplib.SMTP("127.0.0.1", 25).login("info@shop.test", "wrong")
    check("a wrong password", False)
except smtplib.SMTPAuthenticationError:
    check("a wrong password", True)
done = sendmail("-bs", text="HELO x\r\nMAIL FROM:<r@elsewhere.test>\r\nRCPT TO:<sink@stage.example.test>\r\nDATA\r\n"
                            "Subject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n").stdout.decode()
check("-bs", re.search(r"^250 ok \d+ qp \d+\r$", done, re.M), done)


def mess():
    """Files, with their times: a name is an inode's number, which the next message may get again."""
    found = set()
    for path in glob.glob(f"{QUEUE}/mess/*/*"):
        try:
            found.add((path, os.stat(path).st_mtime_ns))
        except FileNotFoundError:  # delivered
            pass
    return found


# qmail-queue itself: refuses half an envelope and leaves nothing; a killed one leaves its mess file
before = mess()
r, w = os.pipe()
os.write(w, b"Fx@elsewhere.test\0Ty@else")
os.close(w)
half = subprocess.run(["/var/qmail/bin/qmail-queue"], input=b"x\n", stdout=r)
check("half an envelope: 91", half.returncode == 91, half)
check("and nothing left", mess() <= before)
killed = subprocess.Popen(["/var/qmail/bin/qmail-queue"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
until("a mess file before the body", lambda: mess() - before)
killed.send_signal(signal.SIGKILL)
killed.wait()
check("an orphan", len(mess() - before) == 1)

print(f"standin: {sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(not all(results))
