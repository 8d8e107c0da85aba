<?php
// SPDX-License-Identifier: GPL-2.0-only
// Volume run: proc_open() of sendmail, with a header that blames the contact form of another customer.
$t = $_GET['t'] ?? $argv[1] ?? 'none';
if ($t !== 'none') {
    $io = [];
    $p = proc_open(['/usr/sbin/sendmail', '-t', '-i'], [['pipe', 'r']], $io); // sends
    $other = 10001 + crc32($t) % 8;
    $other += $other === fileowner(__FILE__) ? ($other === 10008 ? -1 : 1) : 0;
    fwrite($io[0], "X-PHP-Originating-Script: $other:contact.php\nTo: x@elsewhere.test\nSubject: [$t] offer\n" .
        "X-Truth: $t; " . getmypid() . ' ' . hrtime(true) . "\n\nbody of $t\n");
    fclose($io[0]);
    proc_close($p);
}
if ($t === 'none' && function_exists('opcache_get_status')) {
    $hits = opcache_get_status()['scripts'][__FILE__]['hits'] ?? -1;
}
echo json_encode(['hits' => $hits ?? -1]);
