# SPDX-License-Identifier: GPL-2.0-only
# A thread that is not the first one executes sendmail: the process keeps its id, the thread does not.
import os
import sys
import threading
import time

os.dup2(os.open(sys.argv[1], os.O_RDONLY), 0)
threading.Thread(target=os.execv, args=("/usr/sbin/sendmail", ["sendmail", "-t", "-i"])).start()
time.sleep(60)
