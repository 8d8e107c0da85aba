// SPDX-License-Identifier: GPL-2.0-only
/* Configurations of Apache and nginx. The first byte says which; sections are the main file and two
 * that it may include. */
#include "fuzz.h"

#include "web/apache.h"
#include "web/nginx.h"
#include "web/rootfs.h"
#include "web/servers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[2][3] = {
		{"etc/apache2/apache2.conf", "etc/apache2/sites-enabled/a.conf",
		 "etc/apache2/b.conf"},
		{"etc/nginx/nginx.conf", "etc/nginx/sites-enabled/a.conf", "etc/nginx/b.conf"}};
	struct input in = {data, size};
	int nginx = take_byte(&in) & 1;
	const struct apache_start apache_start = {.config = "apache2.conf",
						  .server_root = "/etc/apache2"};
	const struct nginx_start nginx_start = {"/etc/nginx", "/etc/nginx/nginx.conf"};
	const struct web_server server = {.hostname = "host.test"};
	struct vhost_query query = {
		.docroot = "/srv/a", .script = "/srv/a/x.php", .host_header = "a.test"};
	struct vhost_answer answer;
	struct vhost_table *t = vhost_table_new();
	struct rootfs fs = {.fd = -1};

	for (size_t i = 0; i < 3; i++)
		fuzz_file(names[nginx][i], take_section(&in));
	must(t && rootfs_open(&fs, fuzz_directory()) == 0);
	snprintf(fs.prefix, sizeof(fs.prefix), "%s", fuzz_directory());
	if (nginx)
		nginx_read(&fs, &nginx_start, &server, t);
	else
		apache_read(&fs, &apache_start, &server, t);
	if (vhost_resolve(t, &query, &answer) == 0)
		must(memchr(answer.name, 0, sizeof(answer.name)));
	rootfs_free(&fs);
	vhost_table_free(t);
	return 0;
}
