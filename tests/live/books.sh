#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts what books.py and queue_faults.py run on: the MTA with authenticated SMTP where it can be
# had, PHP-FPM behind Apache. Runs inside a stage.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/hosting.sh
. /src/scripts/lib/hosting.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/servers.sh
. /src/scripts/lib/servers.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/mta.sh
. /src/scripts/lib/mta.sh

peer() {
	python3 /src/tests/live/smtp_peers.py "$@" >>"$logs/smtp-peers.log" 2>&1 </dev/null &
}

auth_offered() {
	python3 -c 'import smtplib; s = smtplib.SMTP("127.0.0.1", 25); s.ehlo(); raise SystemExit(not s.has_extn("auth"))'
}

case $STAGE_MTA in
sendmail)
	# senders are looked up
	echo '127.0.0.1 truth.test elsewhere.test' >>/etc/hosts
	;;
nullmailer)
	peer relay 2
	wait_for_port 2
	;;
esac
start_mta
case $STAGE_MTA in
postfix)
	peer dovecot /var/spool/postfix/private/auth
	wait_for_file /var/spool/postfix/private/auth
	postconf -e smtpd_sasl_auth_enable=yes smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth \
		smtpd_sasl_security_options=noanonymous
	postfix reload >>"$logs/postfix-start.log" 2>&1
	wait_until "SMTP AUTH" auth_offered
	;;
sendmail)
	# an unknown user is refused at RCPT; this one is found out at delivery
	echo 'nobody-here: nobody-there' >>/etc/aliases
	newaliases >/dev/null 2>&1
	;;
qmail)
	# one client relays without a login; books.py changes the list
	printf '%s\n' '127.0.0.9:allow,RELAYCLIENT=""' ':allow' >/etc/tcp.smtp
	;;
esac
start_fpm fpm
start_proxy px 8082 fpm unix
