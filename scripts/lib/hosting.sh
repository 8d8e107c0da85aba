# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The layout of a hosting server as Plesk makes it: subscription N is the system user siteN with
# uid 10000+N and its site in /var/www/vhosts/DOMAIN/httpdocs. Sourced inside a stage.

DOMAINS=(blog.test shop.test club.test news.test clinic.test forum.test hotel.test garage.test)
VHOSTS=/var/www/vhosts

# docroot N
docroot() {
	printf '%s\n' "$VHOSTS/${DOMAINS[$1 - 1]}/httpdocs"
}

make_hosting() {
	local n domain names='' user
	[ ! -d "$VHOSTS" ] || return 0
	mkdir -p "$VHOSTS"
	for n in "${!DOMAINS[@]}"; do
		domain=${DOMAINS[n]}
		user=site$((n + 1))
		names="$names $domain www.$domain"
		echo "$user:x:$((10001 + n)):$((10001 + n)):$domain:$VHOSTS/$domain:/bin/bash" >>/etc/passwd
		echo "$user:!:20000:0:99999:7:::" >>/etc/shadow
		echo "$user:x:$((10001 + n)):www-data" >>/etc/group
		mkdir -p "$VHOSTS/$domain"/{httpdocs,cgi-bin,logs}
		chmod 0755 "$VHOSTS/$domain"
		chown -R "$user:$user" "$VHOSTS/$domain"
	done
	printf '127.0.0.1 localhost\n127.0.0.1 stage.example.test stage%s\n::1 localhost\n' "$names" \
		>/etc/hosts
	echo stage.example.test >/etc/mailname
}
