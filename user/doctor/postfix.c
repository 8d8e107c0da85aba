// SPDX-License-Identifier: GPL-2.0-only
/* Postfix: who may relay, and what becomes of mail to users that do not exist (postconf(5)). */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor/nets.h"
#include "doctor/postfix_conf.h"

#define AREA      "postfix"
#define MAIN      "/etc/postfix/main.cf"
#define MASTER    "/etc/postfix/master.cf"
#define ITEMS_MAX 10000

/* A restriction list holds one of these, or Postfix refuses mail (postconf(5),
 * smtpd_relay_restrictions). */
static const char *const closing[] = {
	"reject_unauth_destination", "defer_unauth_destination", "reject", "defer",
	"defer_if_permit",           "check_relay_domains"};

enum list_verdict {
	LIST_SILENT, /* says nothing about destinations that are not ours */
	LIST_CLOSED, /* refuses them */
	LIST_OPEN,   /* permits everybody before it could */
};

static enum list_verdict list_verdict(const char *value)
{
	_free_ char *copy = strdup(value);
	char *cursor = copy, *item;

	while (copy && (item = postfix_item(&cursor))) {
		if (strcmp(item, "permit") == 0)
			return LIST_OPEN;
		for (size_t i = 0; i < array_size(closing); i++)
			if (strcmp(item, closing[i]) == 0)
				return LIST_CLOSED;
	}
	return LIST_SILENT;
}

/* A list is passed only if both permit: one closed list is enough. */
static void relay_restrictions(struct doctor *d, const struct postfix_conf *c,
			       const struct postfix_service *s)
{
	_free_ char *relay = postfix_value(c, s, "smtpd_relay_restrictions");
	_free_ char *recipient = postfix_value(c, s, "smtpd_recipient_restrictions");
	/* the default since 2.10 ends in defer_unauth_destination */
	enum list_verdict first = relay ? list_verdict(relay) : LIST_CLOSED;
	enum list_verdict second = recipient ? list_verdict(recipient) : LIST_SILENT;
	const char *service = s ? s->name : "smtp";

	if (first == LIST_CLOSED || second == LIST_CLOSED) {
		doctor_say(d, DOCTOR_OK, AREA, "open-relay", NULL, NULL,
			   "service %s refuses to relay for strangers", service);
		return;
	}
	doctor_say(
		d, DOCTOR_BAD, AREA, "open-relay",
		"put reject_unauth_destination into smtpd_relay_restrictions, then: postfix reload",
		NULL, "service %s: %s", service,
		first == LIST_OPEN || second == LIST_OPEN
			? "its restrictions permit everybody before reject_unauth_destination: an "
			  "open relay"
			: "no reject_unauth_destination in its restrictions: open, or refusing all "
			  "mail");
}

struct networks {
	struct doctor_names wide, huge;
	size_t items, unread;
};

static void judge_network(struct networks *n, const char *item)
{
	enum net_width width = net_width(item);

	n->items++;
	if (width == NET_HUGE)
		doctor_name(&n->huge, item);
	else if (width == NET_WIDE)
		doctor_name(&n->wide, item);
}

/* A file of patterns, or a table whose first column is one. */
static void networks_file(struct doctor *d, const char *path, struct networks *n)
{
	_free_ char *text = NULL;
	char *cursor, *line;

	if (doctor_read(d, path, &text, NULL) != 0) {
		n->unread++;
		return;
	}
	cursor = text;
	while ((line = doctor_line(&cursor)) && n->items < ITEMS_MAX) {
		line = doctor_trim(line);
		line[strcspn(line, " \t,")] = '\0';
		if (*line && *line != '#' && *line != '!')
			judge_network(n, line);
	}
}

static void mynetworks(struct doctor *d, const struct postfix_conf *c,
		       const struct postfix_service *s)
{
	_free_ char *value = postfix_value(c, s, "mynetworks");
	_free_ char *style = postfix_value(c, s, "mynetworks_style");
	struct networks n = {0};
	char *cursor = value, *item;
	bool fine;

	if (!value && style && strcmp(style, "host") != 0) {
		bool class = strcmp(style, "class") == 0;

		doctor_say(d, class ? DOCTOR_BAD : DOCTOR_WARNING, AREA, "mynetworks",
			   "set mynetworks = 127.0.0.0/8 [::1]/128 and what you own", NULL,
			   "mynetworks_style = %s lets every machine of this host's %s relay",
			   style, class ? "address class" : "subnet");
		return;
	}
	while (value && (item = postfix_item(&cursor)) && n.items < ITEMS_MAX) {
		char *colon = strchr(item, ':');

		if (*item == '!')
			continue;
		if (*item == '/')
			networks_file(d, item, &n);
		else if (colon && colon[1] == '/' && net_width(item) == NET_NONE)
			networks_file(d, colon + 1, &n);
		else
			judge_network(&n, item);
	}
	/* before doctor_say(), which takes the names */
	fine = !n.huge.all && !n.wide.all && !n.unread;
	if (n.huge.all)
		doctor_say(d, DOCTOR_BAD, AREA, "mynetworks",
			   "remove them: whoever is in mynetworks sends without a password",
			   &n.huge, "mynetworks lets huge networks relay");
	if (n.wide.all)
		doctor_say(d, DOCTOR_WARNING, AREA, "mynetworks",
			   "name single hosts, or nothing wider than a /24 of your own", &n.wide,
			   "mynetworks lets wide public networks relay");
	if (n.unread)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "mynetworks", NULL, NULL,
			   "mynetworks: %zu tables or files could not be read as text", n.unread);
	if (fine)
		doctor_say(d, DOCTOR_OK, AREA, "mynetworks", NULL, NULL,
			   "mynetworks: no wide public network");
	doctor_names_clear(&n.huge);
	doctor_names_clear(&n.wide);
}

static void unknown_users(struct doctor *d, const struct postfix_conf *c)
{
	_free_ char *luser = postfix_value(c, NULL, "luser_relay");
	_free_ char *local = postfix_value(c, NULL, "local_recipient_maps");
	_free_ char *relay = postfix_value(c, NULL, "relay_domains");
	_free_ char *relay_to = postfix_value(c, NULL, "relay_recipient_maps");
	_free_ char *ours = postfix_value(c, NULL, "mydestination");
	bool accepts = local && !*local;

	if (luser && *luser && accepts)
		doctor_say(d, DOCTOR_WARNING, AREA, "luser-relay",
			   "remove luser_relay and the empty local_recipient_maps", NULL,
			   "luser_relay = %s takes mail to every unknown local user", luser);
	else if (accepts)
		doctor_say(d, DOCTOR_WARNING, AREA, "bounce-unknown",
			   "remove the line: Postfix then rejects unknown users itself", NULL,
			   "local_recipient_maps is empty: unknown local users are accepted, then "
			   "bounced");
	else
		doctor_say(d, DOCTOR_OK, AREA, "bounce-unknown", NULL, NULL,
			   "unknown local users are rejected in the SMTP dialogue");
	if (luser && *luser && !accepts)
		doctor_say(d, DOCTOR_OK, AREA, "luser-relay", NULL, NULL,
			   "luser_relay = %s is set, but unknown users are rejected before it",
			   luser);
	/* "relay_domains = $mydestination" adds nothing: those are local */
	if (relay && *relay && !(ours && strcmp(relay, ours) == 0) && (!relay_to || !*relay_to))
		doctor_say(d, DOCTOR_WARNING, AREA, "relay-unknown",
			   "list the valid recipients in relay_recipient_maps", NULL,
			   "relay_domains without relay_recipient_maps: mail to unknown users "
			   "there is "
			   "accepted and bounces");
}

/* "@domain   target": all of a domain. Counted in `names` as the domain. */
static void alias_table(struct doctor *d, const char *path, struct doctor_names *names,
			size_t *unread)
{
	_free_ char *text = NULL;
	char *cursor, *line;

	if (doctor_read(d, path, &text, NULL) != 0) {
		++*unread;
		return;
	}
	cursor = text;
	while ((line = doctor_line(&cursor))) {
		size_t n;

		if (*line != '@')
			continue;
		n = strcspn(line, " \t");
		/* "@a @b" maps a domain onto another: unknown users stay unknown */
		if (line[n] && *(line + n + strspn(line + n, " \t")) == '@')
			continue;
		line[n] = '\0';
		doctor_name(names, line + 1);
	}
}

static void catch_all(struct doctor *d, const struct postfix_conf *c)
{
	static const char *const maps[] = {"virtual_alias_maps", "virtual_maps",
					   "virtual_mailbox_maps"};
	static const char *const text_types[] = {
		"hash:", "texthash:", "lmdb:", "btree:", "cdb:", "dbm:", "sdbm:"};
	struct doctor_names names = {0}, unread = {0};
	size_t tables = 0;

	for (size_t m = 0; m < array_size(maps); m++) {
		_free_ char *value = postfix_value(c, NULL, maps[m]);
		char *cursor = value, *item;

		while (value && (item = postfix_item(&cursor))) {
			size_t before = 0, failed = 0;
			bool is_text = false;

			if (strncmp(item, "proxy:", 6) == 0)
				item += 6;
			for (size_t i = 0; i < array_size(text_types) && !is_text; i++) {
				before = strlen(text_types[i]);
				is_text = strncmp(item, text_types[i], before) == 0;
			}
			tables++;
			if (is_text)
				alias_table(d, item + before, &names, &failed);
			if (!is_text || failed)
				doctor_name(&unread, item);
		}
	}
	if (names.all)
		doctor_say(d, DOCTOR_WARNING, AREA, "catch-all",
			   "remove the @domain lines and reject unknown users", &names,
			   "%zu domains take mail to any name (catch-all)", names.all);
	else if (tables > unread.all)
		doctor_say(d, DOCTOR_OK, AREA, "catch-all", NULL, NULL,
			   "no catch-all among the virtual aliases that can be read");
	if (unread.all)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "catch-all",
			   "ask each domain's table: postmap -q @DOMAIN TABLE", &unread,
			   "%zu alias tables have no text that can be read here", unread.all);
	doctor_names_clear(&names);
	doctor_names_clear(&unread);
}

static void submit_users(struct doctor *d, const struct postfix_conf *c)
{
	_free_ char *users = postfix_value(c, NULL, "authorized_submit_users");

	if (!users || !*users || strcmp(users, "static:anyone") == 0)
		doctor_say(d, DOCTOR_OK, AREA, "submit-users", NULL, NULL,
			   "every local user may use sendmail (authorized_submit_users is the "
			   "default)");
	else
		doctor_say(d, DOCTOR_OK, AREA, "submit-users", NULL, NULL,
			   "sendmail is limited to authorized_submit_users = %s", users);
}

/* smtpd services, and those of them whose -o settings change what is judged. */
static void services(struct doctor *d, const struct postfix_conf *c,
		     const struct postfix_services *list)
{
	static const char *const judged[] = {"smtpd_relay_restrictions",
					     "smtpd_recipient_restrictions", "mynetworks",
					     "mynetworks_style"};
	bool any = false;

	for (size_t i = 0; i < list->n; i++) {
		const struct postfix_service *s = &list->v[i];
		bool own_relay = false, own_networks = false;

		/* not a pass service's, not a local filter's re-entry */
		if (strcmp(s->command, "smtpd") != 0 || strncmp(s->name, "127.", 4) == 0 ||
		    strncmp(s->name, "localhost:", 10) == 0 || strncmp(s->name, "[::1]", 5) == 0)
			continue;
		for (size_t k = 0; k < s->n; k++)
			for (size_t j = 0; j < array_size(judged); j++)
				if (strcmp(s->v[k].name, judged[j]) == 0)
					*(j < 2 ? &own_relay : &own_networks) = true;
		if (own_relay || !any)
			relay_restrictions(d, c, s);
		if (own_networks || !any)
			mynetworks(d, c, s);
		any = true;
	}
	if (!any) {
		relay_restrictions(d, c, NULL);
		mynetworks(d, c, NULL);
	}
}

void doctor_postfix(struct doctor *d)
{
	_free_ char *main_cf = NULL, *master_cf = NULL;
	struct postfix_conf c = {0};
	struct postfix_services list = {0};
	int err = doctor_read(d, MAIN, &main_cf, NULL);

	if (err == -ENOENT || err == -ENOTDIR)
		return;
	if (err) {
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "main-cf", "run as root", NULL, "%s: %s", MAIN,
			   strerror(-err));
		return;
	}
	if (postfix_conf_parse(main_cf, &c) != 0) {
		d->no_memory = true;
		return;
	}
	if (doctor_read(d, MASTER, &master_cf, NULL) == 0 &&
	    postfix_services_parse(master_cf, &list) != 0)
		d->no_memory = true;
	services(d, &c, &list);
	unknown_users(d, &c);
	catch_all(d, &c);
	submit_users(d, &c);
	postfix_services_free(&list);
	postfix_conf_free(&c);
}
