<?php
// SPDX-License-Identifier: GPL-2.0-only
function deliver($to, $subject, $body, $t)
{
    $head = "X-Truth: $t; " . getmypid() . ' ' . hrtime(true);
    mail($to, $subject, $body, $head); // sends
}
