<?php
// SPDX-License-Identifier: GPL-2.0-only
// slow.php TOKEN: a message whose injector waits for its text until /tmp/go is there.
$p = popen('/usr/sbin/sendmail -t -i', 'w'); // here
fwrite($p, "To: x@elsewhere.test\nSubject: [{$argv[1]}] offer\nX-Truth: {$argv[1]};\n");
fflush($p);
touch("/tmp/waiting-{$argv[1]}");
while (!file_exists('/tmp/go')) {
    usleep(10000);
    clearstatcache();
}
fwrite($p, "\nhello\n");
pclose($p);
