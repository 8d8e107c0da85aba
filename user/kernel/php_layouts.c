// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/php_layouts.h"

#include "base/cleanup.h"

/*
 * What has not moved since 7.0: zend_string and zend_array (Zend/zend_types.h), zend_op, the head
 * of zend_function (Zend/zend_compile.h), zend_class_entry (Zend/zend.h), sapi_globals_struct up to
 * request_info (main/SAPI.h), php_struct (sapi/apache2handler/php_apache.h), fcgi_request
 * (main/fastcgi.c), and request_rec and server_rec of Apache 2.4 (httpd.h; the same in 2.4.62
 * and 2.4.71, whose module magic number promises it for all of 2.4).
 */
/* clang-format off */
#define UNCHANGED                                                                                  \
	.ex_opline = 0, .ex_func = 24,                                                             \
	.fn_type = 0, .fn_name = 8, .fn_scope = 16,                                                \
	.op_lineno = 24, .str_len = 16, .str_val = 24, .ce_name = 8,                               \
	.ht_used = 24, .ht_data = 16, .bucket_key = 24, .bucket_size = 32,                         \
	.sg_server_context = 0, .sg_method = 8, .sg_path_translated = 40, .sg_uri = 48,            \
	.apache_request = 8,                                                                       \
	.fcgi_table = 8296, .fcgi_hash = 0, .fcgi_var_len = 4, .fcgi_var = 8,                      \
	.fcgi_val_len = 16, .fcgi_val = 24, .fcgi_next = 32,                                       \
	.req_server = 16, .req_hostname = 80, .req_method = 112, .req_unparsed_uri = 328,          \
	.req_filename = 344, .req_useragent_ip = 688, .srv_hostname = 96

/* version, proved by tests/php/run, st_size of EG and SG, request time, current_execute_data, prev, filename */
#define ROW(version_, tested_, eg_size_, sg_size_, time_, current_, prev_, filename_, source_)     \
	{ .version = (version_), .tested = (tested_), .eg_size = (eg_size_), .sg_size = (sg_size_),        \
	  .sg_request_time = (time_), .source = (source_),                                             \
	  .layout = { UNCHANGED, .eg_current_execute_data = (current_), .eg_included_files = 360,    \
		      .ex_prev = (prev_), .fn_filename = (filename_) } }

#define HEADERS "offsetof() over the headers of php-dev "
#define PHPSPY	"structs of github.com/adsr/phpspy, printed by gdb"

static const struct php_layout_row rows[] = {
	ROW(70000, true,  1544, 560, 440, 480, 56, 120, HEADERS "7.0.33"),
	ROW(70100, false,    0,   0, 440, 480, 48, 120, PHPSPY),
	ROW(70200, true,  1592, 560, 440, 480, 48, 120, HEADERS "7.2.24"),
	ROW(70300, false,    0,   0, 440, 488, 48, 128, PHPSPY),
	ROW(70400, true,  1664, 552, 440, 488, 48, 136, HEADERS "7.4.33"),
	ROW(80000, false,    0,   0, 440, 488, 48, 144, PHPSPY),
	ROW(80100, true,  1752, 552, 440, 488, 48, 144, HEADERS "8.1.2"),
	ROW(80200, true,  1800, 552, 440, 488, 48, 152, HEADERS "8.2.36"),
	ROW(80300, true,  1816, 560, 440, 488, 48, 144, HEADERS "8.3.6"),
	ROW(80400, true,  1984, 648, 440, 488, 48, 168, HEADERS "8.4.27, 8.4.28"),
	ROW(80500, true,  1984, 648, 440, 512, 48, 168, HEADERS "8.5.7"),
	ROW(80600, true,  2200, 624, 432, 512, 48, 168, HEADERS "8.6.0RC3"),
};
/* clang-format on */

const struct php_layout_row *php_layout_find(uint32_t version)
{
	for (size_t i = 0; i < array_size(rows); i++)
		if (version / 100 == rows[i].version / 100)
			return &rows[i];
	return NULL;
}

const struct php_layout_row *php_layout_table(size_t *count)
{
	*count = array_size(rows);
	return rows;
}

uint32_t php_fcgi_hash(const char *name, size_t len)
{
	const unsigned char *v = (const unsigned char *)name;

	if (len < 4)
		return (uint32_t)len;
	return ((uint32_t)v[3] << 2) + ((uint32_t)v[len - 2] << 4) + ((uint32_t)v[len - 1] << 2) +
	       (uint32_t)len;
}
