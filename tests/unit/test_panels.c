// SPDX-License-Identifier: GPL-2.0-only
#include "web_fixture.h"

#include "base/cleanup.h"
#include "web/panels.h"

#define _table_ struct vhost_table *t __attribute__((cleanup(vhost_table_freep)))

static struct vhost_table *read_panels(uint32_t want)
{
	struct vhost_table *t = vhost_table_new();
	struct rootfs fs = {.fd = -1};

	assert_int_equal(rootfs_open(&fs, fixture), 0);
	strcpy(fs.prefix, fixture);
	assert_int_equal(panels_find(&fs), want);
	assert_true(panels_read(&fs, t) >= 0);
	rootfs_free(&fs);
	return t;
}

#define LAYOUT EVIDENCE_LAYOUT

static void none(void **state)
{
	static const struct expect cases[] = {
		{"no panel, no layout", NULL, "/var/www/vhosts/a.test/httpdocs/x.php", NULL, NULL,
		 0, false},
	};
	_table_ = NULL;

	(void)state;
	t = read_panels(0);
	check_answers(t, cases, array_size(cases));
}

static void plesk(void **state)
{
	static const struct expect cases[] = {
		{"layout", NULL, "/var/www/vhosts/a.test/httpdocs/x.php", "evil.test", "a.test",
		 LAYOUT, false},
		{"another docroot of the domain", "/var/www/vhosts/a.test/shop", NULL, NULL,
		 "shop.test", LAYOUT, false},
	};
	_table_ = NULL;

	(void)state;
	put("/usr/local/psa/version", "18");
	put("/var/www/vhosts/system/shop.test/conf/httpd.conf",
	    "<VirtualHost 192.0.2.1:443 >\n\t\tServerName \"shop.test:443\"\n\t\tServerAlias "
	    "\"www.shop.test\"\n"
	    "\t\tDocumentRoot \"/var/www/vhosts/a.test/shop\"\n</VirtualHost>\n");
	t = read_panels(1U << VHOST_PLESK);
	check_answers(t, cases, array_size(cases));
}

static void cpanel(void **state)
{
	static const struct expect cases[] = {
		{"main domain", "/home/joe/public_html", "/home/joe/public_html/x.php", NULL,
		 "main.test", LAYOUT, false},
		{"addon domain", NULL, "/home/joe/addon/x.php", NULL, "addon.main.test", LAYOUT,
		 false},
		{"hostile lines", NULL, "/home/evil/x.php", NULL, NULL, 0, false},
	};
	_table_ = NULL;

	(void)state;
	put_dir("/var");
	put_dir("/var/cpanel");
	put("/etc/userdatadomains",
	    "main.test: "
	    "joe==root==main==main.test==/home/joe/"
	    "public_html==192.0.2.1:80====192.0.2.1:443==0==ea-php82\n"
	    "parked.test: joe==root==parked==main.test==/home/joe/public_html==192.0.2.1:80====\n"
	    "addon.test: joe==root==addon==addon.main.test==/home/joe/addon==192.0.2.1:80====\n"
	    "x.test: evil==root==main==bad name==/home/evil==\ny.test: a==b\n: ==\n\x1b[2J: "
	    "====\n");
	t = read_panels(1U << VHOST_CPANEL);
	check_answers(t, cases, array_size(cases));
}

static void cpanel_userdata(void **state)
{
	static const struct expect cases[] = {
		{"userdata", NULL, "/home/joe/public_html/x.php", NULL, "main.test", LAYOUT, false},
	};
	_table_ = NULL;

	(void)state;
	put("/var/cpanel/userdata/joe/main", "main_domain: main.test\n");
	put("/var/cpanel/userdata/joe/main.test",
	    "---\ndocumentroot: /home/joe/public_html\ngroup: joe\nservername: main.test\nuser: "
	    "joe\n");
	put("/var/cpanel/userdata/joe/main.test.cache", "\x01\x02");
	t = read_panels(1U << VHOST_CPANEL);
	check_answers(t, cases, array_size(cases));
}

static void ispconfig(void **state)
{
	static const struct expect cases[] = {
		{"by the link", NULL, "/var/www/i.test/web/x.php", NULL, "i.test", LAYOUT, false},
		{"by what it leads to", NULL, "/var/www/clients/client1/web2/web/x.php", NULL,
		 "i.test", LAYOUT, false},
	};
	_table_ = NULL;

	(void)state;
	put("/usr/local/ispconfig/x", "");
	put("/var/www/clients/client1/web2/web/x.php", "");
	put_link("/var/www/i.test", "/var/www/clients/client1/web2/");
	put_link("/var/www/evil.test", "/etc");
	t = read_panels(1U << VHOST_ISPCONFIG);
	check_answers(t, cases, array_size(cases));
}

static void virtualmin(void **state)
{
	static const struct expect cases[] = {
		{"domain file", NULL, "/home/v/public_html/x.php", NULL, "v.test", LAYOUT, false},
		{"layout of a sub-server", NULL, "/home/v/domains/sub.test/public_html/x.php", NULL,
		 "sub.test", LAYOUT, false},
	};
	_table_ = NULL;

	(void)state;
	put("/etc/webmin/virtual-server/domains/1234",
	    "dom=v.test\nhome=/home/v\npublic_html_path=/home/v/public_html\n");
	put("/etc/webmin/virtual-server/domains/5678", "dom=broken.test\n");
	t = read_panels(1U << VHOST_VIRTUALMIN);
	check_answers(t, cases, array_size(cases));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(none),      CASE(plesk),      CASE(cpanel), CASE(cpanel_userdata),
		CASE(ispconfig), CASE(virtualmin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
