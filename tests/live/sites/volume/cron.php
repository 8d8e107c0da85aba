<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: a session of its own that outlives the request.
$t = $_GET['t'] ?? $argv[1] ?? 'none';
if ($t !== 'none') {
    $file = tempnam('/tmp', 'cron');
    file_put_contents($file, "To: x@elsewhere.test\nSubject: [$t] offer\nX-Truth: $t; " . getmypid() . ' ' .
        hrtime(true) . "\n\nbody of $t\n");
    exec("setsid nohup sh -c '/usr/sbin/sendmail -t -i <$file; rm -f $file' >/dev/null 2>&1 &"); // sends
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
