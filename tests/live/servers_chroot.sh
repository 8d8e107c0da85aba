# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# shellcheck disable=SC2154  # conf, logs and php_version are those of servers.sh
#
# PHP-FPM in a chroot, behind nginx. Sourced inside a stage, after servers.sh.
#
#   start_chroot NAME PORT [INI=VALUE]...      pools of the sites 4 and 5, each in its subscription's
#                                              directory, which sees the server's MTA
jail() {
	local home=$VHOSTS/${DOMAINS[$1 - 1]} dir
	mkdir -p "$home"/{bin,usr/sbin,lib,lib64,tmp,dev,var,etc}
	chmod 1777 "$home/tmp"
	cp /bin/dash "$home/bin/sh"
	for dir in lib lib64 usr var etc; do
		[ ! -e "/$dir" ] || { mkdir -p "$home/$dir" && mount --rbind "/$dir" "$home/$dir"; }
	done
	mount --rbind /dev "$home/dev"
}

chroot_pools() {
	local n
	printf '[global]\npid = /run/fpm/%s/pid\nerror_log = %s\n' "$1" "$logs/$1.log"
	for n in 4 5; do
		cat <<-END
			[${DOMAINS[n - 1]}-chroot]
			user = site$n
			group = site$n
			listen = /run/fpm/$1/site$n.sock
			listen.owner = www-data
			chroot = $VHOSTS/${DOMAINS[n - 1]}
			chdir = /
			pm = ondemand
			pm.max_children = 2
		END
	done
}

chroot_nginx() {
	local n
	printf 'pid /run/nginx-%s.pid;\nuser www-data;\nerror_log %s;\n' "$1" "$logs/nginx-$1.log"
	printf 'events { worker_connections 64; }\nhttp {\naccess_log off;\n'
	for n in 4 5; do
		cat <<-END
			server {
				listen 127.0.0.1:$2;
				server_name ${DOMAINS[n - 1]};
				root $VHOSTS/${DOMAINS[n - 1]}/httpdocs;
				location ~ \.php$ {
					include /etc/nginx/fastcgi.conf;
					fastcgi_param SCRIPT_FILENAME /httpdocs\$fastcgi_script_name;
					fastcgi_param DOCUMENT_ROOT /httpdocs;
					fastcgi_pass unix:/run/fpm/$1/site$n.sock;
				}
			}
		END
	done
	echo '}'
}

start_chroot() {
	local name=$1 port=$2 scan
	shift 2
	mkdir -p "/run/fpm/$name"
	jail 4
	jail 5
	chroot_pools "$name" >"$conf/$name.conf"
	scan=$(ini_dir "$name" "$@")
	env -u STAGE_MTA PHP_INI_SCAN_DIR="$scan" "php-fpm$php_version" -y "$conf/$name.conf" \
		>"$logs/$name-start.log" 2>&1 || server_died "php-fpm ($name) did not start" "$logs/$name-start.log" ||
		return
	chroot_nginx "$name" "$port" >"$conf/nginx-$name.conf"
	nginx -c "$conf/nginx-$name.conf" >"$logs/nginx-$name-start.log" 2>&1 ||
		server_died "nginx ($name) did not start" "$logs/nginx-$name-start.log" || return
	wait_for_port "$port"
}
