// SPDX-License-Identifier: GPL-2.0-only
/* The table of `spamtrace auth`. A "!" marks accounts that look stolen; what that rests on stands
 * below the table. */
#include "commands/auth_print.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define ADDRESSES_SHOWN 50

static void local_text(char *out, size_t size, const char *format, int64_t t)
{
	time_t when = (time_t)t;
	struct tm tm = {0};

	if (!t || !localtime_r(&when, &tm) || !strftime(out, size, format, &tm))
		snprintf(out, size, "-");
}

static void count_text(char out[24], uint64_t v, bool known)
{
	if (known)
		snprintf(out, 24, "%" PRIu64, v);
	else
		snprintf(out, 24, "-");
}

static void address_text(char out[INET6_ADDRSTRLEN], const uint8_t client[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (memcmp(client, mapped, 12) == 0)
		inet_ntop(AF_INET, client + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, client, out, INET6_ADDRSTRLEN);
}

static void print_row(FILE *out, const struct auth_user *u, bool wide, size_t name_columns)
{
	char name[2048], fitted[2048], messages[24], logins[24], recipients[24], first[32],
		last[32];

	text_for_terminal(name, sizeof(name), u->name, strlen(u->name));
	text_fit(fitted, sizeof(fitted), name, name_columns, 0, 1);
	/* what this program's log does not tell is "-", not 0 */
	count_text(messages, u->messages,
		   u->messages || u->source == AUTH_POSTFIX || u->source == AUTH_EXIM ||
			   u->source == AUTH_SENDMAIL);
	count_text(logins, u->logins,
		   u->logins || (u->source != AUTH_POSTFIX && u->source != AUTH_EXIM));
	count_text(recipients, u->recipients, u->with_recipients > 0);
	local_text(first, sizeof(first), wide ? "%Y-%m-%d %H:%M" : "%m-%d %H:%M", u->first);
	local_text(last, sizeof(last), wide ? "%Y-%m-%d %H:%M" : "%m-%d %H:%M", u->last);
	fprintf(out, "%c %s ", u->signs ? '!' : ' ', fitted);
	if (wide)
		fprintf(out, "%-8s %8s %7s %7s %7" PRIu64 " %6" PRIu32 " %5" PRIu32 " %-16s %s\n",
			auth_source_name(u->source), messages, recipients, logins, u->failures,
			u->addresses, u->networks, first, last);
	else
		fprintf(out, "%8s %6s %6s %6" PRIu64 " %5" PRIu32 " %s\n", messages, recipients,
			logins, u->failures, u->addresses, last);
}

static void print_signs(FILE *out, const struct auth_user *u)
{
	char name[2048], when[32];
	const char *sep = ": ";

	text_for_terminal(name, sizeof(name), u->name, strlen(u->name));
	fprintf(out, "! %s", name);
	if (u->signs & AUTH_SIGN_NETWORKS) {
		local_text(when, sizeof(when), "%Y-%m-%d %H:%M", u->peak_networks_at);
		fprintf(out, "%s%" PRIu32 " networks in all", sep, u->networks);
		if (u->peak_networks >= AUTH_NETWORKS_HOUR)
			fprintf(out, ", %" PRIu32 " within the hour of %s", u->peak_networks, when);
		sep = "; ";
	}
	if (u->signs & AUTH_SIGN_BURST) {
		local_text(when, sizeof(when), "%Y-%m-%d %H:%M", u->peak_minute_at);
		fprintf(out, "%s%" PRIu32 " %s in the minute %s", sep, u->peak_minute,
			u->messages ? "messages" : "logins", when);
		sep = "; ";
	}
	if (u->signs & AUTH_SIGN_GUESSED)
		fprintf(out, "%slogged in from an address that had failed %d times or more", sep,
			AUTH_GUESSES);
	fputc('\n', out);
}

static void print_addresses(FILE *out, const struct authcount *c, const struct auth_user *u)
{
	struct auth_address a[ADDRESSES_SHOWN];
	size_t n = authcount_addresses(c, u, a, ADDRESSES_SHOWN);

	fprintf(out, "\n  %-39s %8s %8s %-16s %s\n", "ADDRESS", "USES", "FAILED", "FIRST", "LAST");
	for (size_t i = 0; i < n; i++) {
		char text[INET6_ADDRSTRLEN], first[32], last[32];

		address_text(text, a[i].client);
		local_text(first, sizeof(first), "%Y-%m-%d %H:%M", a[i].first);
		local_text(last, sizeof(last), "%m-%d %H:%M", a[i].last);
		fprintf(out, "  %-39s %8" PRIu64 " %8" PRIu64 " %-16s %s\n", text, a[i].uses,
			a[i].failures, first, last);
	}
	if (n == ADDRESSES_SHOWN)
		fprintf(out, "  only the %d most used are shown\n", ADDRESSES_SHOWN);
}

static bool shown(const struct auth_view *view, const struct auth_user *u)
{
	if (view->user)
		return strcmp(u->name, view->user) == 0;
	return auth_user_weight(u) >= view->min;
}

int auth_print_table(FILE *out, struct authcount *c, const struct auth_view *view,
		     const struct auth_totals *totals)
{
	bool wide = view->columns >= 112;
	size_t n, rows = 0, hidden = 0, fixed = wide ? 77 : 48, marked = 0;
	size_t name_columns = view->columns > fixed + 16 ? view->columns - fixed : 16;
	const struct auth_user *const *users = authcount_users(c, &n);
	char head[256];

	if (!users)
		return -ENOMEM;
	text_fit(head, sizeof(head), "USER", name_columns, 0, 1);
	if (wide)
		fprintf(out, "  %s %-8s %8s %7s %7s %7s %6s %5s %-16s %s\n", head, "VIA",
			"MESSAGES", "RCPTS", "LOGINS", "FAILED", "ADDRS", "NETS", "FIRST", "LAST");
	else
		fprintf(out, "  %s %8s %6s %6s %6s %5s %s\n", head, "MESSAGES", "RCPTS", "LOGINS",
			"FAILED", "ADDRS", "LAST");
	for (size_t i = 0; i < n; i++) {
		if (!shown(view, users[i]))
			continue;
		if (view->top && rows >= view->top) {
			hidden++;
			continue;
		}
		rows++;
		marked += users[i]->signs != 0;
		print_row(out, users[i], wide, name_columns);
		if (view->user)
			print_addresses(out, c, users[i]);
	}
	if (hidden)
		fprintf(out, "  and %zu more users (--top 0 shows all)\n", hidden);
	if (marked)
		fputs("\nThese look stolen (networks are IPv4 /16 and IPv6 /32; a country cannot "
		      "be "
		      "told from a log):\n",
		      out);
	for (size_t i = 0, row = 0; i < n && marked; i++) {
		if (!shown(view, users[i]) || (view->top && row++ >= view->top))
			continue;
		if (users[i]->signs)
			print_signs(out, users[i]);
	}
	if (authcount_nameless(c))
		fprintf(out, "\n%" PRIu64 " failed attempts name no user.\n",
			authcount_nameless(c));
	(void)totals;
	fflush(out);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
