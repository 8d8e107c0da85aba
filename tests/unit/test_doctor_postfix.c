// SPDX-License-Identifier: GPL-2.0-only
#include "doctor_fixture.h"

#include "doctor/postfix_conf.h"

static void values_are_expanded(void **state)
{
	static const char text[] = "# comment\n"
				   "a = one\n"
				   "b = $a ${a} $(a)\n"
				   "list = x,\n"
				   "# in between\n"
				   "\n"
				   "   y\n"
				   "\tz\n"
				   "a = two\n"
				   "loop = $loop x\n"
				   "empty =\n"
				   "cond = ${a?yes}${none?no}${none:else} ${a?{1}:{2}}\n"
				   "dollar = $$a\n"
				   "wide = $list $list $list $list $list $list $list $list\n"
				   "open = ${a\n"
				   "last = $";
	static const struct {
		const char *name, *value;
	} cases[] = {
		{"a", "two"},  {"b", "two two two"},  {"list", "x,    y \tz"},
		{"empty", ""}, {"none", NULL},        {"dollar", "$a"},
		{"last", "$"}, {"cond", "yeselse 1"},
	};
	struct postfix_conf c = {0};

	(void)state;
	assert_int_equal(postfix_conf_parse(text, &c), 0);
	for (size_t i = 0; i < array_size(cases); i++) {
		_free_ char *v = postfix_value(&c, NULL, cases[i].name);

		if (!cases[i].value)
			assert_null(v);
		else
			assert_string_equal(v ? v : "(null)", cases[i].value);
	}
	for (size_t i = 0; i < 2; i++) {
		_free_ char *v = postfix_value(&c, NULL, i ? "open" : "loop");

		assert_true(strlen(v) < 65537);
	}
	postfix_conf_free(&c);
}

/* Each variable names the one before eight times; an empty one grows nothing and must end all the
 * same. */
static void expansion_is_bounded(void **state)
{
	(void)state;
	for (int empty = 0; empty < 2; empty++) {
		struct postfix_conf c = {0};
		char text[4096];
		size_t n = (size_t)snprintf(text, sizeof(text), "v0 = %s\n",
					    empty ? "" : "0123456789");
		_free_ char *v = NULL;

		for (int i = 1; i < 15; i++) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "v%d =", i);
			for (int k = 0; k < 8; k++)
				n += (size_t)snprintf(text + n, sizeof(text) - n, " ${v%d}", i - 1);
			n += (size_t)snprintf(text + n, sizeof(text) - n, "\n");
		}
		assert_int_equal(postfix_conf_parse(text, &c), 0);
		v = postfix_value(&c, NULL, "v14");
		assert_true(strlen(v) <= 65536);
		postfix_conf_free(&c);
	}
}

static void services_have_their_own_settings(void **state)
{
	static const char text[] =
		"smtp      inet  n       -       y       -       -       smtpd\n"
		"submission inet n       -       y       -       -       smtpd\n"
		"  -o syslog_name=postfix/submission\n"
		"#  -o smtpd_relay_restrictions=permit\n"
		"  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
		"  -o { mynetworks = 10.0.0.0/8, 1.2.3.4 }\n"
		"pickup    unix  n       -       y       60      1       pickup\n"
		"broken\n";
	struct postfix_services s = {0};
	struct postfix_conf c = {0};
	_free_ char *relay = NULL, *networks = NULL, *global = NULL;

	(void)state;
	assert_int_equal(postfix_conf_parse("mynetworks = 1.1.1.1\n", &c), 0);
	assert_int_equal(postfix_services_parse(text, &s), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[1].name, "submission");
	assert_string_equal(s.v[1].command, "smtpd");
	assert_int_equal(s.v[1].n, 3);
	relay = postfix_value(&c, &s.v[1], "smtpd_relay_restrictions");
	networks = postfix_value(&c, &s.v[1], "mynetworks");
	global = postfix_value(&c, &s.v[0], "mynetworks");
	assert_string_equal(relay, "permit_sasl_authenticated,reject");
	assert_string_equal(networks, "10.0.0.0/8, 1.2.3.4");
	assert_string_equal(global, "1.1.1.1");
	postfix_services_free(&s);
	postfix_conf_free(&c);
}

#define MASTER                                                                                     \
	"smtp inet n - y - - smtpd\n"                                                              \
	"127.0.0.1:10025 inet n - y - - smtpd -o smtpd_relay_restrictions=permit\n"

static const struct look {
	const char *main_cf, *master_cf;
	struct {
		enum doctor_level level;
		const char *check, *part;
	} expect[4];
} looks[] = {
	{"myhostname = a\n",
	 MASTER,
	 {{DOCTOR_OK, "open-relay", "smtp"},
	  {DOCTOR_OK, "mynetworks", ""},
	  {DOCTOR_OK, "bounce-unknown", "rejected"},
	  {DOCTOR_OK, "submit-users", "every local user"}}},
	{"smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks,permit\n",
	 MASTER,
	 {{DOCTOR_BAD, "open-relay", "permit everybody"}}},
	{"smtpd_relay_restrictions = permit_mynetworks\n",
	 MASTER,
	 {{DOCTOR_BAD, "open-relay", "no reject_unauth"}}},
	{"smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks\n  "
	 "reject_unauth_destination\n",
	 MASTER,
	 {{DOCTOR_OK, "open-relay", ""}}},
	/* closed for all but one service */
	{"myhostname = a\n",
	 MASTER "2525 inet n - y - - smtpd\n  -o smtpd_relay_restrictions=permit\n",
	 {{DOCTOR_OK, "open-relay", "smtp"}, {DOCTOR_BAD, "open-relay", "service 2525"}}},
	{"net = 0.0.0.0/0\nmynetworks = 127.0.0.0/8, !10.0.0.1 $net 203.0.112.0/20\n",
	 MASTER,
	 {{DOCTOR_BAD, "mynetworks", "0.0.0.0/0"},
	  {DOCTOR_WARNING, "mynetworks", "203.0.112.0/20"}}},
	{"mynetworks = /etc/postfix/networks, cidr:/etc/postfix/cidr hash:/etc/postfix/missing\n",
	 MASTER,
	 {{DOCTOR_BAD, "mynetworks", "8.0.0.0/8"},
	  {DOCTOR_WARNING, "mynetworks", "203.0.0.0/16"},
	  {DOCTOR_UNKNOWN, "mynetworks", "1 tables"}}},
	{"mynetworks_style = class\n", MASTER, {{DOCTOR_BAD, "mynetworks", "address class"}}},
	{"mynetworks_style = subnet\n", MASTER, {{DOCTOR_WARNING, "mynetworks", "subnet"}}},
	{"local_recipient_maps =\nluser_relay = all@example.org\n",
	 MASTER,
	 {{DOCTOR_WARNING, "luser-relay", "all@example.org"}}},
	{"luser_relay = all@example.org\n",
	 MASTER,
	 {{DOCTOR_OK, "luser-relay", "rejected before"}, {DOCTOR_OK, "bounce-unknown", ""}}},
	{"local_recipient_maps = \n", MASTER, {{DOCTOR_WARNING, "bounce-unknown", "then bounced"}}},
	{"relay_domains = b.example\n", MASTER, {{DOCTOR_WARNING, "relay-unknown", ""}}},
	{"virtual_maps = hash:/etc/postfix/virtual\nvirtual_alias_maps = $virtual_maps, "
	 "mysql:/etc/x "
	 "proxy:hash:/etc/postfix/more\n",
	 MASTER,
	 {{DOCTOR_WARNING, "catch-all", "a.example, b.example"},
	  {DOCTOR_UNKNOWN, "catch-all", "mysql:/etc/x"}}},
	{"authorized_submit_users = !www-data, static:all\n",
	 NULL,
	 {{DOCTOR_OK, "submit-users", "!www-data"}}},
};

static void configurations_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(looks); i++) {
		struct tree t;

		tree_make(&t);
		tree_put(&t, "/etc/postfix/main.cf", looks[i].main_cf, 0644);
		if (looks[i].master_cf)
			tree_put(&t, "/etc/postfix/master.cf", looks[i].master_cf, 0644);
		tree_put(&t, "/etc/postfix/networks", "# mine\n10.0.0.0/8\n8.0.0.0/8\n", 0644);
		tree_put(&t, "/etc/postfix/cidr", "203.0.0.0/16 OK\n", 0644);
		tree_put(&t, "/etc/postfix/virtual",
			 "#@no.example x\nx@a.example y\n@a.example z@c.example\n@mapped.example "
			 "@a.example\n",
			 0644);
		tree_put(&t, "/etc/postfix/more", "@b.example\tz\n", 0644);
		doctor_postfix(&t.d);
		for (size_t k = 0; k < array_size(looks[i].expect) && looks[i].expect[k].check;
		     k++) {
			const char *check = looks[i].expect[k].check;

			assert_found(&t, looks[i].expect[k].level, check, looks[i].expect[k].part);
			if (!strcmp(check, "mynetworks") && looks[i].expect[k].level != DOCTOR_OK)
				assert_not_found(&t, DOCTOR_OK, check);
		}
		tree_remove(&t);
	}
}

static void own_domains_are_not_relayed(void **state)
{
	struct tree t;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/etc/postfix/main.cf",
		 "mydestination = a, b\nrelay_domains = $mydestination\n", 0644);
	doctor_postfix(&t.d);
	assert_not_found(&t, DOCTOR_WARNING, "relay-unknown");
	tree_remove(&t);
}

static void a_filter_on_loopback_is_no_open_relay(void **state)
{
	struct tree t;

	(void)state;
	tree_make(&t);
	tree_put(&t, "/etc/postfix/main.cf", "myhostname = a\n", 0644);
	tree_put(&t, "/etc/postfix/master.cf", MASTER, 0644);
	doctor_postfix(&t.d);
	assert_not_found(&t, DOCTOR_BAD, "open-relay");
	tree_remove(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_expanded),
		cmocka_unit_test(expansion_is_bounded),
		cmocka_unit_test(services_have_their_own_settings),
		cmocka_unit_test(configurations_are_judged),
		cmocka_unit_test(own_domains_are_not_relayed),
		cmocka_unit_test(a_filter_on_loopback_is_no_open_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
