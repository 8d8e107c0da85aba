<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: mail() in the primary script. X-Truth says who sends, and when: pid and CLOCK_MONOTONIC.
$t = $_GET['t'] ?? $argv[1] ?? 'none';
if ($t !== 'none') {
    $head = "X-Truth: $t; " . getmypid() . ' ' . hrtime(true);
    mail('x@elsewhere.test', "[$t] offer", "body of $t\n", $head); // sends
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
