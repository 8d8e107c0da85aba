// SPDX-License-Identifier: GPL-2.0-only
/* The JSON lines of `spamtrace auth`. */
#include "commands/auth_print.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "commands/json_line.h"

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
		json_line_put(o, "ip", json_string(ip));
		json_line_put_count(o, "uses", a[i].uses);
		json_line_put_count(o, "failures", a[i].failures);
		json_line_put_time(o, "first", a[i].first);
		json_line_put_time(o, "last", a[i].last);
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
	json_t *o = json_line_new("auth-user");

	json_line_put(o, "user.name", json_line_text(u->name));
	if (u->cut)
		json_line_put(o, "spamtrace.auth.user_cut", json_true());
	json_line_put(o, "spamtrace.auth.via", json_string(auth_source_name(u->source)));
	if (u->messages)
		json_line_put_count(o, "spamtrace.auth.messages", u->messages);
	if (u->logins)
		json_line_put_count(o, "spamtrace.auth.logins", u->logins);
	json_line_put_count(o, "spamtrace.auth.failures", u->failures);
	if (u->with_recipients)
		json_line_put_count(o, "spamtrace.recipients", u->recipients);
	json_line_put_count(o, "spamtrace.auth.addresses", u->addresses);
	json_line_put_count(o, "spamtrace.auth.networks", u->networks);
	json_line_put_time(o, "spamtrace.auth.first", u->first);
	json_line_put_time(o, "spamtrace.auth.last", u->last);
	if (u->peak_minute)
		json_line_put_count(o, "spamtrace.auth.peak_minute", u->peak_minute);
	if (u->peak_networks)
		json_line_put_count(o, "spamtrace.auth.peak_networks_hour", u->peak_networks);
	json_line_put(o, "spamtrace.auth.signs", signs(u));
	if (detail)
		json_line_put(o, "spamtrace.auth.clients", addresses(c, u));
	return o;
}

static json_t *ended_object(const struct authcount *c, const struct auth_totals *t, size_t users)
{
	const struct auth_lost *lost = authcount_lost(c);
	json_t *o = json_line_new("auth-ended");

	json_line_put_count(o, "spamtrace.auth.users", users);
	json_line_put_count(o, "spamtrace.auth.nameless_failures", authcount_nameless(c));
	json_line_put_count(o, "spamtrace.auth.files", t->files);
	json_line_put_count(o, "spamtrace.auth.lines", t->lines);
	json_line_put_count(o, "spamtrace.auth.bytes", t->text_bytes);
	json_line_put_count(o, "spamtrace.auth.outside", t->outside);
	json_line_put_count(o, "spamtrace.lost.cut_lines", t->cut_lines);
	json_line_put_count(o, "spamtrace.lost.users", lost->users);
	json_line_put_count(o, "spamtrace.lost.addresses", lost->addresses);
	json_line_put_count(o, "spamtrace.lost.joins", lost->joins);
	json_line_put_time(o, "spamtrace.auth.first", t->first);
	json_line_put_time(o, "spamtrace.auth.last", t->last);
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
		err = json_line_write(out, user_object(c, users[i], view->user != NULL));
	}
	if (!err)
		err = json_line_write(out, ended_object(c, totals, n));
	if (!err && fflush(out) != 0)
		err = -errno;
	return err;
}
