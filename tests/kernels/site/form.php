<?php
// SPDX-License-Identifier: GPL-2.0-only
require __DIR__ . '/lib/send.php';
send((int) $_GET['n']);
echo "ok\n";
