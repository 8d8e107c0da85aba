<?php
// SPDX-License-Identifier: GPL-2.0-only
function send(int $n): void
{
    mail("r$n@elsewhere.test", "form $n", "body\n"); // line 5
}
