<?php
// SPDX-License-Identifier: GPL-2.0-only
// opcache.preload of the server fpm-preload.
function preloaded_send($to, $subject, $body, $head)
{
    mail($to, $subject, $body, $head); // way:preloaded
}
