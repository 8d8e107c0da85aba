<?php
// SPDX-License-Identifier: GPL-2.0-only
// Standard input is the message; nothing is forked.
pcntl_exec('/usr/sbin/sendmail', ['-t', '-i']); // line 4
