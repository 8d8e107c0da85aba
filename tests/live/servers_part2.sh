#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts what the rows of cases_part2.py run on, besides servers.sh. Runs inside a stage.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/hosting.sh
. /src/scripts/lib/hosting.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/servers.sh
. /src/scripts/lib/servers.sh
# shellcheck source-path=SCRIPTDIR source=servers_chroot.sh
. /src/tests/live/servers_chroot.sh
here=/src/tests/live/sites/part2
ffi=ffi.enable=true

# Programs that stand in for, or start, sendmail.
printf '#!/bin/sh\nexec /usr/sbin/sendmail "$@"\n' >/usr/local/bin/mailwrap
printf '#!/bin/sh\nexec /var/qmail/bin/qmail-queue "$@"\n' >/usr/local/bin/queuewrap
# shellcheck disable=SC2016  # expanded by the script
printf '#!/bin/sh\n/usr/sbin/sendmail -t -i <"$1"\n' >/usr/local/bin/sendfile.sh
chmod 0755 /usr/local/bin/{mailwrap,queuewrap,sendfile.sh}
# a program of the system, neither script nor interpreter, that starts sendmail
cp /usr/bin/timeout /usr/local/bin/logwatch-like
install -d -m 1777 /var/cache/php-files /var/cache/fpm-files

# The last site's docroot is a link.
last=$VHOSTS/${DOMAINS[-1]}
mv "$last/httpdocs" "$last/httpdocs.real"
ln -s httpdocs.real "$last/httpdocs"

# Opcache states.
files=(opcache.file_cache=/var/cache/php-files opcache.file_cache_only=1)
start_modphp modphp-off 8110 opcache.enable=0 sendmail_path=/usr/local/bin/mailwrap\ -t\ -i "$ffi"
start_modphp modphp-fc 8111 "${files[@]}" "$ffi"
start_fpm fpm-off opcache.enable=0
start_fpm fpm-jit opcache.validate_timestamps=0 opcache.jit=1255 opcache.jit_buffer_size=32M "$ffi"
start_fpm fpm-preload opcache.preload=$here/preload.php opcache.preload_user=www-data
start_fpm fpm-fc "${files[@]/php-files/fpm-files}"
start_fpm fpm-reval opcache.revalidate_freq=0
start_proxy px-off 8112 fpm-off unix
start_proxy px-jit 8113 fpm-jit unix
start_proxy px-preload 8114 fpm-preload unix
start_proxy px-fc 8115 fpm-fc tcp
start_proxy px-reval 8116 fpm-reval unix
start_nginx nginx-jit 8117 fpm-jit

# One worker for everything, which also starts CGI programs itself (mod_cgi, no suexec).
one_site() {
	echo 'AddHandler cgi-script .pl .py .sh'
}
{
	httpd_conf modphp-one 8118 mpm_prefork "php$php_version" cgi
	cat <<-END
		StartServers 1
		MinSpareServers 1
		MaxSpareServers 1
		MaxRequestWorkers 1
		<FilesMatch "\.php$">
			SetHandler application/x-httpd-php
		</FilesMatch>
	END
	vhosts 8118 one_site
} >"$conf/modphp-one.conf"
run_httpd modphp-one 8118 "$(ini_dir modphp-one "$ffi")"

start_chroot fpm-chroot 8119

# The container: a root, mounts and pids of its own; its sites are the host's directories, elsewhere.
box=/srv/box
mkdir -p "$box"/{proc,dev,usr,etc,run,tmp,var/www/site,var/spool,var/qmail,var/lib,var/log} /run/fpm/box
chmod 1777 "$box/tmp"
for link in bin lib lib64 sbin; do ln -sfn "usr/$link" "$box/$link"; done
cat >"$conf/fpm-box.conf" <<-END
	[global]
	pid = /run/fpm/box/pid
	error_log = $logs/fpm-box.log
	[${DOMAINS[5]}-box]
	user = site6
	group = site6
	listen = /run/fpm/box/site6.sock
	listen.owner = www-data
	pm = static
	pm.max_children = 2
END
cat >/usr/local/bin/enter-box <<-END
	#!/bin/bash
	set -e
	mount --make-rprivate /
	mount --bind $box $box
	for dir in usr etc run dev var/spool var/qmail var/lib var/log; do
		[ ! -d "/\$dir" ] || mount --rbind "/\$dir" "$box/\$dir"
	done
	mount --bind "$VHOSTS/${DOMAINS[5]}/httpdocs" $box/var/www/site
	mount -t proc proc $box/proc
	cd $box
	mkdir -p .old
	pivot_root . .old
	umount -l /.old
	exec chroot . php-fpm$php_version -F -y $conf/fpm-box.conf
END
chmod 0755 /usr/local/bin/enter-box
env -u STAGE_MTA setsid unshare --mount --pid --fork --kill-child /usr/local/bin/enter-box \
	>"$logs/fpm-box-start.log" 2>&1 </dev/null &
wait_for_file /run/fpm/box/site6.sock || server_died "php-fpm (box) did not start" "$logs/fpm-box-start.log"
cat >"$conf/nginx-box.conf" <<-END
	pid /run/nginx-box.pid;
	user www-data;
	error_log $logs/nginx-box.log;
	events { worker_connections 64; }
	http {
		access_log off;
		server {
			listen 127.0.0.1:8120;
			server_name ${DOMAINS[5]};
			root $VHOSTS/${DOMAINS[5]}/httpdocs;
			location ~ \.php$ {
				include /etc/nginx/fastcgi.conf;
				fastcgi_param SCRIPT_FILENAME /var/www/site\$fastcgi_script_name;
				fastcgi_param DOCUMENT_ROOT /var/www/site;
				fastcgi_pass unix:/run/fpm/box/site6.sock;
			}
		}
	}
END
nginx -c "$conf/nginx-box.conf" || server_died "nginx (box) did not start"
wait_for_port 8120

# Engines that no layout is known for: the same builds, calling themselves PHP 9.9.
install -d /opt/unknown
strange() {
	sed 's,X-Powered-By: PHP/8\.[0-9],X-Powered-By: PHP/9.9,g' "$1" >"/opt/unknown/$2"
	chmod 0755 "/opt/unknown/$2"
}
strange "$(readlink -f /usr/bin/php)" php
cp -p /opt/unknown/php /usr/local/bin/php9.9 # where a tracer looks before anybody runs it
strange "$(readlink -f /usr/bin/php-cgi)" php-cgi
strange "/usr/sbin/php-fpm$php_version" php-fpm
strange "/usr/lib/apache2/modules/libphp$php_version.so" "libphp$php_version.so"
# ... and one that exports nothing by which its calls can be watched
sed 's,php_execute_script,php_execute_hidden,g' /opt/unknown/php-fpm >/opt/unknown/php-fpm-deaf
chmod 0755 /opt/unknown/php-fpm-deaf

# strange_fpm NAME PROGRAM PORT
strange_fpm() {
	local n
	mkdir -p "/run/fpm/$1"
	{
		printf '[global]\npid = /run/fpm/%s/pid\nerror_log = %s\n' "$1" "$logs/fpm-$1.log"
		for n in 1 2 3; do
			cat <<-END
				[${DOMAINS[n - 1]}-$1]
				user = site$n
				group = site$n
				listen = /run/fpm/$1/site$n.sock
				listen.owner = www-data
				pm = static
				pm.max_children = 1
			END
		done
	} >"$conf/fpm-$1.conf"
	env -u STAGE_MTA "$2" -y "$conf/fpm-$1.conf" >"$logs/fpm-$1-start.log" 2>&1 ||
		server_died "php-fpm ($1) did not start" "$logs/fpm-$1-start.log"
	start_proxy "px-$1" "$3" "$1" unix
}
strange_fpm strange /opt/unknown/php-fpm 8121
strange_fpm deaf /opt/unknown/php-fpm-deaf 8124
{
	httpd_conf modphp-strange 8122 mpm_prefork cgi
	cat <<-END
		LoadModule php_module /opt/unknown/libphp$php_version.so
		StartServers 1
		MinSpareServers 1
		MaxSpareServers 1
		MaxRequestWorkers 1
		<FilesMatch "\.php$">
			SetHandler application/x-httpd-php
		</FilesMatch>
	END
	vhosts 8122 one_site
} >"$conf/modphp-strange.conf"
run_httpd modphp-strange 8122 "$(ini_dir modphp-strange)"
for n in "${!DOMAINS[@]}"; do
	file=$VHOSTS/${DOMAINS[n]}/cgi-bin/strange
	printf '#!/bin/sh\nexec /opt/unknown/php-cgi\n' >"$file"
	chmod 0755 "$file"
	chown "site$((n + 1)):site$((n + 1))" "$file"
done
{
	httpd_conf cgi-strange 8123 mpm_event suexec cgid actions
	echo "ScriptSock /run/apache/cgi-strange.sock"
	name=strange
	vhosts 8123 cgi_site
} >"$conf/cgi-strange.conf"
run_httpd cgi-strange 8123
