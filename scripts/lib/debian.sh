# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Where Debian comes from on this machine. apt itself reads its configuration (one-line lists and
# deb822 sources alike); nothing here parses those files.

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

# mirror_of KIND: the host's mirror for "debian" or "debian-security"; SPAMTRACE_MIRROR names another.
mirror_of() {
	local uri suite codename any=''
	codename=$(host_codename)
	[ "$1" = debian ] || codename=$codename-security
	if [ -n "${SPAMTRACE_MIRROR:-}" ]; then
		printf '%s\n' "${SPAMTRACE_MIRROR%/debian}/$1"
		return
	fi
	while read -r uri suite; do
		usable "$uri" || continue
		if [ "$suite" = "$codename" ]; then
			printf '%s\n' "$uri"
			return
		fi
		any=${any:-${uri%/debian*}/$1}
	done < <(host_archives)
	[ -n "$any" ] ||
		die "apt knows no Debian archive here; name one, SPAMTRACE_MIRROR=http://HOST/debian."
	printf '%s\n' "$any"
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
