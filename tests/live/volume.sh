#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts what volume.py runs on: every SAPI, for all eight vhosts but the chroot, with both of PHP's
# own ways to log mail switched on. Runs inside a stage.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/hosting.sh
. /src/scripts/lib/hosting.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/servers.sh
. /src/scripts/lib/servers.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/mta.sh
. /src/scripts/lib/mta.sh
# shellcheck source-path=SCRIPTDIR source=servers_chroot.sh
. /src/tests/live/servers_chroot.sh

# Workers of every customer write it.
install -m 0666 /dev/null /var/log/php-mail.log
ini=(mail.add_x_header=On mail.log=/var/log/php-mail.log)

# One pool for all vhosts, as www-data.
start_shared_fpm() {
	local name=$1 port=$2 scan
	shift 2
	mkdir -p "/run/fpm/$name"
	cat >"$conf/fpm-$name.conf" <<-END
		[global]
		pid = /run/fpm/$name/pid
		error_log = $logs/fpm-$name.log
		[www]
		user = www-data
		group = www-data
		listen = /run/fpm/$name/www.sock
		listen.owner = www-data
		pm = static
		pm.max_children = 6
	END
	scan=$(ini_dir "$name" "$@")
	env -u STAGE_MTA PHP_INI_SCAN_DIR="$scan" "php-fpm$php_version" -y "$conf/fpm-$name.conf" \
		>"$logs/fpm-$name-start.log" 2>&1 ||
		server_died "php-fpm ($name) did not start" "$logs/fpm-$name-start.log" || return
	{
		httpd_conf "$name" "$port" mpm_event proxy proxy_fcgi
		vhosts "$port" shared_site
	} >"$conf/$name.conf"
	run_httpd "$name" "$port"
}
shared_site() {
	cat <<-END
		<FilesMatch "\.php$">
			SetHandler "proxy:unix:/run/fpm/$name/www.sock|fcgi://localhost"
		</FilesMatch>
	END
}

start_mta
start_modphp modphp 8081 "${ini[@]}"
start_fpm fpm "${ini[@]}"
start_proxy px 8082 fpm unix
start_proxy px-tcp 8083 fpm tcp
start_fcgid fcgid 8084 "${ini[@]}"
start_cgi cgi 8085 "${ini[@]}"
start_nginx nginx 8086 fpm
# Both sites have a /httpdocs/contact.php: without validate_root opcache would mix them up.
start_chroot fpm-chroot 8119 "${ini[@]}" opcache.validate_root=1
start_shared_fpm fpm-shared 8130 "${ini[@]}"
ini_dir cli "${ini[@]}" >/run/cli-ini
