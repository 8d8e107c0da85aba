<?php
// SPDX-License-Identifier: GPL-2.0-only
// send.php PREFIX COUNT [RECIPIENT]: COUNT messages PREFIX#00000 ... by mail(); as a web page, ?p= and n=.
// Prints the longest that one took, in milliseconds.
$prefix = $_GET['p'] ?? $argv[1];
$count = (int) ($_GET['n'] ?? $argv[2]);
$to = $argv[3] ?? 'x@elsewhere.test';
$longest = 0;
header('X-PHP: ' . PHP_VERSION_ID);
for ($i = 0; $i < $count && !file_exists('/tmp/enough'); $i++) {
    $t = sprintf('%s#%05d', $prefix, $i);
    $start = hrtime(true);
    mail($to, "[$t] offer", "hello\n", "X-Truth: $t;"); // here
    $longest = max($longest, hrtime(true) - $start);
}
echo "$i ", (int) ($longest / 1e6), "\n";
