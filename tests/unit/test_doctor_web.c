// SPDX-License-Identifier: GPL-2.0-only
/* The doctor's looks at Exim and at the web side. */
#include "doctor_fixture.h"

static void exim_relay_hosts(void **state)
{
	static const struct {
		const char *text;
		enum doctor_level level;
		const char *part;
	} cases[] = {
		{"hostlist relay_from_hosts = localhost : 10.0.0.0/8\n", DOCTOR_OK, "no wide"},
		{"hostlist   relay_from_hosts = 127.0.0.1 : ::::1 : 203.0.0.0/16\n", DOCTOR_WARNING,
		 "203.0.0.0/16"},
		{"hostlist relay_from_hosts = <; 127.0.0.1 ; ::1 ; 0.0.0.0/0\n", DOCTOR_BAD,
		 "0.0.0.0/0"},
		{"hostlist relay_from_hosts = *\n", DOCTOR_BAD, ": *"},
		{"hostlist relay_from_hosts = !203.0.0.0/8 : net-iplsearch;/etc/relayhosts\n",
		 DOCTOR_UNKNOWN, "1 items"},
		{".ifndef MAIN_RELAY_NETS\nMAIN_RELAY_NETS=: 127.0.0.1 : 198.0.0.0/8\n.endif\n"
		 "hostlist relay_from_hosts = MAIN_RELAY_NETS\n",
		 DOCTOR_BAD, "198.0.0.0/8"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct tree t;

		tree_make(&t);
		tree_put(&t, "/etc/exim.conf", cases[i].text, 0644);
		doctor_exim(&t.d);
		assert_found(&t, cases[i].level, "relay-networks", cases[i].part);
		if (cases[i].level != DOCTOR_OK)
			assert_not_found(&t, DOCTOR_OK, "relay-networks");
		tree_remove(&t);
	}
}

static void exim_debian_and_cpanel(void **state)
{
	struct tree t;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/etc/exim4/update-exim4.conf.conf",
		 "dc_local_interfaces='127.0.0.1'\ndc_relay_nets='192.168.0.0/16;203.0.0.0/15'\n",
		 0644);
	tree_put(&t, "/etc/valiases/fail.example", "x: y\n*: :fail: no such user\n", 0644);
	tree_put(&t, "/etc/valiases/hole.example", "*: :blackhole:\n", 0644);
	tree_put(&t, "/etc/valiases/fwd.example", "*: boss@elsewhere.example\n", 0644);
	tree_put(&t, "/etc/valiases/acct.example", "*: acct\n", 0644);
	tree_put(&t, "/etc/valiases/pipe.example", "*: \"|/home/x/script\"\n", 0644);
	doctor_exim(&t.d);
	assert_found(&t, DOCTOR_BAD, "relay-networks", "203.0.0.0/15");
	assert_found(&t, DOCTOR_OK, "catch-all", "1 of 5 domains reject");
	assert_found(&t, DOCTOR_OK, "catch-all", "throw");
	assert_found(&t, DOCTOR_WARNING, "catch-all", "fwd.example");
	assert_found(&t, DOCTOR_WARNING, "catch-all", "acct.example");
	assert_found(&t, DOCTOR_WARNING, "catch-all", "pipe.example");
	tree_remove(&t);
}

static void php_and_sendmail(void **state)
{
	struct tree t;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/etc/php/8.2/fpm/php.ini", "[mail function]\nmail.add_x_header = On\n", 0644);
	tree_put(&t, "/etc/php/8.2/cli/php.ini",
		 "mail.add_x_header = Off ; really\n;mail.add_x_header = On\n", 0644);
	tree_put(&t, "/opt/plesk/php/8.1/etc/php.ini",
		 "sendmail_path = \"/usr/local/bin/wrap -t -i\"\n", 0644);
	tree_put(&t, "/etc/php/8.2/fpm/pool.d/a.conf",
		 "[a]\nphp_admin_value[sendmail_path] = /srv/own-sendmail\n", 0644);
	tree_put(&t, "/usr/local/bin/wrap", "#!/bin/sh\n", 0755);
	tree_put(&t, "/srv/own-sendmail", "#!/bin/sh\n", 0755);
	tree_put(&t, "/usr/sbin/sendmail", "\177ELF", 0755);
	doctor_web(&t.d);
	assert_found(&t, DOCTOR_WARNING, "add-x-header", "2 of 3 php.ini");
	assert_found(&t, DOCTOR_WARNING, "sendmail-wrapper", "/usr/local/bin/wrap (/opt/plesk");
	assert_int_equal(found(&t, DOCTOR_WARNING, "sendmail-wrapper", "")->names.n, 2);
	forget(&t);
	tree_put(&t, "/usr/sbin/sendmail", "#!/bin/sh\n", 0755);
	doctor_web(&t.d);
	assert_int_equal(
		found(&t, DOCTOR_WARNING, "sendmail-wrapper", "/usr/sbin/sendmail")->names.n, 3);
	tree_remove(&t);
}

static void document_roots(void **state)
{
	char link[128];
	struct tree t;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/var/www/vhosts/good.example/httpdocs/index.php", "<?php", 0644);
	doctor_web(&t.d);
	assert_found(&t, DOCTOR_OK, "world-writable", "1 document roots");
	forget(&t);
	tree_put(&t, "/var/www/vhosts/bad.example/httpdocs", NULL, 0777);
	tree_put(&t, "/home/joe/public_html/config.php", "<?php", 0666);
	tree_put(&t, "/home/ann/public_html/tmp", NULL, 01777); /* sticky, like /tmp */
	tree_put(&t, "/home/ann/public_html/wp-content/uploads/mailer.php", "<?php", 0644);
	tree_put(&t, "/home/ann/public_html/wp-content/uploads/index.php", "<?php", 0644);
	/* a customer's link out of his tree is not followed */
	tree_put(&t, "/home/eve/x", "", 0644);
	tree_put(&t, "/secret/open", "", 0666);
	snprintf(link, sizeof(link), "%s/home/eve/public_html", t.root);
	assert_int_equal(symlink("../../secret", link), 0);
	doctor_web(&t.d);
	assert_found(&t, DOCTOR_WARNING, "world-writable", "2 files or directories");
	assert_found(&t, DOCTOR_WARNING, "world-writable", "/var/www/vhosts/bad.example/httpdocs");
	assert_found(&t, DOCTOR_WARNING, "world-writable", "/home/joe/public_html/config.php");
	assert_found(&t, DOCTOR_WARNING, "php-in-uploads", "1 PHP files");
	tree_remove(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(exim_relay_hosts),
		cmocka_unit_test(exim_debian_and_cpanel),
		cmocka_unit_test(php_and_sendmail),
		cmocka_unit_test(document_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
