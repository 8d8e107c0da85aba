# SPDX-License-Identifier: GPL-2.0-only
"""Row of faults.py: the mail log is rotated. Who logged in to send is to be known from it all the same: what is sent here is
such that nothing else tells."""
import os
import re
import shutil
import signal
import smtplib
import subprocess

import faults_stage as fs
from faults_stage import Failed, action, get, read, wait_until
from faults_server import shell

MAILBOX = "info@shop.test"


def offer_login(run):
    """qmail's stand-in has it; Postfix asks a server that speaks Dovecot's protocol."""
    if run.mta == "qmail":
        return
    socket = "/var/spool/postfix/private/auth"
    subprocess.Popen(["python3", f"{fs.HERE}/smtp_peers.py", "dovecot", socket], stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("the server that knows the mailboxes", lambda: os.path.exists(socket))
    shell("""postconf -e smtpd_sasl_auth_enable=yes smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth \
        smtpd_sasl_security_options=noanonymous; postfix reload >/dev/null 2>&1""")

    def offered():
        with smtplib.SMTP("127.0.0.1", 25, local_hostname="log.test", timeout=60) as s:
            s.ehlo()
            return s.has_extn("auth")
    wait_until("SMTP AUTH", offered)


def session(token, to):
    """A message of the mailbox; the server's answer to it."""
    with smtplib.SMTP("127.0.0.1", 25, local_hostname="log.test", timeout=60) as s:
        s.ehlo()
        s.login(MAILBOX, "secret")
        s.mail(MAILBOX)
        s.rcpt(to)
        return s.data(f"From: {MAILBOX}\r\nTo: {to}\r\nSubject: [{token}] offer\r\nX-Truth: {token};\r\n\r\nhello\r\n")[1]


def send_as_mailbox(run, tracer, token, log):
    """The id of a message whose mailbox only the log tells: qmail's queue never does, Postfix's does as long as the message is there,
    and so it is delivered before the tracer can read it."""
    if run.mta == "qmail":
        session(token, "x@elsewhere.test")
        wait_until("the message", lambda: token in run.truth.look().values())
        return next(i for i, t in run.truth.queue.items() if t == token)
    tracer.kill(signal.SIGSTOP)
    try:
        answer = session(token, "sink@localhost")
        found = re.search(rb"queued as ([0-9A-Za-z]+)", answer)
        if not found:
            raise Failed(f"no queue id in {answer}")
        wait_until("its delivery", lambda: re.search(rb"qmgr\[\d+\]: %s: removed" % found.group(1), read(log)))
    finally:
        tracer.kill(signal.SIGCONT)
    return found.group(1).decode()


def follows(tracer, path):
    """Has it the file open that is the log now? When it does not, the messages tell what comes of that."""
    def opened():
        now = os.stat(path)
        for fd in os.listdir(f"/proc/{tracer.pid}/fd"):
            try:
                st = os.stat(f"/proc/{tracer.pid}/fd/{fd}")
            except OSError:
                continue
            if (st.st_dev, st.st_ino) == (now.st_dev, now.st_ino):
                return True
        return False
    try:
        wait_until("", opened, 10)
    except Failed:
        pass


def renamed(run, path):
    st = os.stat(path)
    os.rename(path, f"{path}.1")
    new = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.fchown(new, st.st_uid, st.st_gid)
    os.fchmod(new, st.st_mode & 0o777)
    # longer than all that comes after the truncation, however slow the machine is; read by then
    os.write(new, b"Nov 30 12:00:00 stage cron[1]: (root) CMD (true)\n" * 4000)
    os.close(new)
    if run.mta == "postfix":
        shell("postfix reload >/dev/null 2>&1")


def truncated(_, path):
    """Its size before."""
    shutil.copy2(path, f"{path}.2")
    size = os.path.getsize(path)
    os.truncate(path, 0)
    return size


def rotated(run):
    offer_login(run)
    t = run.tracer()
    path = read("/run/mail-log").decode().strip()
    mailbox, wanted, size = {}, [], 0
    for part, rotate in enumerate((None, renamed, truncated)):
        senders, tokens = run.begin(30, part)
        wait_until("some messages", lambda n=len(wanted) + len(mailbox): t.count() >= n + 60)
        if rotate:
            size = rotate(run, path)
        for s in senders:
            fs.finish(s)
        wanted += tokens
        follows(t, path)
        token = f"{run.prefix('auth', 1, part)}#00000"
        mailbox[send_as_mailbox(run, t, token, path)] = part
    run.need(os.path.getsize(path) < size, f"the log that was truncated is longer again than it was: {size} bytes")
    run.settle(t, wanted, len(wanted) + len(mailbox))
    status = t.stop()
    run.need(status == 0, f"exit status {status}, lost {t.lost()}")
    by_script = [r for r in t.records() if get(r, "email.local_id") not in mailbox]
    run.truth.look()
    j = fs.judge(by_script, run.truth.queue, wanted, run.truth.fields)
    run.problems += j.wrong[:4] + j.problems[:4]
    run.need(j.exact == len(wanted), f"{j} of {len(wanted)}")
    told = {get(r, "email.local_id"): r for r in t.records() if action(r) == "mail-queued"}
    for number, part in mailbox.items():
        r, when = told.get(number, {}), ("before", "after the rename", "after the truncation")[part]
        have = {"spamtrace.auth_user": get(r, "spamtrace.auth_user"), "file.path": get(r, "file.path"),
                "mail-log": "mail-log" in (get(r, "spamtrace.evidence") or [])}
        run.need(have == {"spamtrace.auth_user": MAILBOX, "file.path": None, "mail-log": True}, f"{when}: {number} has {have}")
    return f"renamed, then copied and truncated; {j}; {len(mailbox)} of a mailbox that only the log tells"


ROWS = (("log-rotated", rotated),)
