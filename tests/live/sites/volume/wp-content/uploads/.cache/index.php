<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: what a spammer dropped; one of three index.php of its site.
$t = $_GET['t'] ?? $argv[1] ?? 'none';
if ($t !== 'none') {
    $head = "X-Truth: $t; " . getmypid() . ' ' . hrtime(true);
    mail('x@elsewhere.test', "[$t] offer", "body of $t\n", $head); // sends
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
