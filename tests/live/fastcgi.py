#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""One FastCGI request, as anybody can make it who reaches the server: fastcgi.py PORT NAME=VALUE...
The answer goes to standard output. (FastCGI Specification 1.0; a web server sends the same.)"""
import socket
import struct
import sys

BEGIN, PARAMS, STDIN = 1, 4, 5


def record(kind, content):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(text):
    name, value = (s.encode() for s in text.split("=", 1))
    return b"".join(struct.pack(">I", len(s) | 1 << 31) for s in (name, value)) + name + value


def main():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        params = b"".join(pair(a) for a in sys.argv[2:])
        s.sendall(record(BEGIN, struct.pack(">HB5x", 1, 0)) + record(PARAMS, params) + record(PARAMS, b"") + record(STDIN, b""))
        while piece := s.recv(65536):
            sys.stdout.buffer.write(piece)


main()
