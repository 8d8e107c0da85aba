#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts what small.py runs on: an MTA whose queue is not followed, a relay on port 25 that takes
# its mail (qmail's stand-in, if the first argument says so), mod_php and PHP-FPM behind Apache.
# Runs inside a stage.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/hosting.sh
. /src/scripts/lib/hosting.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/servers.sh
. /src/scripts/lib/servers.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/mta.sh
. /src/scripts/lib/mta.sh

start_syslog
if [ "${1:-}" = qmail ]; then
	# its installation takes the name sendmail
	link=$(readlink /usr/sbin/sendmail)
	start_qmail
	ln -sf "$link" /usr/sbin/sendmail
else
	python3 /src/tests/live/smtp_peers.py relay 25 >>"$logs/smtp-peers.log" 2>&1 </dev/null &
	wait_for_port 25
fi
case $STAGE_MTA in
msmtp)
	printf '%s\n' 'account default' 'host 127.0.0.1' 'port 25' 'tls off' 'auto_from on' \
		'maildomain stage.example.test' >/etc/msmtprc
	;;
ssmtp)
	printf '%s\n' 'mailhub=127.0.0.1:25' 'hostname=stage.example.test' 'FromLineOverride=YES' \
		>/etc/ssmtp/ssmtp.conf
	;;
dma)
	printf '%s\n' 'SMARTHOST 127.0.0.1' 'PORT 25' 'MAILNAME stage.example.test' >/etc/dma/dma.conf
	;;
opensmtpd)
	cat >/etc/smtpd.conf <<-'END'
		listen on socket
		action "relay" relay host "smtp://127.0.0.1:25"
		match from any for any action "relay"
	END
	smtpd >"$logs/opensmtpd.log" 2>&1 || server_died "smtpd did not start" "$logs/opensmtpd.log"
	wait_for_file /var/run/smtpd.sock
	;;
esac
echo "$mail_log" >/run/mail-log
start_modphp modphp 8081
start_fpm fpm
start_proxy px 8082 fpm unix
