// SPDX-License-Identifier: GPL-2.0-only
#include "web_fixture.h"

#include "base/cleanup.h"
#include "web/apache.h"
#include "web/servers.h"

#define CONFIG EVIDENCE_SERVER_CONFIG

static bool linked_in(void *arg, const char *source)
{
	(void)arg;
	return strcmp(source, "mod_so.c") == 0;
}

/* Reads "/etc/apache2/apache2.conf" of the fixture. */
static struct vhost_table *read_conf(struct apache_start start)
{
	const struct web_server server = {.hostname = "machine.test"};
	struct vhost_table *t = vhost_table_new();
	struct rootfs fs = {.fd = -1};

	if (!start.config)
		start.config = "apache2.conf";
	start.server_root = "/etc/apache2";
	start.has_module = linked_in;
	assert_int_equal(rootfs_open(&fs, fixture), 0);
	strcpy(fs.prefix, fixture);
	assert_true(apache_read(&fs, &start, &server, t) >= 0);
	rootfs_free(&fs);
	return t;
}

#define CONF    "/etc/apache2/apache2.conf"
#define _table_ struct vhost_table *t __attribute__((cleanup(vhost_table_freep)))

/* Debian's default files, cut to what matters here; checked against apache2 2.4.71-1~deb12u1. */
static void debian(void **state)
{
	static const struct expect cases[] = {
		{"site without a name", "/var/www/html", "/var/www/html/x.php", NULL,
		 "machine.test", CONFIG, false},
		{"enabled site", "/srv/a", "/srv/a/x.php", "a.test", "a.test", CONFIG, true},
		{"not enabled", "/srv/off", NULL, NULL, NULL, 0, false},
		{"conf-enabled alias", "/srv/a", "/usr/share/javascript/x.php", NULL, "a.test",
		 CONFIG, true},
		{"userdir", "/srv/a", "/home/u/public_html/x.php", NULL, "a.test", CONFIG, false},
	};
	struct apache_start start = {0};
	_table_ = NULL;

	(void)state;
	put(CONF, "DefaultRuntimeDir ${APACHE_RUN_DIR}\nUser ${APACHE_RUN_USER}\n"
		  "IncludeOptional mods-enabled/*.load\nIncludeOptional "
		  "mods-enabled/*.conf\nInclude ports.conf\n"
		  "<Directory />\n\tOptions FollowSymLinks\n\tDocumentRoot /never\n</Directory>\n"
		  "IncludeOptional conf-enabled/*.conf\nIncludeOptional sites-enabled/*.conf\n");
	put("/etc/apache2/ports.conf",
	    "Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n");
	put("/etc/apache2/sites-available/000-default.conf",
	    "<VirtualHost *:80>\n\t#ServerName www.example.com\n\tServerAdmin webmaster@localhost\n"
	    "\tDocumentRoot /var/www/html\n\tErrorLog "
	    "${APACHE_LOG_DIR}/error.log\n</VirtualHost>\n");
	put("/etc/apache2/sites-available/a.conf",
	    "<virtualhost *:80>\n\tservername a.test\n\tdocumentroot \"/srv/a\"\n</virtualhost>\n");
	put("/etc/apache2/sites-available/off.conf",
	    "<VirtualHost *:80>\nServerName off.test\nDocumentRoot /srv/off\n</VirtualHost>\n");
	put_link("/etc/apache2/sites-enabled/000-default.conf",
		 "../sites-available/000-default.conf");
	put_link("/etc/apache2/sites-enabled/a.conf", "/etc/apache2/sites-available/a.conf");
	put("/etc/apache2/conf-enabled/javascript.conf",
	    "Alias /javascript /usr/share/javascript/\n");
	put("/etc/apache2/mods-enabled/userdir.conf",
	    "UserDir public_html\nUserDir disabled root\n");
	t = read_conf(start);
	assert_int_equal(vhost_table_count(t), 2);
	check_answers(t, cases, array_size(cases));
}

/* RHEL: -d /etc/httpd, conf/httpd.conf, main server with a DocumentRoot, conf.d/ *.conf. */
static void rhel(void **state)
{
	static const struct expect cases[] = {
		{"main server", "/var/www/html", "/var/www/html/x.php", NULL, "main.test", CONFIG,
		 true},
		{"vhost", "/srv/v", NULL, NULL, "v.test", CONFIG, true},
		{"cgi-bin of all", "/srv/v", "/var/www/cgi-bin/x.cgi", "v.test", "v.test", CONFIG,
		 true},
	};
	struct apache_start start = {.config = "/etc/httpd/conf/httpd.conf"};
	_table_ = NULL;

	(void)state;
	put("/etc/httpd/conf/httpd.conf",
	    "ServerRoot \"/etc/httpd\"\nInclude conf.modules.d/*.conf\nServerName main.test:80\n"
	    "<Directory />\n    Require all denied\n</Directory>\nDocumentRoot \"/var/www/html\"\n"
	    "<IfModule alias_module>\n    ScriptAlias /cgi-bin/ "
	    "\"/var/www/cgi-bin/\"\n</IfModule>\n"
	    "IncludeOptional conf.d/*.conf\n");
	put("/etc/httpd/conf.modules.d/00-base.conf",
	    "LoadModule alias_module modules/mod_alias.so\n");
	put("/etc/httpd/conf.d/v.conf",
	    "<VirtualHost *:80>\nServerName http://v.test\nDocumentRoot /srv/v\n"
	    "</VirtualHost>\n");
	t = read_conf(start);
	check_answers(t, cases, array_size(cases));
}

static void language(void **state)
{
	static const struct expect cases[] = {
		{"Define and continuation", "/srv/one", NULL, NULL, "one.test", CONFIG, true},
		{"environment", "/srv/env", NULL, NULL, "env.test", CONFIG, true},
		{"environment is overridden", "/srv/defined", NULL, NULL, "over.test", CONFIG,
		 true},
		{"IfDefine on", "/srv/on", NULL, NULL, "on.test", CONFIG, true},
		{"IfDefine off", "/srv/off", NULL, NULL, NULL, 0, false},
		{"IfModule absent", "/srv/absent", NULL, NULL, NULL, 0, false},
		{"IfModule negated", "/srv/negated", NULL, NULL, "negated.test", CONFIG, true},
		{"IfModule loaded, by source", "/srv/loaded", NULL, NULL, "loaded.test", CONFIG,
		 true},
		{"IfVersion", "/srv/new", NULL, NULL, "new.test", CONFIG, true},
		{"IfVersion old", "/srv/old", NULL, NULL, NULL, 0, false},
		{"IfFile", "/srv/iffile", NULL, NULL, "iffile.test", CONFIG, true},
		{"macro", "/srv/sites/m1.test/web", NULL, NULL, "m1.test", CONFIG, true},
		{"macro again", "/srv/sites/m2.test/web", NULL, NULL, "m2.test", CONFIG, true},
		{"-C and -c", "/srv/after", NULL, NULL, "after.test", CONFIG, true},
		{"directory include", "/srv/deep", NULL, NULL, "deep.test", CONFIG, true},
		{"relative DocumentRoot", "/etc/apache2/rel/root", NULL, NULL, "rel.test", CONFIG,
		 true},
		{"blank in a path", "/srv/with blank", NULL, NULL, "blank.test", CONFIG, true},
		{"after a file that forgot its end", "/srv/sane", NULL, NULL, "sane.test", CONFIG,
		 true},
		{"Alias in Location", "/srv/sane", "/opt/located/x.php", NULL, "sane.test", CONFIG,
		 true},
	};
	static const char env[] = "HOME=/root\0SITE=env.test\0OVER=no.test";
	struct apache_start start = {.env = env, .env_len = sizeof(env)};
	_table_ = NULL;

	(void)state;
	assert_int_equal(strlist_add(&start.defines, "ON", 2), 0);
	assert_int_equal(strlist_add(&start.before, "Define EARLY yes", 16), 0);
	assert_int_equal(strlist_add(&start.after, "Include after.conf", 18), 0);
	put(CONF,
	    "LoadModule loaded_module /x/mod_loaded.so\n"
	    "Define BASE /srv\nDefine OVER over.test\n"
	    "# a comment \\\n<VirtualHost *:80>\n"
	    "<VirtualHost *:80>\nServerName \\\n  one.test\nDocumentRoot "
	    "${BASE}/one\n</VirtualHost>\r\n"
	    "<VirtualHost *:80>\nServerName ${SITE}\nDocumentRoot /srv/env\n</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName ${OVER}\nDocumentRoot /srv/defined\n</VirtualHost>\n"
	    "<IfDefine ON>\n<IfDefine EARLY>\n<VirtualHost *>\nServerName on.test\nDocumentRoot "
	    "/srv/on\n"
	    "</VirtualHost>\n</IfDefine>\n</IfDefine>\n"
	    "<IfDefine !ON>\n<Directory />\n</Directory>\n<VirtualHost *>\nServerName off.test\n"
	    "DocumentRoot /srv/off\n</VirtualHost>\n</IfDefine>\n"
	    "<IfModule mod_absent.c>\n<VirtualHost *>\nServerName x.test\nDocumentRoot "
	    "/srv/absent\n"
	    "</VirtualHost>\n</IfModule>\n"
	    "<IfModule !mod_absent.c>\n<VirtualHost *>\nServerName negated.test\nDocumentRoot "
	    "/srv/negated\n"
	    "</VirtualHost>\n</IfModule>\n"
	    "<IfModule mod_loaded.c>\n<VirtualHost *>\nServerName loaded.test\nDocumentRoot "
	    "/srv/loaded\n"
	    "</VirtualHost>\n</IfModule>\n"
	    "<IfVersion >= 2.4>\n<VirtualHost *>\nServerName new.test\nDocumentRoot /srv/new\n"
	    "</VirtualHost>\n</IfVersion>\n"
	    "<IfVersion < 2.4>\n<VirtualHost *>\nServerName old.test\nDocumentRoot /srv/old\n"
	    "</VirtualHost>\n</IfVersion>\n"
	    "<IfFile \"/etc/apache2/apache2.conf\">\n<VirtualHost *>\nServerName iffile.test\n"
	    "DocumentRoot /srv/iffile\n</VirtualHost>\n</IfFile>\n"
	    "<Macro Site $name $dir>\n<VirtualHost *:80>\nServerName $name\nDocumentRoot "
	    "$dir/$name/web\n"
	    "</VirtualHost>\n</Macro>\n"
	    "Use Site m1.test /srv/sites\nUSE site m2.test /srv/sites\nUse Unknown\n"
	    "Include dir\nInclude missing.conf\n"
	    "<VirtualHost *>\nServerName rel.test\nDocumentRoot rel/root\n</VirtualHost>\n"
	    "<VirtualHost *>\nServerName blank.test\nDocumentRoot '/srv/with "
	    "blank'\n</VirtualHost>\n"
	    "Include broken.conf\n"
	    "<VirtualHost *>\nServerName sane.test\nDocumentRoot /srv/sane\n<Location /l>\nAlias "
	    "/opt/located\n"
	    "</Location>\n<Files \"*.x\">\nServerName wrong.test\n</Files>\n</VirtualHost>\n");
	put("/etc/apache2/after.conf",
	    "<VirtualHost *>\nServerName after.test\nDocumentRoot /srv/after\n</VirtualHost>");
	put("/etc/apache2/dir/b/deep.conf",
	    "<VirtualHost *>\nServerName deep.test\nDocumentRoot /srv/deep\n"
	    "</VirtualHost>");
	put("/etc/apache2/broken.conf", "</Directory>\n<VirtualHost *>\n<Directory \"/x\n");
	t = read_conf(start);
	check_answers(t, cases, array_size(cases));
	strlist_clear(&start.defines);
	strlist_clear(&start.before);
	strlist_clear(&start.after);
}

static void vhosts(void **state)
{
	static const struct expect cases[] = {
		{"shared docroot, alias", "/srv/shared", NULL, "www.s2.test", "s2.test", CONFIG,
		 true},
		{"shared docroot, wildcard", "/srv/shared", NULL, "x.s3.test", "s3.test", CONFIG,
		 true},
		{"shared docroot, forged", "/srv/shared", NULL, "other.test", "s1.test", CONFIG,
		 false},
		{"docroot in a docroot", "/srv/shared/in", NULL, "s1.test", "in.test", CONFIG,
		 true},
		{"the main server is not reached", "/srv/main", NULL, NULL, "heir.test", CONFIG,
		 true},
		{"inherits the main docroot", "/srv/main", NULL, "heir.test", "heir.test", CONFIG,
		 true},
		{"named by the main server", "/srv/noname", NULL, NULL, "main.test", CONFIG, true},
		{"on an address, without a name", "/srv/addr", NULL, NULL, NULL, 0, false},
		{"VirtualDocumentRoot", "/srv/mass/x.test/web", NULL, "x.test", "x.test", CONFIG,
		 true},
		{"UseCanonicalName On", "/srv/canon/canon.test", NULL, "evil.test", "canon.test",
		 CONFIG, true},
		{"userdir of one vhost", "/srv/shared", "/people/joe/x.php", "s1.test", "s1.test",
		 CONFIG, true},
		{"link", "/srv/linked", NULL, NULL, "linked.test", CONFIG, true},
		{"link, resolved", "/data/real", "/data/real/x.php", NULL, "linked.test", CONFIG,
		 true},
	};
	struct apache_start start = {0};
	_table_ = NULL;

	(void)state;
	put_dir("/data");
	put_dir("/data/real");
	put_link("/srv/linked", "/data/real");
	put(CONF,
	    "Listen 80\nDocumentRoot /srv/main\n"
	    "<VirtualHost *:80>\nServerName s1.test\nDocumentRoot /srv/shared\nUserDir "
	    "/people\n</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName s2.test\nServerAlias a b www.s2.test\nDocumentRoot "
	    "/srv/shared\n"
	    "</VirtualHost>\n"
	    "<VirtualHost _default_:80>\nServerName s3.test\nServerAlias *.s3.test\nDocumentRoot "
	    "/srv/shared\n"
	    "</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName in.test\nDocumentRoot /srv/shared/in/\n</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName heir.test\n</VirtualHost>\n"
	    "<VirtualHost *:80>\nDocumentRoot /srv/noname\n</VirtualHost>\n"
	    "<VirtualHost 192.0.2.1:80>\nDocumentRoot /srv/addr\n</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName mass.test\nServerAlias *\nVirtualDocumentRoot "
	    "/srv/mass/%0/web\n"
	    "</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName canon.test\nUseCanonicalName On\n"
	    "VirtualDocumentRoot /srv/canon/%0\n</VirtualHost>\n"
	    "<VirtualHost *:80>\nServerName linked.test\nDocumentRoot /srv/linked\n</VirtualHost>\n"
	    "ServerName main.test\n");
	t = read_conf(start);
	check_answers(t, cases, array_size(cases));
}

/* Nothing a file holds makes the reader run on, or out of its bounds. */
static void hostile(void **state)
{
	static const struct expect cases[] = {
		{"what is sane is still read", "/srv/a", NULL, NULL, "a.test", CONFIG, true},
	};
	_free_ char *big = malloc(1 << 20);
	struct apache_start start = {0};
	_table_ = NULL;

	(void)state;
	memset(big, 'x', 1 << 20);
	put_bytes("/etc/apache2/long.conf", big, 1 << 20);
	memset(big, '<', 1 << 16);
	put_bytes("/etc/apache2/angles.conf", big, 1 << 16);
	for (size_t i = 0; i < 3000; i++)
		memcpy(big + i * 4, "<a>\n", 4);
	put_bytes("/etc/apache2/nest.conf", big, 12000);
	put_bytes("/etc/apache2/nul.conf", "Server\0Name x\n\0\0<\0", 18);
	put_dir("/etc/apache2/a.conf.d");
	assert_int_equal(mkfifo(fixture_path("/etc/apache2/fifo.conf"), 0600), 0);
	put(CONF, "Include apache2.conf\nInclude long.conf angles.conf nest.conf nul.conf "
		  "fifo.conf a.conf.d\n"
		  "Include ../../../../../../../etc/apache2/*.conf\n"
		  "<Macro m $x>\nUse m $x$x\nUse m $x\n</Macro>\nUse m y\n"
		  "<Macro>\nx\n</Macro>\nUse\nDefine\nUnDefine\nLoadModule\nServerName\n<>\n</"
		  ">\n<VirtualHost>\n"
		  "</VirtualHost>\nServerName ${\nServerName ${${X}\nDefine E ${E}${E}\n"
		  "<VirtualHost *:80>\nServerName a.test\nDocumentRoot /srv/a\n</VirtualHost>\n");
	t = read_conf(start);
	check_answers(t, cases, array_size(cases));
}

/* A tree like /proc with one server, for user/web/servers. */
static void put_process(int pid, int parent, const char *exe, const char *cmdline,
			size_t cmdline_len, int uid)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	put_link(path, exe);
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	put_link(path, fixture);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	put_bytes(path, cmdline, cmdline_len);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (a) b) c) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0\n",
		 pid, parent, 7000 + pid);
	put(path, text);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\tx\nUid:\t%d\t%d\t%d\t%d\n", uid, uid, uid, uid);
	put(path, text);
}

#define BYTES(s) s, sizeof(s)

static void running(void **state)
{
	static const struct expect cases[] = {
		{"-f, -d and -D", "/srv/f", "/srv/f/x.php", NULL, "f.test", CONFIG, true},
		{"Debian's envvars", "/srv/dflt", NULL, NULL, "envvars.test", CONFIG, true},
		{"nginx -c and -p", "/opt/ngx/web", NULL, NULL, "ngx.test", CONFIG, true},
		{"a user's own httpd is not believed", "/srv/fake", NULL, NULL, NULL, 0, false},
		{"DirectAdmin's layout", NULL, "/home/u/domains/da.test/public_html/x.php", NULL,
		 "da.test", EVIDENCE_LAYOUT, false},
	};
	struct servers *s __attribute__((cleanup(servers_freep)));
	struct server_info info;
	char proc[4096];
	_table_ = NULL;

	(void)state;
	put_process(10, 1, "/opt/web/httpd", BYTES("httpd\0-f\0my.conf\0-d/opt/conf\0-DLIVE"), 0);
	put_process(11, 10, "/opt/web/httpd", BYTES("httpd\0-f\0my.conf"), 33);
	put_process(20, 1, "/usr/sbin/apache2 (deleted)", BYTES("/usr/sbin/apache2\0-k\0start"), 0);
	put_process(30, 1, "/usr/sbin/nginx",
		    BYTES("nginx: master process nginx -g daemon on; -c etc/n.conf -p /opt/ngx"),
		    0);
	put_process(40, 1, "/home/evil/httpd", BYTES("httpd\0-f\0/home/evil/httpd.conf"), 1001);
	snprintf(proc, sizeof(proc), "%s", fixture_path("/proc/self/x"));
	*strrchr(proc, '/') = '\0';
	put_link("/proc/self/root", fixture);
	*strrchr(proc, '/') = '\0';
	put("/opt/conf/my.conf",
	    "<IfDefine LIVE>\n<VirtualHost *>\nServerName f.test\nDocumentRoot /srv/f\n"
	    "</VirtualHost>\n</IfDefine>\n");
	put("/etc/apache2/envvars",
	    "unset HOME\nexport NAME=envvars$SUFFIX.test # x\nexport APACHE_X=/y\n");
	put(CONF, "<VirtualHost *>\nServerName ${NAME}\nDocumentRoot /srv/dflt\n</VirtualHost>\n");
	put("/opt/ngx/etc/n.conf", "http { server { server_name ngx.test; root web; } }");
	put("/home/evil/httpd.conf",
	    "<VirtualHost *>\nServerName f.test\nDocumentRoot /srv/fake\n</VirtualHost>\n");
	put_dir("/usr");
	put_dir("/usr/local");
	put_dir("/usr/local/directadmin");
	s = servers_new(proc);
	assert_non_null(s);
	assert_int_equal(servers_read(s, &t), 0);
	assert_int_equal(servers_count(s), 3);
	servers_info(s, 0, &info);
	assert_int_equal(info.pid, 10);
	assert_int_equal(info.vhosts, 2);
	check_answers(t, cases, array_size(cases));

	for (int i = 0; i < 12; i++)
		assert_false(servers_changed(s));
	put("/opt/ngx/etc/n.conf", "http { server { server_name other.test; root web; } }");
	assert_true(servers_changed(s) || servers_changed(s));
	vhost_table_free(t);
	t = NULL;
	assert_int_equal(servers_read(s, &t), 0);
	/* A restart: first the old one is gone, then a new one is there. */
	assert_int_equal(unlink(fixture_path("/proc/20/exe")), 0);
	assert_int_equal(unlink(fixture_path("/proc/20/stat")), 0);
	assert_false(servers_changed(s));
	put_process(21, 1, "/usr/sbin/apache2", BYTES("/usr/sbin/apache2\0-k\0start"), 0);
	assert_false(servers_changed(s));
	assert_true(servers_changed(s));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(debian), CASE(rhel),    CASE(language),
		CASE(vhosts), CASE(hostile), CASE(running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
