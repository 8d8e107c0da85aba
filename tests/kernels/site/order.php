<?php
// SPDX-License-Identifier: GPL-2.0-only
$n = (int) $_GET['n'];
$p = popen('/usr/sbin/sendmail -t -i', 'w'); // line 4
fwrite($p, "To: r@elsewhere.test\nSubject: order $n\n\nbody\n");
pclose($p);
echo "ok\n";
