#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts what the cases of cases.py run on. Runs inside a stage.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/hosting.sh
. /src/scripts/lib/hosting.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/servers.sh
. /src/scripts/lib/servers.sh
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/mta.sh
. /src/scripts/lib/mta.sh

fixed=(opcache.validate_timestamps=0)
start_mta
start_modphp modphp 8081
start_modphp modphp-vt0 8091 "${fixed[@]}"
start_fpm fpm
start_fpm fpm-vt0 "${fixed[@]}"
start_proxy px 8082 fpm unix
start_proxy px-tcp 8083 fpm tcp
start_proxy px-vt0 8092 fpm-vt0 unix
start_fcgid fcgid 8084
start_cgi cgi 8085
start_nginx nginx 8086 fpm
