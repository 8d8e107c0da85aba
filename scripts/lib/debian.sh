# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Where Debian comes from on this machine. apt itself reads its configuration (one-line lists and
# deb822 sources alike); nothing here parses those files.

DEBIAN_DEFAULT=http://deb.debian.org/debian
SECURITY_DEFAULT=http://deb.debian.org/debian-security

# host_archives: "URI SUITE" of every Debian archive that the host's apt knows.
host_archives() {
	# shellcheck disable=SC2016  # the dollars are apt's
	apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$4 == "main" && ($1 == "Debian" || $2 ~ /\/debian(-security)?\/?$/) {
			sub(/\/$/, "", $2); print $2, $3 }' | sort -u
}

host_codename() {
	# shellcheck disable=SC1091
	(. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-bookworm}")
}

# usable URI: debootstrap fetches with wget, so only these will do.
usable() {
	case $1 in http://* | https://* | file:/*) true ;; *) false ;; esac
}

# mirror_of KIND: the host's mirror for "debian" or "debian-security", else Debian's own.
mirror_of() {
	local uri suite codename default
	codename=$(host_codename)
	case $1 in
	debian) default=$DEBIAN_DEFAULT ;;
	*) default=$SECURITY_DEFAULT codename=$codename-security ;;
	esac
	while read -r uri suite; do
		if [ "$suite" = "$codename" ] && usable "$uri"; then
			printf '%s\n' "$uri"
			return
		fi
	done < <(host_archives)
	printf '%s\n' "$default"
}

# sources_for SUITE: a sources.list for a root of that suite.
sources_for() {
	local mirror security
	mirror=$(mirror_of debian)
	security=$(mirror_of debian-security)
	echo "deb $mirror $1 main"
	case $1 in
	sid | unstable) ;;
	experimental) echo "deb $mirror sid main" ;;
	*)
		echo "deb $mirror $1-updates main"
		echo "deb $security $1-security main"
		;;
	esac
}

# apt_proxy: what apt uses to get out, as an environment for debootstrap's wget.
apt_proxy() {
	local http
	eval "$(apt-config shell http Acquire::http::Proxy)"
	if [ -n "${http:-}" ] && [ "$http" != DIRECT ]; then
		export http_proxy=$http https_proxy=${https_proxy:-$http}
	fi
}
