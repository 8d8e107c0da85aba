# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script of this directory shares: words for the person in front of the screen, the
# places where root file systems and stages live, and locks. Sourced, never run.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
STAGE_DIR=${SPAMTRACE_STAGE:-/var/cache/spamtrace}
export top STAGE_DIR

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# One sentence: what happened, and what the person can do about it.
die() {
	say "$@"
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "$1 needs root: run it with sudo."
}

# make_stage_dir: the cache directory, writable by root alone: a root file system that someone
# else can write into would run their programs as root.
make_stage_dir() {
	mkdir -p "$STAGE_DIR"/{roots,layers,run,log} ||
		die "cannot create $STAGE_DIR; name another place with SPAMTRACE_STAGE=DIR."
	chmod 0755 "$STAGE_DIR"
	[ "$(stat -c %u "$STAGE_DIR")" = 0 ] ||
		die "$STAGE_DIR belongs to another user; name another place with SPAMTRACE_STAGE=DIR."
}

# free_mib DIR: what is left on its disk.
free_mib() {
	df -Pm "$1" | awk 'NR == 2 { print $4 }'
}
