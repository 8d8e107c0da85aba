#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Sends one message: as CGI (?t=TOKEN) or with the token as the argument.
t=$(printf %s "${QUERY_STRING#t=}" | sed 's/%23/#/')
[ -n "$t" ] || t=$1
/usr/sbin/sendmail -t -i <<END
To: x@elsewhere.test
Subject: [$t] offer
X-Truth: $t;

body
END
printf 'Content-Type: application/json\n\n{"hits": -1}\n'
