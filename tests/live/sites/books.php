<?php
// SPDX-License-Identifier: GPL-2.0-only
// Sends one message for each "SENDER>RECIPIENT" it is given: as a request's "m", or as arguments.
foreach (isset($_GET['m']) ? [$_GET['m']] : array_slice($argv, 1) as $pair) {
    [$from, $to] = explode('>', $pair);
    mail($to, "books of $from", "body\n", "From: $from", "-f$from");
}
echo '{"hits": 0}';
