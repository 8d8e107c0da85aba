// SPDX-License-Identifier: GPL-2.0-only
/* A message's way in, in words. Pure. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "commands/message.h"

/* Appends; what does not fit is cut at the end. */
static void add(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *out, size_t size, const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list args;

	va_start(args, fmt);
	if (n < size)
		vsnprintf(out + n, size - n, fmt, args);
	va_end(args);
}

static bool is_web_server(const char *user)
{
	static const char *const names[] = {"www-data", "apache", "httpd",  "nobody", "nginx",
					    "www",      "wwwrun", "daemon", "http",   "lighttpd"};

	for (size_t i = 0; i < array_size(names); i++)
		if (strcmp(user, names[i]) == 0)
			return true;
	return false;
}

/* "/var/www/vhosts/shop.test" (Plesk) names a domain; a home directory of other panels names the
 * user only. */
static const char *domain_of_home(const char *home)
{
	static const char *const roots[] = {"/var/www/vhosts/", "/var/www/clients/",
					    "/home/vhosts/"};

	for (size_t i = 0; i < array_size(roots); i++) {
		size_t n = strlen(roots[i]);

		if (strncmp(home, roots[i], n) == 0 && home[n] && !strchr(home + n, '/') &&
		    strchr(home + n, '.'))
			return home + n;
	}
	return NULL;
}

static bool is_loopback(const char *ip)
{
	return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

static void explain_user(const struct message_view *m, char *out, size_t size)
{
	const char *domain = domain_of_home(m->home);

	if (m->uid < 0) {
		add(out, size, "A program on this host submitted it");
		if (*m->facts.login)
			add(out, size, " as %s, a user that no longer exists", m->facts.login);
		add(out, size, ".");
		return;
	}
	add(out, size, "A program of uid %" PRId64, m->uid);
	if (*m->user)
		add(out, size, ", user %s,", m->user);
	else
		add(out, size, ", which has no name (any more),");
	add(out, size, " submitted it on this host through sendmail. ");
	if (m->uid == 0)
		add(out, size, "That is root: cron, a service, or somebody at work here.");
	else if (is_web_server(m->user))
		add(out, size,
		    "That is the web server's own user: a script under mod_php, or a CGI without "
		    "suexec. Which of the "
		    "sites it was, the message does not say; spamtrace trace shows it while it "
		    "goes on.");
	else if (m->uid >= 500 && domain)
		add(out, size,
		    "That is the customer of %s: a script of that site under PHP-FPM, FastCGI or "
		    "suexec, a cron job, "
		    "or a login.",
		    domain);
	else if (m->uid >= 500)
		add(out, size,
		    "That is an ordinary user: a script under PHP-FPM, FastCGI or suexec, a cron "
		    "job, or a login.");
	else
		add(out, size, "That is a system user: a service rather than a site.");
}

static void explain_network(const struct message_view *m, char *out, size_t size)
{
	const struct message_facts *f = &m->facts;
	const char *ip = *f->client_ip ? f->client_ip : "an address that the file does not name";

	if (*f->auth_user)
		add(out, size,
		    "%s logged in as %s and sent it by SMTP. If its owner did not, the password is "
		    "known to others: "
		    "change it; spamtrace auth shows the addresses that use it.",
		    ip, f->auth_user);
	else if (f->authenticated)
		add(out, size,
		    "%s logged in and sent it by SMTP; the file does not say as whom, the mail log "
		    "does: look for the queue id there, or at spamtrace auth.",
		    ip);
	else if (is_loopback(f->client_ip))
		add(out, size,
		    "A program on this host spoke SMTP to %s, as mail libraries of PHP, webmail "
		    "and mailing lists do. "
		    "The message does not say which program; spamtrace trace joins such "
		    "connections with scripts.",
		    ip);
	else if (m->queue->mta == &mta_qmail)
		add(out, size,
		    "%s sent it by SMTP. Whether it had authenticated or is allowed to relay qmail "
		    "does not record: "
		    "spamtrace auth reads it from the mail log.",
		    ip);
	else
		add(out, size,
		    "%s sent it by SMTP without authentication: for a recipient here, or because "
		    "its address is "
		    "allowed to relay (spamtrace doctor looks at that).",
		    ip);
}

void message_explain(const struct message_view *m, char *out, size_t size)
{
	const struct message_facts *f = &m->facts;

	out[0] = '\0';
	if (f->bounce) {
		add(out, size,
		    "This host's %s made it: a report that a message could not be delivered, sent "
		    "to whoever that message "
		    "named as its sender.",
		    m->queue->mta->name);
		if (*f->parent_id)
			add(out, size, " The message was %s.", f->parent_id);
	} else if (f->from_network) {
		explain_network(m, out, size);
	} else if (f->local || m->uid >= 0) {
		explain_user(m, out, size);
	} else {
		add(out, size, "Nothing in the file says how it came in.");
	}
}

void message_received_words(const struct received *r, char *out, size_t size)
{
	out[0] = '\0';
	switch (r->kind) {
	case RECEIVED_LOCAL_UID:
		add(out, size, "submitted on the host");
		if (*r->by)
			add(out, size, " %s", r->by);
		if (r->uid >= 0)
			add(out, size, " by uid %" PRId64, r->uid);
		if (*r->login)
			add(out, size, " by user %s", r->login);
		if (r->pid >= 0)
			add(out, size, ", process %" PRId64, r->pid);
		break;
	case RECEIVED_NETWORK:
		add(out, size, "queued by process %" PRId64 " for the SMTP server", r->pid);
		break;
	case RECEIVED_BOUNCE:
		add(out, size, "made by the mail server itself, as a report of failure");
		break;
	case RECEIVED_ALIAS:
		add(out, size, "forwarded by a .qmail file of the user alias");
		break;
	case RECEIVED_SMTP:
	case RECEIVED_AUTH:
		add(out, size, "%s took it from %s", *r->by ? r->by : "a server",
		    *r->client_ip ? r->client_ip : "a client");
		if (*r->helo)
			add(out, size, ", which called itself %s", r->helo);
		if (*r->auth_user)
			add(out, size, ", logged in as %s", r->auth_user);
		else if (r->kind == RECEIVED_AUTH)
			add(out, size, ", logged in");
		break;
	case RECEIVED_OTHER:
		add(out, size, "%s had it", *r->by ? r->by : "a server");
		break;
	}
	if (*r->id)
		add(out, size, " (its id there: %s)", r->id);
}

/* Nothing in it means anything to a shell, or to fnmatch(). */
static bool is_plain(const char *s)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._+=:-";

	return *s && *s != '-' && strspn(s, good) == strlen(s);
}

void message_like(const struct message_view *m, char *out, size_t size)
{
	const struct message_facts *f = &m->facts;

	out[0] = '\0';
	if (m->source && m->source->script && *m->source->script != '(' &&
	    strchr(m->source->script, '/') &&
	    strspn(m->source->script,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-") ==
		    strlen(m->source->script))
		add(out, size, "-w RECORDING --script %s", m->source->script);
	else if (f->bounce)
		add(out, size, "--sender ''");
	else if (*f->auth_user && is_plain(f->auth_user))
		add(out, size, "--auth %s", f->auth_user);
	else if (f->from_network && is_plain(f->client_ip))
		add(out, size, "--client %s", f->client_ip);
	else if (m->uid >= 0)
		add(out, size, "--uid %" PRId64, m->uid);
	else if (is_plain(f->sender))
		add(out, size, "--sender %s", f->sender);
	/* the web server's user and the loopback stand for everybody */
	if ((is_web_server(m->user) || is_loopback(f->client_ip)) && is_plain(f->sender) && *out &&
	    !f->bounce)
		add(out, size, " --sender %s", f->sender);
}
