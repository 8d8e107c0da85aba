#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts what is measured, inside a stage. Opcache warm and never checked again, as in production.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/hosting.sh
. /src/scripts/lib/hosting.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/servers.sh
. /src/scripts/lib/servers.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/mta.sh
. /src/scripts/lib/mta.sh

# On tmpfs, unless ${SPOOL} names a directory on a disk: a disk's fsync hides what is to be measured, and differs from one run to the
# next.
mount -t tmpfs -o mode=0755,nr_inodes=4m bench /run/bench
if [ "$STAGE_MTA" = qmail ]; then
	mount -t tmpfs -o mode=0755,nr_inodes=4m bench /var/qmail
else
	spool=${SPOOL:-/run/bench/spool}
	mkdir -p "$spool"
	cp -a /var/spool/postfix/. "$spool"
	mount --bind "$spool" /var/spool/postfix
fi
if [ "$STAGE_MTA" = qmail ]; then
	# Its users, directories and injectors, without the daemons: the storm's own sweeper plays them.
	/opt/standin/qmail/qmail-start --install /opt/standin/qmail
	echo stage.example.test >/var/qmail/control/me
else
	start_mta
fi
if [ "$STAGE_MTA" = postfix ]; then
	# Remote mail is thrown away at once: a message's whole life, and the queue does not grow.
	postconf -e default_transport=discard:none defer_transports=
	postfix reload >/dev/null 2>&1
fi

# The null injector, where an injector may be: tracers look for it by its path.
rm -f /usr/lib/sendmail
cp /opt/bench/sendmail /usr/lib/sendmail

# The old procedure: a script in place of sendmail that notes where it was called.
mkdir -p /opt/wrap
for name in null mta; do
	real=/usr/lib/sendmail
	[ "$name" = null ] || real=/usr/sbin/sendmail
	cat >"/opt/wrap/$name" <<-END
		#!/bin/sh
		echo "\$(date +%s) \$\$ \$PWD \$(id -u)" >>/run/bench/wrapper.log
		exec $real "\$@"
	END
done
chmod 0755 /opt/wrap/*
: >/run/bench/wrapper.log
chmod 0666 /run/bench/wrapper.log

export WORKERS=4
port=8081
for name in mta null wrap-null wrap-mta null-off; do
	case $name in
	mta) path=/usr/sbin/sendmail ;;
	null | null-off) path=/usr/lib/sendmail ;;
	*) path=/opt/wrap/${name#wrap-} ;;
	esac
	ini=(opcache.validate_timestamps=0 "sendmail_path=$path -t -i")
	[ "$name" != null-off ] || ini+=(opcache.enable=0)
	start_modphp "modphp-$name" "$port" "${ini[@]}"
	start_fpm "fpm-$name" "${ini[@]}"
	start_proxy "px-$name" $((port + 10)) "fpm-$name" unix
	port=$((port + 1))
done
