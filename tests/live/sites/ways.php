<?php
// SPDX-License-Identifier: GPL-2.0-only
// Every way to send, one a line: the case table names a way, the checker looks its line up by the
// comment "way:NAME" that ends it. The token that a message carries is its truth.
$t = $_GET['t'] ?? $argv[2] ?? 'none';
$way = $_GET['way'] ?? $argv[1] ?? 'none';
$rcpt = 'x@elsewhere.test';
$head = "X-Truth: $t;";
$text = "To: $rcpt\nSubject: [$t] offer\n$head\n\nbody of $t\n";
$sendmail = '/usr/sbin/sendmail';
$status = function_exists('opcache_get_status') ? @opcache_get_status() : false;
$hits = $status['scripts'][__FILE__]['hits'] ?? -1;
$pipes = [['pipe', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']];

function feed($process, $pipe, $text)
{
    fwrite($pipe, $text);
    fclose($pipe);
    return proc_close($process);
}

switch ($way) {
    case 'mail':
        mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:mail
        break;
    case 'function':
        (function () use ($rcpt, $t, $head) {
            mail($rcpt, "[$t] offer", "body of $t\n", $head); // way:function
        })();
        break;
    case 'popen':
        $p = popen("$sendmail -t -i", 'w'); // way:popen
        fwrite($p, $text);
        pclose($p);
        break;
    case 'proc-string':
        $p = proc_open("$sendmail -t -i", $pipes, $io); // way:proc-string
        feed($p, $io[0], $text);
        break;
    case 'proc-array':
        $p = proc_open([$sendmail, '-t', '-i'], $pipes, $io); // way:proc-array
        feed($p, $io[0], $text);
        break;
    case 'exec':
        exec('printf %s ' . escapeshellarg($text) . " | $sendmail -t -i"); // way:exec
        break;
    case 'shell_exec':
        shell_exec('printf %s ' . escapeshellarg($text) . " | $sendmail -t -i"); // way:shell_exec
        break;
    case 'background':
        $file = tempnam('/tmp', 'bg');
        file_put_contents($file, $text);
        exec("(sleep 0.1; $sendmail -t -i <$file; rm -f $file) >/dev/null 2>&1 &"); // way:background
        break;
    case 'setsid':
        $file = tempnam('/tmp', 'bg');
        file_put_contents($file, $text);
        exec("setsid nohup sh -c '$sendmail -t -i <$file; rm -f $file' >/dev/null 2>&1 &"); // way:setsid
        break;
    case 'list':
        exec("$sendmail -bp"); // way:list
        break;
    case 'refused':
        // no recipient; qmail takes that, and refuses nothing but an unknown option, before it reads
        $bad = is_dir('/var/qmail/queue') ? '-Z' : '-i';
        $p = popen("$sendmail $bad -f $t@truth.test 2>/dev/null", 'w'); // way:refused
        @fwrite($p, str_replace("To: $rcpt\n", '', $text));
        pclose($p);
        break;
    case 'killed':
        $p = proc_open([$sendmail, '-t', '-i', '-f', "$t@truth.test"], $pipes, $io); // way:killed
        fwrite($io[0], "To: $rcpt\nSubject: [$t]");
        fflush($io[0]);
        // Killed in mid-message, but not before it is the injector: until its exec it has our name.
        $comm = '/proc/' . proc_get_status($p)['pid'] . '/comm';
        for ($i = 0; $i < 5000 && @file_get_contents($comm) === file_get_contents('/proc/self/comm'); $i++) {
            usleep(1000);
        }
        proc_terminate($p, 9);
        proc_close($p);
        break;
}
if (PHP_SAPI !== 'cli') {
    header('Content-Type: application/json');
    echo json_encode(['way' => $way, 'hits' => $hits, 'sapi' => PHP_SAPI, 'pid' => getmypid()]);
}
