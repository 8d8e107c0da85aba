<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: a library that sends in the background, when the worker serves somebody else.
$t = $_GET['t'] ?? $argv[1] ?? 'none';
require __DIR__ . '/../lib/batch.php';
if ($t !== 'none') {
    later("To: x@elsewhere.test\nSubject: [$t] offer\nX-Truth: $t; " . getmypid() . ' ' . hrtime(true) .
        "\n\nbody of $t\n");
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
