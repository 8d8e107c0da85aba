/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things stand in the memory of each PHP minor version (NTS, x86-64) and of Apache 2.4: one
 * table. Knows numbers and where they come from; reads nothing. Whoever uses a row checks it first
 * against the binary (php_image) and the living process (php_walk).
 */
#ifndef ST_PHP_LAYOUTS_H
#define ST_PHP_LAYOUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spamtrace.h"

struct php_layout_row {
	uint32_t version; /* of the series: 80200 is 8.2.x; layouts do not change within one */
	bool tested;      /* tests/php/run has read real workers of this series with it */
	/* st_size of the symbols executor_globals and sapi_globals; another size is another struct.
	 * 0: unknown */
	uint32_t eg_size, sg_size;
	/* sapi_globals_struct.global_request_time: seconds since 1970 as double, 0 until somebody
	 * asks */
	uint16_t sg_request_time;
	struct st_php_layout layout;
	const char *source; /* what the numbers were read from */
};

/*
 * The row of the series that `version` (80236 for 8.2.36) belongs to, in static memory; NULL when
 * there is none.
 */
const struct php_layout_row *php_layout_find(uint32_t version);

/* All rows, oldest first. */
const struct php_layout_row *php_layout_table(size_t *count);

/*
 * The engine's own hash of a FastCGI variable's name (FCGI_HASH_FUNC, main/fastcgi.h, the same
 * since 7.0), which selects bucket chain hash % PHP_FCGI_BUCKETS. `len` is without the NUL.
 */
#define PHP_FCGI_BUCKETS 128
uint32_t php_fcgi_hash(const char *name, size_t len);

/* request_rec.request_time: microseconds since 1970 (httpd.h of Apache 2.4.62 to 2.4.71). */
#define APACHE_REQUEST_TIME 88

#endif
