// SPDX-License-Identifier: GPL-2.0-only
#include "web_fixture.h"

#include "base/cleanup.h"
#include "trace/vhost_match.h"

#define _table_                                                                                    \
	struct vhost_table *t __attribute__((cleanup(vhost_table_freep))) = vhost_table_new()

static const struct vhost_listen port80[] = {{"*:80", false}};
static const struct vhost_listen port443[] = {{"*:443", false}};

static int add(struct vhost_table *t, const char *name, const char *aliases, const char *docroot)
{
	const char *alias[8];
	char *copy = strdup(aliases), *rest = copy, *word;
	struct vhost_spec spec = {.software = VHOST_APACHE,
				  .name = name,
				  .aliases = alias,
				  .listens = port80,
				  .listen_count = 1};
	int v;

	while ((word = strsep(&rest, " ")))
		if (*word)
			alias[spec.alias_count++] = word;
	v = vhost_table_add(t, &spec);
	assert_true(v >= 0);
	if (docroot)
		assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, docroot), 0);
	free(copy);
	return v;
}

static int add_on(struct vhost_table *t, const char *name, const struct vhost_listen *l,
		  const char *docroot)
{
	struct vhost_spec spec = {
		.software = VHOST_APACHE, .name = name, .listens = l, .listen_count = 1};
	int v = vhost_table_add(t, &spec);

	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, docroot), 0);
	return v;
}

#define CONFIG EVIDENCE_SERVER_CONFIG

static void docroots(void **state)
{
	static const struct expect cases[] = {
		{"plain", "/srv/a", "/srv/a/x.php", "a.test", "a.test", CONFIG, true},
		{"docroot alone", "/srv/a", NULL, NULL, "a.test", CONFIG, true},
		{"script alone", NULL, "/srv/a/x.php", NULL, "a.test", CONFIG, true},
		{"forged Host", "/srv/a", "/srv/a/x.php", "b.test", "a.test", CONFIG, true},
		{"forged Host, script alone", NULL, "/srv/a/x.php", "b.test", "a.test", CONFIG,
		 true},
		{"inner docroot", "/srv/a/in", "/srv/a/in/x.php", "a.test", "in.test", CONFIG,
		 true},
		{"outer vhost runs a script of the inner one", "/srv/a", "/srv/a/in/x.php",
		 "a.test", "a.test", CONFIG, true},
		{"inner docroot, script alone", NULL, "/srv/a/in/x.php", "in.test", "in.test",
		 CONFIG, false},
		{"by whole components", "/srv/ab", "/srv/ab/x.php", NULL, NULL, 0, false},
		{"no such docroot", "/srv/zz", "/srv/zz/x.php", "a.test", "a.test",
		 EVIDENCE_HOST_HEADER, false},
		{"no such docroot, no Host", "/srv/zz", "/srv/zz/x.php", NULL, NULL, 0, false},
		{"slashes and dots", "/srv//a/./", "/srv/a//x.php", NULL, "a.test", CONFIG, true},
		{"up and down", "/srv/b/../a", "/srv/a/x.php", NULL, "a.test", CONFIG, false},
		{"inside a docroot", "/srv/a/sub", "/srv/a/sub/x.php", NULL, "a.test", CONFIG,
		 false},
		{"DOCUMENT_ROOT forged by .htaccess", "/srv/b", "/srv/a/x.php", "b.test", "a.test",
		 CONFIG, false},
		{"script in no known directory", "/srv/b", "/opt/x.php", NULL, "b.test", CONFIG,
		 false},
		{"relative docroot", "srv/a", NULL, NULL, NULL, 0, false},
		{"Host is no name", NULL, NULL, "<script>", NULL, 0, false},
		{"Host is not ended", NULL, NULL, "[::1", NULL, 0, false},
	};
	_table_;

	(void)state;
	add(t, "a.test", "", "/srv/a");
	add(t, "in.test", "", "/srv/a/in");
	add(t, "b.test", "", "/srv/b/");
	check_answers(t, cases, array_size(cases));
}

static void shared_docroot(void **state)
{
	static const struct expect cases[] = {
		{"ServerName", "/srv/s", "/srv/s/x.php", "two.test", "two.test", CONFIG, true},
		{"alias", "/srv/s", "/srv/s/x.php", "www.two.test:8080", "two.test", CONFIG, true},
		{"wildcard alias", "/srv/s", "/srv/s/x.php", "Any.Three.Test.", "three.test",
		 CONFIG, true},
		{"question mark", "/srv/s", "/srv/s/x.php", "n7.three.test.net", "three.test",
		 CONFIG, true},
		{"first match in order", "/srv/s", "/srv/s/x.php", "one.two.test", "one.test",
		 CONFIG, true},
		{"no match: default", "/srv/s", "/srv/s/x.php", "evil.test", "one.test", CONFIG,
		 false},
		{"no Host", "/srv/s", "/srv/s/x.php", NULL, "one.test", CONFIG, false},
		{"Host of another docroot", "/srv/s", "/srv/s/x.php", "other.test", "one.test",
		 CONFIG, false},
	};
	_table_;

	(void)state;
	add(t, "one.test", "one.*", "/srv/s");
	add(t, "two.test", "www.two.test one.two.test", "/srv/s");
	add(t, "three.test", "*.three.test n?.three.test.net", "/srv/s");
	add(t, "other.test", "", "/srv/other");
	check_answers(t, cases, array_size(cases));
}

/* Two ports: the same name on both is certain; different names are told apart by the port only. */
static void shared_over_ports(void **state)
{
	struct vhost_query q = {.docroot = "/srv/p", .host_header = "unknown.test", .port = 443};
	static const struct expect cases[] = {
		{"same name twice", "/srv/q", NULL, NULL, "q.test", CONFIG, true},
		{"other name on the other port", "/srv/p", NULL, "p.test", "p.test", CONFIG, false},
	};
	struct vhost_answer a;
	_table_;

	(void)state;
	add_on(t, "p.test", port80, "/srv/p");
	add_on(t, "secure.test", port443, "/srv/p");
	add_on(t, "q.test", port80, "/srv/q");
	add_on(t, "Q.test", port443, "/srv/q");
	check_answers(t, cases, array_size(cases));
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "secure.test");
	assert_false(a.exact);
	q.port = 80;
	q.host_header = "p.test";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "p.test");
	assert_true(a.exact);
}

static void aliases_and_users(void **state)
{
	static const struct expect cases[] = {
		{"alias of one vhost", "/srv/a", "/usr/share/tool/x.php", "a.test", "a.test",
		 CONFIG, true},
		{"alias of all", "/srv/b", "/usr/share/all/x.php", "b.test", "b.test", CONFIG,
		 true},
		{"alias of all, by Host", NULL, "/usr/share/all/x.php", "b.test", "b.test", CONFIG,
		 true},
		{"alias of another vhost", "/srv/b", "/usr/share/tool/x.php", "b.test", "a.test",
		 CONFIG, false},
		{"userdir with a star", "/srv/a", "/home/joe/public_html/x.php", "a.test", "a.test",
		 CONFIG, true},
		{"userdir by home", "/srv/b", "/export/h/ann/www/x.php", "b.test", "b.test", CONFIG,
		 true},
		{"no userdir", "/srv/a", "/home/joe/private/x.php", "a.test", "a.test", CONFIG,
		 false},
		{"userdir alone, Host selects", NULL, "/home/joe/public_html/x.php", "b.test",
		 "b.test", CONFIG, true},
		{"docroot that is a userdir too", "/home/own/public_html",
		 "/home/own/public_html/x.php", "a.test", "own.test", CONFIG, true},
	};
	struct vhost_query q = {.docroot = "/srv/a", .script = "/export/h/ann/www/x.php"};
	struct vhost_answer a;
	int v;
	_table_;

	(void)state;
	v = add(t, "a.test", "", "/srv/a");
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_ALIAS, "/usr/share/tool"), 0);
	add(t, "b.test", "", "/srv/b");
	add(t, "own.test", "", "/home/own/public_html");
	assert_int_equal(vhost_table_add_dir(t, VHOST_EVERY, 0, VHOST_DIR_ALIAS, "/usr/share/all"),
			 0);
	assert_int_equal(vhost_table_add_dir(t, VHOST_EVERY, 0, VHOST_DIR_USERDIR,
					     "/home/*/public_html"),
			 0);
	assert_int_equal(vhost_table_add_dir(t, VHOST_EVERY, 0, VHOST_DIR_USERDIR, "~/www"), 0);
	assert_int_equal(vhost_table_add_home(t, "ann", "/export/h/ann"), 0);
	assert_int_equal(vhost_table_add_home(t, "root", "/"), 0);
	check_answers(t, cases, array_size(cases));
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.user, "ann");
	q.script = "/srv/a/x.php";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.user, "");
}

static void mass_hosting(void **state)
{
	static const struct expect cases[] = {
		{"%0", "/srv/mass/x.test/web", "/srv/mass/x.test/web/x.php", "X.test:80", "x.test",
		 CONFIG, true},
		{"%0, forged Host", "/srv/mass/x.test/web", "/srv/mass/x.test/web/x.php",
		 "evil.test", "evil.test", EVIDENCE_HOST_HEADER, false},
		{"%0, no Host", "/srv/mass/x.test/web", "/srv/mass/x.test/web/x.php", NULL,
		 "x.test", CONFIG, true},
		{"%0, another directory", "/srv/mass/x.test/web2", NULL, "x.test", "x.test",
		 EVIDENCE_HOST_HEADER, false},
		{"%-2 and %-1", "/srv/part/test/x", NULL, "www.x.test", "www.x.test", CONFIG,
		 false},
		{"nginx $host", "/srv/ng/x.test/web", "/srv/ng/x.test/web/i.php", "x.test",
		 "x.test", CONFIG, true},
		{"nginx $host, no Host", "/srv/ng/x.test/web", NULL, NULL, "x.test", CONFIG, true},
		{"nginx ${domain} is all of Host", "/srv/re/x.test", NULL, "x.test", "x.test",
		 CONFIG, true},
		{"nginx ${domain} is a part", "/srv/re/x.test", NULL, "www.x.test", "x.test",
		 CONFIG, false},
	};
	struct vhost_query q = {.server_name_from_memory = "mass.test",
				.host_header = "x.test",
				.script = "/srv/mass/x.test/web/x.php"};
	struct vhost_spec ng = {.software = VHOST_NGINX, .server = 1};
	struct vhost_answer a;
	int v;
	_table_;

	(void)state;
	v = add(t, "mass.test", "*", NULL);
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_VIRTUAL, "/srv/mass/%0/web"), 0);
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_VIRTUAL, "/srv/part/%-1/%-2"), 0);
	v = vhost_table_add(t, &ng);
	assert_int_equal(vhost_table_add_dir(t, v, 1, VHOST_DIR_NGINX, "/srv/ng/$host/web"), 0);
	assert_int_equal(vhost_table_add_dir(t, v, 1, VHOST_DIR_NGINX, "/srv/re/${domain}"), 0);
	assert_int_equal(vhost_table_add_dir(t, v, 1, VHOST_DIR_NGINX, "relative/$host"), -EINVAL);
	assert_int_equal(vhost_table_add_dir(t, v, 1, VHOST_DIR_USERDIR, "/*/*/*/*/*"), -EINVAL);
	check_answers(t, cases, array_size(cases));
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "x.test");
	q.host_header = "evil.test";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "mass.test");
	assert_int_equal(a.evidence, EVIDENCE_SERVER_MEMORY);
}

static void interpolation(void **state)
{
	static const struct {
		const char *pattern, *host, *want; /* want NULL: refused */
	} cases[] = {
		{"/v/%0", "www.a.test", "/v/www.a.test"},
		{"/v/%1/%2/%3", "www.a.test", "/v/www/a/test"},
		{"/v/%-1.%-2", "www.a.test", "/v/test.a"},
		{"/v/%2+", "www.a.test", "/v/a.test"},
		{"/v/%-2+", "www.a.test", "/v/www.a"},
		{"/v/%1.1/%1.2/%1.-1/%1.2+", "abcd.test", "/v/a/b/d/bcd"},
		{"/v/%4/%1.9", "ab.test", "/v/_/_"},
		{"/v/%p/%%", "a.test", "/v/8080/%"},
		{"/v/%3.x", "a.b.c", "/v/c.x"},
		{"/v/%q", "a.test", NULL},
		{"/v/%", "a.test", NULL},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		bool whole = false;
		int err = vhost_interpolate(out, sizeof(out), cases[i].pattern, cases[i].host, 8080,
					    &whole);

		assert_int_equal(err, cases[i].want ? 0 : -EINVAL);
		if (cases[i].want)
			assert_string_equal(out, cases[i].want);
		assert_int_equal(whole, i == 0);
	}
	assert_int_equal(vhost_interpolate(out, 5, "/v/%0", "a.test", 0, NULL), -ENAMETOOLONG);
}

static void memory_and_names(void **state)
{
	struct vhost_query q = {.server_name_from_memory = "mem.test",
				.docroot = "/srv/a",
				.host_header = "h.test"};
	struct vhost_spec nameless = {.software = VHOST_NGINX};
	struct vhost_spec guessed = {
		.software = VHOST_APACHE, .name = "machine.test", .guessed = true};
	struct vhost_answer a;
	int v;
	_table_;

	(void)state;
	assert_int_equal(vhost_resolve(NULL, &q, &a), 0);
	assert_string_equal(a.name, "mem.test");
	assert_true(a.exact && a.evidence == EVIDENCE_SERVER_MEMORY);
	v = vhost_table_add(t, &nameless);
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, "/srv/a"), 0);
	v = vhost_table_add(t, &guessed);
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, "/srv/g"), 0);
	q.server_name_from_memory = "";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "h.test");
	assert_true(!a.exact && a.reason && a.evidence == EVIDENCE_HOST_HEADER);
	q.docroot = "/srv/g";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "machine.test");
	assert_true(!a.exact && a.reason && a.evidence == EVIDENCE_SERVER_CONFIG);
}

static void chroots(void **state)
{
	struct vhost_query far = {
		.docroot = "/htdocs", .script = "/htdocs/x.php", .chroot = "/mnt/j"};
	struct vhost_answer b;
	int v;
	static const struct {
		const char *docroot, *script, *want;
	} cases[] = {
		{"/web", "/web/x.php", "jail.test"},          /* as the worker sees it */
		{"/srv/jail/web", "/web/x.php", "jail.test"}, /* as nginx sees it */
		{"/srv/jail/web", "/srv/jail/web/x.php", "jail.test"},
		{"/var/www/link", "/linked/x.php",
		 "link.test"}, /* a link of the host that leads inside */
		{NULL, "/web/x.php", "jail.test"},
	};
	_table_;

	(void)state;
	add(t, "jail.test", "", "/srv/jail/web");
	add(t, "host.test", "", "/web");
	v = add(t, "link.test", "", "/var/www/link");
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, "/srv/jail/linked"), 0);
	v = add(t, "inner.test", "", "/srv/jail2/htdocs");
	assert_int_equal(vhost_table_add_dir(t, v, 0, VHOST_DIR_DOCROOT, "/htdocs"), 0);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct vhost_query q = {.docroot = cases[i].docroot,
					.script = cases[i].script,
					.chroot = "/srv/jail"};
		struct vhost_answer a;

		assert_int_equal(vhost_resolve(t, &q, &a), 0);
		assert_string_equal(a.name, cases[i].want);
		assert_true(a.exact);
	}
	assert_int_equal(vhost_resolve(t, &far, &b), 0);
	assert_string_equal(b.name, "inner.test");
	assert_false(b.exact);
}

/* The same path in two containers and on the host. */
static void containers(void **state)
{
	struct vhost_query q = {.docroot = "/var/www/html", .script = "/var/www/html/x.php"};
	struct vhost_spec spec = {.software = VHOST_NGINX};
	static const char *const name[] = {"c0.test", "c1.test", "c2.test"};
	struct vhost_answer a;
	_table_;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		spec.name = name[i];
		spec.server = i;
		spec.mntns = 100 + i;
		assert_int_equal(vhost_table_add_dir(t, vhost_table_add(t, &spec), i,
						     VHOST_DIR_DOCROOT, "/var/www/html"),
				 0);
	}
	q.mntns = 101;
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "c1.test");
	assert_true(a.exact);
	q.mntns = 999;
	q.host_header = "c2.test";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_false(a.exact);
}

/* One server for several containers, each with its site under the same name inside. */
static void same_docroot_inside(void **state)
{
	struct vhost_query q = {.docroot = "/var/www/html",
				.script = "/var/www/html/x.php",
				.mntns = 101,
				.host_header = "c0.test"};
	struct vhost_spec spec = {.software = VHOST_NGINX, .mntns = 100};
	static const char *const name[] = {"c0.test", "c1.test", "c2.test"}, *const root[] = {
										     "/srv/c0",
										     "/srv/c1",
										     "/srv/c2"};
	struct vhost_answer a;
	_table_;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int v;

		spec.name = name[i];
		v = vhost_table_add(t, &spec);
		assert_int_equal(vhost_table_add_dir(t, v, i, VHOST_DIR_DOCROOT, root[i]), 0);
		if (i < 2)
			assert_int_equal(vhost_table_add_dir(t, v, i, VHOST_DIR_DOCROOT,
							     "/var/www/html"),
					 0);
	}
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "c0.test");
	q.host_script = "/srv/c1/x.php";
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "c1.test");
	assert_true(a.exact);
	q.host_script = "/srv/image/x.php"; /* nobody's directory: says nothing */
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_string_equal(a.name, "c0.test");
	q.host_script = "/srv/c2/x.php"; /* of a site that is not served from there */
	assert_int_equal(vhost_resolve(t, &q, &a), 0);
	assert_false(a.exact);
}

static void nginx_order(void **state)
{
	static const char *const one[] = {"*.x.test"}, *const two[] = {".x.test"},
				 *const three[] = {"a.x.test"}, *const four[] = {"www.*"},
				 *const five[] = {"~^r\\d+\\.test$"};
	static const struct {
		const char *name;
		const char *const *alias;
	} blocks[] = {{"one.test", one},
		      {"four.test", four},
		      {"three.test", three},
		      {"x.test", two},
		      {"re.test", five}};
	static const struct expect cases[] = {
		{"exact before wildcard", "/srv/n", NULL, "a.x.test", "three.test", CONFIG, true},
		{"leading wildcard, first of equals", "/srv/n", NULL, "b.x.test", "one.test",
		 CONFIG, true},
		{"dot form", "/srv/n", NULL, "x.test", "x.test", CONFIG, true},
		{"leading before trailing", "/srv/n", NULL, "www.x.test", "one.test", CONFIG, true},
		{"trailing", "/srv/n", NULL, "www.y.test", "four.test", CONFIG, true},
		{"a regular expression may match", "/srv/n", NULL, "r7.test", "one.test", CONFIG,
		 false},
	};
	_table_;

	(void)state;
	for (size_t i = 0; i < array_size(blocks); i++) {
		struct vhost_spec spec = {.software = VHOST_NGINX,
					  .name = blocks[i].name,
					  .aliases = blocks[i].alias,
					  .alias_count = 1,
					  .listens = port80,
					  .listen_count = 1};

		assert_int_equal(vhost_table_add_dir(t, vhost_table_add(t, &spec), 0,
						     VHOST_DIR_DOCROOT, "/srv/n"),
				 0);
	}
	check_answers(t, cases, array_size(cases));
}

static void refused(void **state)
{
	char longname[400];
	struct vhost_spec spec = {.name = longname};
	_table_;

	(void)state;
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_int_equal(vhost_table_add(t, &spec), -ENAMETOOLONG);
	assert_int_equal(vhost_table_add_dir(t, 0, 0, VHOST_DIR_DOCROOT, "/x"), -EINVAL);
	assert_int_equal(vhost_table_add_dir(t, VHOST_EVERY, 0, VHOST_DIR_DOCROOT, "x"), -EINVAL);
	assert_int_equal(vhost_table_count(t), 0);
}

/* A server with ten thousand sites: look-ups by directory stay right, and do not walk the table. */
static void many(void **state)
{
	char name[64], dir[64];
	_table_;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "s%d.test", i);
		snprintf(dir, sizeof(dir), "/srv/%d/web", i);
		add(t, name, "", dir);
	}
	for (int i = 0; i < 10000; i++) {
		struct vhost_query q = {.docroot = dir, .host_header = "s1.test"};
		struct vhost_answer a;

		snprintf(name, sizeof(name), "s%d.test", i);
		snprintf(dir, sizeof(dir), "/srv/%d/web", i);
		assert_int_equal(vhost_resolve(t, &q, &a), 0);
		assert_string_equal(a.name, name);
		assert_true(a.exact);
	}
}

static void layouts(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{"/var/www/vhosts/a.test/httpdocs/x/y.php", "a.test"},
		{"/var/www/vhosts/A.test/httpdocs", "a.test"},
		{"/var/www/vhosts/a.test/subdomains/s/httpdocs/x.php", "s.a.test"},
		{"/var/www/vhosts/a.test/sub.a.test/x.php", "sub.a.test"},
		{"/var/www/vhosts/a.test/private/x.php", NULL},
		{"/var/www/vhosts/system/a.test/x.php", NULL},
		{"/home/joe/domains/b.test/public_html/x.php", "b.test"},
		{"/home/joe/domains/b.test/public_htmlx/x.php", NULL},
		{"/home/joe/domains/../public_html/x.php", NULL},
		{"/var/www/c.test/web/x.php", "c.test"},
		{"/var/www/html/web/x.php", NULL},
		{"/home/joe/public_html/x.php", NULL},
		{"/", NULL},
	};
	char out[VHOST_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		int err = vhost_layout_domain(~(1U << VHOST_PLESK) | 1U << VHOST_PLESK,
					      cases[i].path, out, sizeof(out));

		if (err != (cases[i].want ? 0 : -ENOENT) ||
		    (!err && strcmp(out, cases[i].want) != 0))
			fail_msg("%s: %d %s", cases[i].path, err, err ? "" : out);
	}
	assert_int_equal(vhost_layout_domain(0, cases[0].path, out, sizeof(out)), -ENOENT);
}

/* The kernel says who the worker is; what else names the vhost may be that user's own word. */
static void another_customers_vhost(void **state)
{
	static const struct {
		const char *what, *docroot, *script, *memory, *culprit;
		uint32_t uid;
		const char *name;
		bool exact;
	} cases[] = {
		{"his own", "/srv/a", "/srv/a/x.php", NULL, NULL, 10001, "a.test", true},
		{"another's, by a FastCGI request of his own", "/srv/b", "/srv/b/x.php", NULL, NULL,
		 10001, "b.test", false},
		{"another's, by the script alone", NULL, "/srv/b/x.php", NULL, NULL, 10001,
		 "b.test", false},
		{"another's, by who has no vhost", "/srv/b", "/srv/b/x.php", NULL, NULL, 10009,
		 "b.test", true},
		{"a web server's user that has a vhost, too", "/srv/b", "/srv/b/x.php", NULL, NULL,
		 33, "b.test", true},
		{"one whose owner is not known", "/srv/n", "/srv/n/x.php", NULL, NULL, 10001,
		 "n.test", true},
		{"the file to blame lies in it", "/srv/a", "/srv/a/x.php", NULL, "/srv/a/lib/y.php",
		 10001, "a.test", true},
		{"or in no vhost", "/srv/a", "/srv/a/x.php", NULL, "/usr/share/y.php", 10001,
		 "a.test", true},
		{"or in another's", "/srv/a", "/srv/a/x.php", NULL, "/srv/b/y.php", 10001, "a.test",
		 false},
		{"or in another's, under mod_php", NULL, "/srv/a/x.php", "a.test", "/srv/b/y.php",
		 33, "a.test", false},
		{"or in another one of the same customer's", "/srv/a", "/srv/a/x.php", NULL,
		 "/srv/c/y.php", 10001, "a.test", true},
		{"or in a vhost inside of it", "/srv/a", "/srv/a/x.php", NULL, "/srv/a/in/y.php",
		 10001, "a.test", true},
		{"or in one of a name that no vhost has", NULL, NULL, "gone.test", "/srv/b/y.php",
		 33, "gone.test", false},
	};
	_table_;

	(void)state;
	vhost_table_set_owner(t, add(t, "a.test", "", "/srv/a"), 10001);
	vhost_table_set_owner(t, add(t, "b.test", "", "/srv/b"), 10002);
	vhost_table_set_owner(t, add(t, "c.test", "", "/srv/c"), 10001);
	vhost_table_set_owner(t, add(t, "in.test", "", "/srv/a/in"), 10002);
	vhost_table_set_owner(t, add(t, "w.test", "", "/srv/w"), 33);
	add(t, "n.test", "", "/srv/n");
	vhost_table_set_owner(t, 0, 10007); /* the first counts */
	vhost_table_set_owner(t, 99, 10007);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct vhost_query q = {.docroot = cases[i].docroot,
					.script = cases[i].script,
					.server_name_from_memory = cases[i].memory,
					.culprit = cases[i].culprit,
					.uid = cases[i].uid};
		struct vhost_answer a = {0};

		print_message("  %s\n", cases[i].what);
		assert_int_equal(vhost_resolve(t, &q, &a), 0);
		assert_string_equal(a.name, cases[i].name);
		assert_int_equal(a.exact, cases[i].exact);
		assert_int_equal(!a.reason, a.exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docroots),
		cmocka_unit_test(another_customers_vhost),
		cmocka_unit_test(shared_docroot),
		cmocka_unit_test(shared_over_ports),
		cmocka_unit_test(aliases_and_users),
		cmocka_unit_test(mass_hosting),
		cmocka_unit_test(interpolation),
		cmocka_unit_test(memory_and_names),
		cmocka_unit_test(chroots),
		cmocka_unit_test(containers),
		cmocka_unit_test(same_docroot_inside),
		cmocka_unit_test(nginx_order),
		cmocka_unit_test(refused),
		cmocka_unit_test(many),
		cmocka_unit_test(layouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
