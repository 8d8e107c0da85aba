// SPDX-License-Identifier: GPL-2.0-only
#include "web_fixture.h"

#include "base/cleanup.h"
#include "web/nginx.h"

#define CONFIG  EVIDENCE_SERVER_CONFIG
#define CONF    "/etc/nginx/nginx.conf"
#define _table_ struct vhost_table *t __attribute__((cleanup(vhost_table_freep)))

static struct vhost_table *read_conf(const char *prefix, const char *config)
{
	const struct nginx_start start = {prefix, config};
	const struct web_server server = {.number = 0};
	struct vhost_table *t = vhost_table_new();
	struct rootfs fs = {.fd = -1};

	assert_int_equal(rootfs_open(&fs, fixture), 0);
	strcpy(fs.prefix, fixture);
	assert_true(nginx_read(&fs, &start, &server, t) >= 0);
	rootfs_free(&fs);
	return t;
}

/* Debian's default files, cut to what matters here; checked against nginx 1.22.1-9+deb12u11. */
static void debian(void **state)
{
	static const struct expect cases[] = {
		{"catch-all", "/var/www/html", "/var/www/html/x.php", "anything.test", "_", CONFIG,
		 true},
		{"enabled site", "/srv/a", "/srv/a/x.php", "a.test", "a.test", CONFIG, true},
	};
	_table_ = NULL;

	(void)state;
	put(CONF, "user www-data;\ninclude /etc/nginx/modules-enabled/*.conf;\nevents "
		  "{\n\tworker_connections 768;\n}\n"
		  "http {\n\tssl_protocols TLSv1 TLSv1.1; # Dropping SSLv3, ref: POODLE\n"
		  "\tinclude /etc/nginx/conf.d/*.conf;\n\tinclude /etc/nginx/sites-enabled/*;\n}\n"
		  "#mail {\n#\tserver {\n#\t\tlisten localhost:110;\n#\t}\n#}\n");
	put("/etc/nginx/sites-available/default",
	    "server {\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n\troot "
	    "/var/www/html;\n"
	    "\tindex index.html;\n\tserver_name _;\n\tlocation / {\n\t\ttry_files $uri $uri/ "
	    "=404;\n\t}\n"
	    "\t#location ~ \\.php$ {\n\t#\tinclude snippets/fastcgi-php.conf;\n\t#}\n}\n");
	put_link("/etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default");
	put("/etc/nginx/sites-enabled/a",
	    "server { listen 80; server_name a.test www.a.test; root /srv/a;\n"
	    "location ~ \\.php$ { fastcgi_param SCRIPT_FILENAME "
	    "$document_root$fastcgi_script_name; } }");
	t = read_conf("/usr/share/nginx", CONF);
	assert_int_equal(vhost_table_count(t), 2);
	check_answers(t, cases, array_size(cases));
}

static void names(void **state)
{
	static const struct expect cases[] = {
		{"first plain name", "/srv/plain", NULL, NULL, "plain.test", CONFIG, true},
		{"dot name", "/srv/dot", NULL, "x.dot.test", "dot.test", CONFIG, true},
		{"only a wildcard", "/srv/wild", NULL, "x.wild.test", "x.wild.test", CONFIG, false},
		{"only a wildcard, forged", "/srv/wild", NULL, "evil.test", "*.wild.test", CONFIG,
		 false},
		{"regex", "/srv/re", NULL, "r1.test", "r1.test", EVIDENCE_HOST_HEADER, false},
		{"regex, no Host", "/srv/re", NULL, NULL, NULL, 0, false},
		{"regex with a captured root", "/srv/cap/c.test/web", NULL, "www.c.test", "c.test",
		 CONFIG, false},
		{"$host in root", "/srv/by/h.test", NULL, "h.test", "h.test", CONFIG, true},
		{"shared: exact", "/srv/sh", NULL, "s2.test", "s2.test", CONFIG, true},
		{"shared: none, default_server", "/srv/sh", NULL, "evil.test", "s2.test", CONFIG,
		 false},
		{"shared: wildcard", "/srv/sh", NULL, "x.s1.test", "s1.test", CONFIG, true},
	};
	_table_ = NULL;

	(void)state;
	put(CONF, "http {\n"
		  "server { server_name *.plain.test plain.test; root /srv/plain; }\n"
		  "server { server_name .dot.test; root \"/srv/dot\"; }\n"
		  "server { server_name *.wild.test; root /srv/wild; }\n"
		  "server { server_name ~^r\\d\\.test$ '~^q{2}'; root /srv/re; }\n"
		  "server { server_name ~^(www\\.)?(?<domain>.+)$; root /srv/cap/$domain/web; }\n"
		  "server { listen 8080; server_name \"\"; root /srv/by/${host}; }\n"
		  "server { listen 81; server_name s1.test *.s1.test; root /srv/sh; }\n"
		  "server { listen 81 default_server; server_name s2.test; root /srv/sh; }\n"
		  "}\n");
	t = read_conf("/usr/share/nginx", CONF);
	check_answers(t, cases, array_size(cases));
}

static void blocks(void **state)
{
	static const struct expect cases[] = {
		{"root inherited from http, said later", "/srv/late", NULL, NULL, "late.test",
		 CONFIG, true},
		{"location root", "/srv/loc", "/srv/loc/x.php", NULL, "own.test", CONFIG, true},
		{"nested location alias", "/srv/own", "/opt/alias/x.php", NULL, "own.test", CONFIG,
		 true},
		{"relative root", "/usr/share/nginx/rel", NULL, NULL, "rel.test", CONFIG, true},
		{"relative include, glob", "/srv/inc", NULL, NULL, "inc.test", CONFIG, true},
		{"inner DOCUMENT_ROOT", "/inner", NULL, NULL, "chroot.test", CONFIG, true},
		{"upstream's server is none", "/srv/up", NULL, NULL, NULL, 0, false},
		{"stream's server is none", "/srv/stream", NULL, NULL, NULL, 0, false},
		{"after Lua", "/srv/lua", NULL, NULL, "lua.test", CONFIG, true},
		{"after a map", "/srv/map", NULL, NULL, "map.test", CONFIG, true},
		{"after an open block", "/srv/last", NULL, NULL, "last.test", CONFIG, true},
	};
	_table_ = NULL;

	(void)state;
	put(CONF,
	    "stream { server { listen 1; server_name s.test; root /srv/stream; } }\n"
	    "http {\n"
	    "upstream u { server 127.0.0.1:80; root /srv/up; }\n"
	    "map $http_host $x { default 0; ~*\\.(a|b)$ 1; 'server' { root 2; } \"}\" 3; }\n"
	    "server { server_name map.test; root /srv/map; }\n"
	    "server { server_name late.test; }\n"
	    "server { server_name own.test; root /srv/own; location /l { root /srv/loc;\n"
	    "  location ~ ^/a/(.*)$ { alias /opt/alias/$1; if ($x) { root /srv/if; } } } }\n"
	    "server { server_name rel.test; root rel; }\n"
	    "include inc/*.conf; include missing.conf; include open.conf;\n"
	    "server { server_name chroot.test; root /srv/jail/inner;\n"
	    "  location ~ \\.php$ { fastcgi_param DOCUMENT_ROOT /inner; } }\n"
	    "server { server_name lua.test; content_by_lua_block { local s = \"}\" -- it's {\n"
	    "  if s then return '{' end } root /srv/lua; }\n"
	    "server { server_name last.test; root /srv/last; }\n"
	    "root /srv/late;\n}\n");
	put("/etc/nginx/inc/b.conf", "server { server_name inc.test; root /srv/inc; }\n");
	put("/etc/nginx/open.conf",
	    "server { server_name open.test; root /srv/open; location / { # no end");
	t = read_conf("/usr/share/nginx", CONF);
	check_answers(t, cases, array_size(cases));
}

static void hostile(void **state)
{
	static const struct expect cases[] = {
		{"what is sane is still read", "/srv/a", NULL, NULL, "a.test", CONFIG, true},
	};
	_free_ char *big = malloc(1 << 20);
	_table_ = NULL;

	(void)state;
	memset(big, '{', 1 << 20);
	put_bytes("/etc/nginx/deep.conf", big, 1 << 20);
	memset(big, 'a', 1 << 20);
	put_bytes("/etc/nginx/long.conf", big, 1 << 20);
	put_bytes("/etc/nginx/nul.conf", "\0server\0{ root ;\0 } \\", 21);
	put(CONF, "http { include deep.conf; include long.conf; include nul.conf; include "
		  "nginx.conf; include nginx.conf;\n"
		  "server { } server { listen; server_name; root; } server { listen a; root $; "
		  "alias ${; }\n"
		  "} } } }\nhttp { server { root /srv/a; server_name a.test; } }\n\"unended");
	t = read_conf("/usr/share/nginx", CONF);
	check_answers(t, cases, array_size(cases));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {CASE(debian), CASE(names), CASE(blocks), CASE(hostile)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
