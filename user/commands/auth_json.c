// SPDX-License-Identifier: GPL-2.0-only
/* The JSON lines of `spamtrace auth`. */
#include "commands/auth_print.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "commands/report_json.h"

#define ADDRESSES_LISTED 1000

static json_t *addresses(const struct authcount *c, const struct auth_user *u)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	_free_ struct auth_address *a = calloc(ADDRESSES_LISTED, sizeof(*a));
	json_t *list = json_array();
	size_t n = a ? authcount_addresses(c, u, a, ADDRESSES_LISTED) : 0;

	for (size_t i = 0; i < n; i++) {
		char ip[INET6_ADDRSTRLEN];
		json_t *o = json_object();

		if (memcmp(a[i].client, mapped, 12) == 0)
			inet_ntop(AF_INET, a[i].client + 12, ip, sizeof(ip));
		else
			inet_ntop(AF_INET6, a[i].client, ip, sizeof(ip));
		report_put(o, "ip", json_string(ip));
		report_put_count(o, "uses", a[i].uses);
		report_put_count(o, "failures", a[i].failures);
		report_put_time(o, "first", a[i].first);
		report_put_time(o, "last", a[i].last);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *signs(const struct auth_user *u)
{
	json_t *list = json_array();

	if (u->signs & AUTH_SIGN_NETWORKS)
		json_array_append_new(list, json_string("networks"));
	if (u->signs & AUTH_SIGN_BURST)
		json_array_append_new(list, json_string("burst"));
	if (u->signs & AUTH_SIGN_GUESSED)
		json_array_append_new(list, json_string("guessed"));
	return list;
}

static json_t *user_object(const struct authcount *c, const struct auth_user *u, bool detail)
{
	json_t *o = report_line("auth-user");

	report_put(o, "user.name", report_text(u->name));
	if (u->cut)
		report_put(o, "spamtrace.auth.user_cut", json_true());
	report_put(o, "spamtrace.auth.via", json_string(auth_source_name(u->source)));
	if (u->messages)
		report_put_count(o, "spamtrace.auth.messages", u->messages);
	if (u->logins)
		report_put_count(o, "spamtrace.auth.logins", u->logins);
	report_put_count(o, "spamtrace.auth.failures", u->failures);
	if (u->with_recipients)
		report_put_count(o, "spamtrace.recipients", u->recipients);
	report_put_count(o, "spamtrace.auth.addresses", u->addresses);
	report_put_count(o, "spamtrace.auth.networks", u->networks);
	report_put_time(o, "spamtrace.auth.first", u->first);
	report_put_time(o, "spamtrace.auth.last", u->last);
	if (u->peak_minute)
		report_put_count(o, "spamtrace.auth.peak_minute", u->peak_minute);
	if (u->peak_networks)
		report_put_count(o, "spamtrace.auth.peak_networks_hour", u->peak_networks);
	report_put(o, "spamtrace.auth.signs", signs(u));
	if (detail)
		report_put(o, "spamtrace.auth.clients", addresses(c, u));
	return o;
}

static json_t *ended_object(const struct authcount *c, const struct auth_totals *t, size_t users)
{
	const struct auth_lost *lost = authcount_lost(c);
	json_t *o = report_line("auth-ended");

	report_put_count(o, "spamtrace.auth.users", users);
	report_put_count(o, "spamtrace.auth.nameless_failures", authcount_nameless(c));
	report_put_count(o, "spamtrace.auth.files", t->files);
	report_put_count(o, "spamtrace.auth.lines", t->lines);
	report_put_count(o, "spamtrace.auth.bytes", t->text_bytes);
	report_put_count(o, "spamtrace.auth.outside", t->outside);
	report_put_count(o, "spamtrace.lost.cut_lines", t->cut_lines);
	report_put_count(o, "spamtrace.lost.users", lost->users);
	report_put_count(o, "spamtrace.lost.addresses", lost->addresses);
	report_put_count(o, "spamtrace.lost.joins", lost->joins);
	report_put_time(o, "spamtrace.auth.first", t->first);
	report_put_time(o, "spamtrace.auth.last", t->last);
	return o;
}

int auth_print_json(FILE *out, struct authcount *c, const struct auth_view *view,
		    const struct auth_totals *totals)
{
	size_t n, rows = 0;
	const struct auth_user *const *users = authcount_users(c, &n);
	int err = users ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		if (view->user ? strcmp(users[i]->name, view->user) != 0
			       : auth_user_weight(users[i]) < view->min)
			continue;
		if (view->top && rows++ >= view->top)
			break;
		err = report_write(out, user_object(c, users[i], view->user != NULL));
	}
	if (!err)
		err = report_write(out, ended_object(c, totals, n));
	if (!err && fflush(out) != 0)
		err = -errno;
	return err;
}
