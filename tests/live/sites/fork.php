<?php
// SPDX-License-Identifier: GPL-2.0-only
// fork.php COUNT: so many children that send nothing. With pcntl, where it is there, else as programs.
$count = (int) ($_GET['n'] ?? $argv[1]);
for ($i = 0; $i < $count; $i++) {
    if (function_exists('pcntl_fork')) {
        $pid = pcntl_fork();
        if ($pid === 0) {
            posix_kill(posix_getpid(), SIGKILL);
        }
        pcntl_waitpid($pid, $status);
    } else {
        proc_close(proc_open(['/bin/true'], [], $pipes));
    }
}
echo function_exists('pcntl_fork') ? 'pcntl' : 'proc', " $i\n";
