<?php
// SPDX-License-Identifier: GPL-2.0-only
// A site whose PHP runs in a container: the driver names a way, its line ends with "way:NAME".
$t = $_GET['t'] ?? $argv[2] ?? 'none';
$way = $_GET['way'] ?? $argv[1] ?? 'none';
$mta = $_GET['mta'] ?? $argv[3] ?? '127.0.0.1';
$rcpt = 'x@elsewhere.test';
$head = "X-Truth: $t;";
$text = "To: $rcpt\nSubject: [$t] offer\n$head\n\nbody of $t\n";
switch ($way) {
    case 'mail':
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:mail
        break;
    case 'popen':
        $p = popen('/usr/sbin/sendmail -t -i', 'w'); // way:popen
        fwrite($p, $text);
        pclose($p);
        break;
    case 'background':
        $file = tempnam('/tmp', 'bg');
        file_put_contents($file, $text);
        exec("(sleep 0.1; /usr/sbin/sendmail -t -i <$file; rm -f $file) >/dev/null 2>&1 &"); // way:background
        break;
    case 'smtp':
        $s = fsockopen($mta, 25); // way:smtp
        foreach (["EHLO box", "MAIL FROM:<me@truth.test>", "RCPT TO:<$rcpt>", 'DATA',
            str_replace("\n", "\r\n", $text) . '.', 'QUIT'] as $line) {
            while (substr($answer = fgets($s), 3, 1) === '-') {
            }
            fwrite($s, "$line\r\n");
        }
        fclose($s);
        break;
}
echo json_encode(['pid' => getmypid(), 'uid' => posix_getuid()]);
