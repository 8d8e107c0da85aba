<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: the site's front controller, whose library calls mail().
$t = $_GET['t'] ?? $argv[1] ?? 'none';
require __DIR__ . '/lib/mailer.php';
if ($t !== 'none') {
    deliver('x@elsewhere.test', "[$t] offer", "body of $t\n", $t);
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
