<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: popen() of sendmail.
$t = $_GET['t'] ?? $argv[1] ?? 'none';
if ($t !== 'none') {
    $p = popen('/usr/sbin/sendmail -t -i', 'w'); // sends
    fwrite($p, "To: x@elsewhere.test\nSubject: [$t] offer\nX-Truth: $t; " . getmypid() . ' ' . hrtime(true) .
        "\n\nbody of $t\n");
    pclose($p);
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
