#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# Sends one message: as CGI (?t=TOKEN) or with the token as the argument.
import os
import subprocess
import sys

t = os.environ.get("QUERY_STRING", "").partition("t=")[2].replace("%23", "#") or sys.argv[1]
subprocess.run(["/usr/sbin/sendmail", "-t", "-i"], check=True,
               input=f"To: x@elsewhere.test\nSubject: [{t}] offer\nX-Truth: {t};\n\nbody\n".encode())
print("Content-Type: application/json\n\n{\"hits\": -1}")
