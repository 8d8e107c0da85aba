# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Web servers and MTAs of a stage, started directly (no systemd), each with its own configuration
# in /etc/stage and its own log in /var/log/stage. Sourced inside a stage, after hosting.sh.
#
#   start_modphp NAME PORT [INI=VALUE]...      prefork Apache with mod_php
#   start_fpm NAME [INI=VALUE]...              a pool per site, each by unix socket and by TCP
#   start_proxy NAME PORT FPM unix|tcp         event Apache in front of start_fpm's pools
#   start_fcgid NAME PORT [INI=VALUE]...       event Apache, mod_fcgid, suexec
#   start_cgi NAME PORT [INI=VALUE]...         event Apache, CGI, suexec
#   start_nginx NAME PORT FPM                  nginx in front of start_fpm's pools
#   start_mta                                  the MTA of this stage ($STAGE_MTA)
#
# Every one returns when the server answers, never after a guess of a time.

: "${STAGE_MTA:=none}"
php_version=$(cd /etc/php && echo [0-9]*)
conf=/etc/stage
logs=/var/log/stage
mkdir -p "$conf" "$logs" /run/fpm /run/apache

server_died() {
	echo "stage: $1" >&2
	[ ! -f "${2:-}" ] || tail -n 20 "$2" >&2
	return 1
}

# wait_until WHAT COMMAND...: polls until it succeeds; a minute is the sign of a hang, not a wait.
# HANG_SECONDS is another one, for an emulated machine.
wait_until() {
	local what=$1 deadline=$((SECONDS + ${HANG_SECONDS:-60}))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || {
			server_died "$what did not happen within ${HANG_SECONDS:-60} seconds"
			return 1
		}
		sleep 0.02
	done
}

port_open() {
	(: </dev/tcp/127.0.0.1/"$1")
}

wait_for_port() {
	wait_until "a server on port $1" port_open "$1"
}

wait_for_file() {
	wait_until "the file $1" test -e "$1"
}

# wait_for_line FILE PATTERN
wait_for_line() {
	wait_until "the line '$2' in $1" grep -qE -- "$2" "$1"
}

# ini_dir NAME INI=VALUE...: a directory for PHP_INI_SCAN_DIR, after the distribution's own.
ini_dir() {
	local dir=$conf/$1.ini.d
	shift
	mkdir -p "$dir"
	printf '%s\n' 'display_errors = On' "$@" >"$dir/zz-stage.ini"
	printf ':%s\n' "$dir"
}

# load MODULE...: LoadModule lines, as Debian has them.
load() {
	local m
	for m in "$@"; do
		cat "/etc/apache2/mods-available/$m.load"
	done
}

# httpd_conf NAME PORT MODULES...: what every Apache here has in common.
httpd_conf() {
	local name=$1 port=$2
	shift 2
	cat <<-END
		ServerRoot /etc/apache2
		DefaultRuntimeDir /run/apache
		PidFile /run/apache/$name.pid
		Mutex file:/run/apache default
		ServerName stage.example.test
		Listen 127.0.0.1:$port
		User www-data
		Group www-data
		ErrorLog $logs/$name-error.log
		LogFormat "%h %l %u %t \"%r\" %>s %O" common
		CustomLog $logs/$name-access.log common
		$(load authz_core dir alias mime rewrite env "$@")
		TypesConfig /etc/mime.types
		DirectoryIndex index.php index.html
		<Directory />
			Require all denied
		</Directory>
		<Directory $VHOSTS>
			Options +FollowSymLinks +ExecCGI
			AllowOverride All
			Require all granted
		</Directory>
	END
}

# vhosts PORT FUNCTION: a virtual host per site, FUNCTION N adds its own lines.
vhosts() {
	local n domain
	for n in "${!DOMAINS[@]}"; do
		domain=${DOMAINS[n]}
		cat <<-END
			<VirtualHost 127.0.0.1:$1>
				ServerName $domain
				ServerAlias www.$domain
				DocumentRoot $VHOSTS/$domain/httpdocs
				ScriptAlias /cgi-bin/ $VHOSTS/$domain/cgi-bin/
				$("$2" $((n + 1)))
			</VirtualHost>
		END
	done
}

run_httpd() {
	local name=$1 port=$2 scan=${3:-}
	touch /etc/mime.types
	env -u STAGE_MTA ${scan:+PHP_INI_SCAN_DIR="$scan"} apache2 -f "$conf/$name.conf" -k start \
		>"$logs/$name-start.log" 2>&1 || server_died "apache ($name) did not start" "$logs/$name-start.log" ||
		return
	wait_for_port "$port" || server_died "apache ($name) does not answer" "$logs/$name-error.log"
}

modphp_site() {
	:
}

start_modphp() {
	local name=$1 port=$2
	shift 2
	{
		httpd_conf "$name" "$port" mpm_prefork "php$php_version"
		cat <<-END
			StartServers ${WORKERS:-8}
			MinSpareServers ${WORKERS:-8}
			MaxSpareServers 16
			MaxRequestWorkers 16
			<FilesMatch "\.php$">
				SetHandler application/x-httpd-php
			</FilesMatch>
		END
		vhosts "$port" modphp_site
	} >"$conf/$name.conf"
	run_httpd "$name" "$port" "$(ini_dir "$name" "$@")"
}

# TCP ports of the pools: 9000, 9100 ... for each start_fpm, plus the site's number.
start_fpm() {
	local name=$1 n user base=9000 scan
	shift
	while [ -e "/run/fpm/$base" ]; do base=$((base + 100)); done
	: >"/run/fpm/$base"
	mkdir -p "/run/fpm/$name"
	echo "$base" >"/run/fpm/$name/base"
	{
		cat <<-END
			[global]
			pid = /run/fpm/$name/pid
			error_log = $logs/$name.log
		END
		for n in "${!DOMAINS[@]}"; do
			user=site$((n + 1))
			for how in unix tcp; do
				echo "[${DOMAINS[n]}-$how]"
				echo "user = $user"
				echo "group = $user"
				if [ "$how" = unix ]; then
					printf 'listen = /run/fpm/%s/%s.sock\n' "$name" "$user"
					printf 'listen.owner = www-data\nlisten.mode = 0660\n'
				else
					printf 'listen = 127.0.0.1:%d\n' $((base + n + 1))
				fi
				cat <<-END
					pm = ondemand
					pm.max_children = 4
					pm.process_idle_timeout = 120s
					catch_workers_output = yes
				END
			done
		done
	} >"$conf/$name.conf"
	scan=$(ini_dir "$name" "$@")
	env -u STAGE_MTA PHP_INI_SCAN_DIR="$scan" "php-fpm$php_version" -y "$conf/$name.conf" \
		>"$logs/$name-start.log" 2>&1 || server_died "php-fpm ($name) did not start" "$logs/$name-start.log" ||
		return
	wait_for_file "/run/fpm/$name/site1.sock"
}

proxy_unix_site() {
	cat <<-END
		<FilesMatch "\.php$">
			SetHandler "proxy:unix:/run/fpm/$fpm/site$1.sock|fcgi://localhost"
		</FilesMatch>
	END
}

proxy_tcp_site() {
	cat <<-END
		<FilesMatch "\.php$">
			SetHandler "proxy:fcgi://127.0.0.1:$(($(cat "/run/fpm/$fpm/base") + $1))"
		</FilesMatch>
	END
}

start_proxy() {
	local name=$1 port=$2 fpm=$3 how=$4
	{
		httpd_conf "$name" "$port" mpm_event proxy proxy_fcgi
		vhosts "$port" "proxy_${how}_site"
	} >"$conf/$name.conf"
	run_httpd "$name" "$port"
}

# suexec runs only what lies below /var/www and belongs to the user it becomes.
cgi_wrapper() {
	local n file name=$1 scan=$2
	for n in "${!DOMAINS[@]}"; do
		file=$VHOSTS/${DOMAINS[n]}/cgi-bin/$name
		cat >"$file" <<-END
			#!/bin/sh
			export PHP_INI_SCAN_DIR=$scan PHP_FCGI_MAX_REQUESTS=1000
			exec /usr/bin/php-cgi$php_version
		END
		chmod 0755 "$file"
		chown "site$((n + 1)):site$((n + 1))" "$file"
	done
	mkdir -p /var/log/apache2
}

fcgid_site() {
	cat <<-END
		SuexecUserGroup site$1 site$1
		<FilesMatch "\.php$">
			SetHandler fcgid-script
			FcgidWrapper $VHOSTS/${DOMAINS[$1 - 1]}/cgi-bin/$name .php
		</FilesMatch>
	END
}

start_fcgid() {
	local name=$1 port=$2
	shift 2
	cgi_wrapper "$name" "$(ini_dir "$name" "$@")"
	{
		httpd_conf "$name" "$port" mpm_event suexec fcgid
		cat <<-END
			FcgidIPCDir /run/apache/$name-ipc
			FcgidProcessTableFile /run/apache/$name-shm
			FcgidMaxProcessesPerClass 4
		END
		vhosts "$port" fcgid_site
	} >"$conf/$name.conf"
	mkdir -p "/run/apache/$name-ipc"
	chown www-data: "/run/apache/$name-ipc"
	run_httpd "$name" "$port"
}

cgi_site() {
	cat <<-END
		SuexecUserGroup site$1 site$1
		<FilesMatch "\.php$">
			SetHandler php-cgi
		</FilesMatch>
		Action php-cgi /cgi-bin/$name
	END
}

start_cgi() {
	local name=$1 port=$2
	shift 2
	cgi_wrapper "$name" "$(ini_dir "$name" "$@")"
	{
		httpd_conf "$name" "$port" mpm_event suexec cgid actions
		echo "ScriptSock /run/apache/$name.sock"
		vhosts "$port" cgi_site
	} >"$conf/$name.conf"
	run_httpd "$name" "$port"
}

start_nginx() {
	local name=$1 port=$2 fpm=$3 n
	{
		cat <<-END
			pid /run/$name.pid;
			user www-data;
			worker_processes 2;
			error_log $logs/$name-error.log;
			events { worker_connections 256; }
			http {
				access_log $logs/$name-access.log;
				index index.php index.html;
				server_names_hash_bucket_size 64;
		END
		for n in "${!DOMAINS[@]}"; do
			cat <<-END
				server {
					listen 127.0.0.1:$port;
					server_name ${DOMAINS[n]} www.${DOMAINS[n]};
					root $VHOSTS/${DOMAINS[n]}/httpdocs;
					location ~ \.php$ {
						include /etc/nginx/fastcgi.conf;
						fastcgi_pass unix:/run/fpm/$fpm/site$((n + 1)).sock;
					}
				}
			END
		done
		echo '}'
	} >"$conf/$name.conf"
	nginx -c "$conf/$name.conf" >"$logs/$name-start.log" 2>&1 ||
		server_died "nginx ($name) did not start" "$logs/$name-start.log" || return
	wait_for_port "$port"
}
