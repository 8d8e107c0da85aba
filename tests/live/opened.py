#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""opened.py DIR FILE: writes "nanoseconds pid path" to FILE for every PHP file below the mount DIR that
a process opens, until it is killed. It is what opensnoop, strace or lsof could see at best, without
their losses: fanotify asks for permission, so the line is there before the open returns.
The clock is CLOCK_MONOTONIC, as PHP's hrtime()."""
import ctypes
import os
import struct
import sys
import time

# <linux/fanotify.h>
CLASS_CONTENT, CLOEXEC, UNLIMITED_QUEUE = 4, 1, 0x10
MARK_ADD, MARK_MOUNT, OPEN_PERM, ALLOW = 1, 0x10, 0x10000, 1
AT_FDCWD = -100
EVENT = struct.Struct("=IBBHQii")  # event_len, vers, reserved, metadata_len, mask, fd, pid
ANSWER = struct.Struct("=iI")


def main(directory, output):
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(CLASS_CONTENT | CLOEXEC | UNLIMITED_QUEUE, os.O_RDONLY | os.O_CLOEXEC)
    if group < 0 or libc.fanotify_mark(group, MARK_ADD | MARK_MOUNT, ctypes.c_uint64(OPEN_PERM), AT_FDCWD,
                                       directory.encode()) < 0:
        sys.exit(f"opened: fanotify: {os.strerror(ctypes.get_errno())}")
    with open(output, "w", encoding="utf-8", errors="replace") as out:
        out.write("ready\n")
        out.flush()
        while True:
            events, at, lines = os.read(group, 65536), 0, []
            while at < len(events):
                length, _, _, _, _, fd, pid = EVENT.unpack_from(events, at)
                at += length
                path = os.readlink(f"/proc/self/fd/{fd}")
                if path.endswith(".php"):
                    lines.append(f"{time.monotonic_ns()} {pid} {path}\n")
                os.write(group, ANSWER.pack(fd, ALLOW))
                os.close(fd)
            out.writelines(lines)
            out.flush()


main(*sys.argv[1:])
