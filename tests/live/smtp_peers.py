#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What an MTA of a stage talks to: `relay PORT`, an SMTP server that takes mail to ok@, refuses
reject@ for good and everything else for now; `dovecot SOCKET`, the server side of Dovecot's
authentication protocol as Postfix speaks it (PLAIN, one user)."""
import base64
import os
import socket
import sys
import threading

USER, PASSWORD = b"info@shop.test", b"secret"


def relay(conn):
    f = conn.makefile("rwb")

    def say(text):
        f.write(text + b"\r\n")
        f.flush()

    say(b"220 relay.test ESMTP")
    for line in f:
        verb = line[:4].upper()
        if verb == b"RCPT":
            to = line.lower()
            say(b"250 ok" if b"<ok@" in to else b"550 no such user" if b"<reject@" in to else b"451 later")
        elif verb == b"DATA":
            say(b"354 go ahead")
            while f.readline().rstrip(b"\r\n") != b".":
                pass
            say(b"250 taken")
        elif verb == b"QUIT":
            say(b"221 bye")
            break
        else:
            say(b"250 ok")
    conn.close()


def dovecot(conn):
    f = conn.makefile("rwb")
    f.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n")
    f.flush()
    for line in f:
        words = line.rstrip(b"\n").split(b"\t")
        if words[0] != b"AUTH":
            continue
        response = next((w[5:] for w in words if w.startswith(b"resp=")), b"")
        right = base64.b64decode(response).split(b"\0")[1:] == [USER, PASSWORD]
        f.write((b"OK\t" + words[1] + b"\tuser=" + USER if right else b"FAIL\t" + words[1]) + b"\n")
        f.flush()


def main():
    kind, where = sys.argv[1:]
    if kind == "relay":
        server = socket.create_server(("127.0.0.1", int(where)), backlog=64)
        serve = relay
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(where)
        os.chmod(where, 0o666)
        server.listen(64)
        serve = dovecot
    while True:
        conn, _ = server.accept()
        threading.Thread(target=serve, args=(conn,), daemon=True).start()


main()
