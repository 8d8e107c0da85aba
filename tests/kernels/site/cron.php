<?php
// SPDX-License-Identifier: GPL-2.0-only
for ($n = 1; $n <= 8; $n++) {
    $file = tempnam('/tmp', 'cron');
    file_put_contents($file, "To: r@elsewhere.test\nSubject: cron $n\n\nbody\n");
    exec("(nohup setsid /usr/sbin/sendmail -t -i <$file; rm -f $file) >/dev/null 2>&1 &"); // line 6
}
