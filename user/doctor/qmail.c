// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmail, with Plesk's and vpopmail's layout: who may relay, and what becomes of mail to users that
 * do not exist. Formats: qmail-control(5), qmail-smtpd(8), qmail-users(5), dot-qmail(5),
 * tcprules(1); vpopmail's vdelivermail.
 */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor/nets.h"

#define AREA       "qmail"
#define DOMAIN_MAX 100000

static const char *const relay_lists[] = {"/etc/tcp.smtp",
					  "/etc/tcprules.d/tcp.smtp",
					  "/etc/tcprules.d/tcp.qmail-smtp",
					  "/home/vpopmail/etc/tcp.smtp",
					  "/var/vpopmail/etc/tcp.smtp",
					  "/var/qmail/control/tcp.smtp",
					  "/var/qmail/supervise/qmail-smtpd/tcp.smtp",
					  NULL};

/* What becomes of mail to a user that does not exist. */
enum fate { FATE_BOUNCED, FATE_FORWARDED, FATE_KEPT, FATE_DROPPED, FATE_PROGRAM, FATE_COUNT };

struct fates {
	const struct doctor *d;
	struct doctor_names names[FATE_COUNT];
	size_t domains, without;
};

static enum fate vdelivermail(const char *args)
{
	const char *last = strrchr(args, ' ');

	last = last ? last + 1 : args;
	if (strncmp(last, "bounce-no-mailbox", 17) == 0)
		return FATE_BOUNCED;
	if (strncmp(last, "delete", 6) == 0)
		return FATE_DROPPED;
	return *last == '/' ? FATE_KEPT : FATE_FORWARDED;
}

static enum fate program_fate(char *command)
{
	char *p = doctor_trim(command), *base;

	if (strstr(p, "vdelivermail"))
		return vdelivermail(p);
	base = p + strcspn(p, " \t");
	while (base > p && base[-1] != '/')
		base--;
	if (strncmp(base, "bouncesaying", 12) == 0 || strncmp(base, "false", 5) == 0 ||
	    strncmp(p, "exit 100", 8) == 0)
		return FATE_BOUNCED;
	if (strncmp(base, "true", 4) == 0 || strncmp(p, "exit 99", 7) == 0 ||
	    strncmp(p, "exit 0", 6) == 0)
		return FATE_DROPPED;
	if (strncmp(base, "forward", 7) == 0)
		return FATE_FORWARDED;
	return FATE_PROGRAM;
}

/* dot-qmail(5): an empty file means default delivery, one of comments only throws away; else the
 * first instruction tells. */
static enum fate dot_qmail_fate(char *text)
{
	bool any = false;
	char *line;

	while ((line = doctor_line(&text))) {
		any = true;
		if (*line == '#' || !*doctor_trim(line))
			continue;
		if (*line == '|')
			return program_fate(line + 1);
		if (*line == '/' || *line == '.')
			return FATE_KEPT;
		return FATE_FORWARDED;
	}
	return any ? FATE_DROPPED : FATE_KEPT;
}

static void judge_file(struct fates *f, const char *path, const char *domain)
{
	_free_ char *text = NULL;
	enum fate fate;
	int err = doctor_read(f->d, path, &text, NULL);

	f->domains++;
	if (err) {
		f->without++;
		return;
	}
	fate = dot_qmail_fate(text);
	doctor_name(&f->names[fate], domain);
}

/* PATH/DOMAIN/.qmail-default */
static void judge_directory(void *arg, const char *path)
{
	const char *base = strrchr(path, '/');
	char file[1024];

	snprintf(file, sizeof(file), "%s/.qmail-default", path);
	judge_file(arg, file, base ? base + 1 : path);
}

/*
 * The file that decides for `prefix`-anything: users/assign's
 * "+prefix-:user:uid:gid:home:dash:pre:", else the user of that name in passwd, else the alias
 * user's .qmail-PREFIX-default.
 */
static bool default_file(const struct doctor *d, const char *assign, const char *prefix, char *out,
			 size_t size)
{
	_free_ char *copy = NULL, *passwd = NULL;
	char *cursor, *line, *home, key[300];
	int n = snprintf(key, sizeof(key), "+%s-:", prefix);

	if (n < 0 || (size_t)n >= sizeof(key))
		return false;
	copy = strdup(assign ? assign : "");
	cursor = copy;
	while ((line = doctor_line(&cursor))) {
		char *pre, *dash;

		if (strncmp(line, key, (size_t)n) != 0)
			continue;
		strsep(&line, ":"); /* the key, then user, uid, gid */
		for (int i = 0; i < 3; i++)
			strsep(&line, ":");
		home = strsep(&line, ":");
		dash = strsep(&line, ":");
		pre = strsep(&line, ":");
		if (!home || !dash || !pre)
			return false;
		return snprintf(out, size, "%s/.qmail%s%sdefault", home, dash, pre) < (int)size;
	}
	n = snprintf(key, sizeof(key), "%s:", prefix);
	if (doctor_read(d, "/etc/passwd", &passwd, NULL) == 0) {
		cursor = passwd;
		while ((line = doctor_line(&cursor))) {
			if (strncmp(line, key, (size_t)n) != 0)
				continue;
			for (int i = 0; i < 5; i++)
				strsep(&line, ":");
			home = strsep(&line, ":");
			if (home)
				return snprintf(out, size, "%s/.qmail-default", home) < (int)size;
		}
	}
	n = snprintf(out, size, "/var/qmail/alias/.qmail-%s-default", prefix);
	/* dot-qmail: dots in the extension are colons in the name */
	for (char *p = out + sizeof("/var/qmail/alias/.qmail-") - 1; *p; p++)
		if (*p == '.')
			*p = ':';
	return n > 0 && (size_t)n < size;
}

static void judge_virtualdomains(struct fates *f)
{
	_free_ char *domains = NULL, *assign = NULL;
	char *cursor, *line, file[1024], under[1024];

	if (doctor_read(f->d, "/var/qmail/control/virtualdomains", &domains, NULL) != 0)
		return;
	if (doctor_read(f->d, "/var/qmail/users/assign", &assign, NULL) != 0)
		assign = NULL;
	cursor = domains;
	while ((line = doctor_line(&cursor)) && f->domains < DOMAIN_MAX) {
		char *prefix, *domain;

		if (*line == '#' || !(prefix = strchr(line, ':')))
			continue;
		*prefix++ = '\0';
		prefix = doctor_trim(prefix);
		domain = doctor_trim(line);
		/* the directories of these were read by name already */
		snprintf(under, sizeof(under), "/var/qmail/mailnames/%s", domain);
		if (!*prefix || strchr(domain, '@') || doctor_exists(f->d, under))
			continue;
		if (default_file(f->d, assign, prefix, file, sizeof(file)))
			judge_file(f, file, domain);
	}
}

static void say_fates(struct doctor *d, struct fates *f)
{
	static const struct {
		enum doctor_level level;
		const char *check, *what, *advice;
	} says[FATE_COUNT] = {
		[FATE_BOUNCED] = {DOCTOR_WARNING, "bounce-unknown",
				  "accept mail to unknown users and bounce it later",
				  "reject unknown users in the SMTP dialogue (Plesk: Mail to "
				  "nonexistent user = "
				  "Reject); bounces of spam go to forged senders"},
		[FATE_FORWARDED] =
			{DOCTOR_WARNING, "forward-unknown",
			 "forward mail to unknown users (catch-all)",
			 "remove the catch-all and reject unknown users: each spam run to invented "
			 "names is sent on from here"},
		[FATE_KEPT] = {DOCTOR_WARNING, "catch-all",
			       "deliver mail to unknown users into a mailbox (catch-all)",
			       "reject unknown users instead"},
		[FATE_DROPPED] = {DOCTOR_OK, "drop-unknown", "throw mail to unknown users away",
				  NULL},
		[FATE_PROGRAM] = {DOCTOR_UNKNOWN, "program-unknown",
				  "give mail to unknown users to a program of their own",
				  "read the .qmail-default files named here"},
	};

	for (int i = 0; i < FATE_COUNT; i++)
		if (f->names[i].all)
			doctor_say(d, says[i].level, AREA, says[i].check, says[i].advice,
				   &f->names[i], "%zu of %zu domains %s", f->names[i].all,
				   f->domains, says[i].what);
	if (f->without)
		doctor_say(
			d, DOCTOR_OK, AREA, "no-default", NULL, NULL,
			"%zu of %zu domains have no .qmail-default: nothing catches unknown users",
			f->without, f->domains);
}

static void domains(struct doctor *d)
{
	struct fates f = {.d = d};
	size_t seen;

	seen = doctor_glob(d, "/var/qmail/mailnames/*.*", DOMAIN_MAX, judge_directory, &f);
	seen += doctor_glob(d, "/home/vpopmail/domains/*.*", DOMAIN_MAX, judge_directory, &f);
	judge_virtualdomains(&f);
	say_fates(d, &f);
	if (seen > DOMAIN_MAX)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "domains", NULL, NULL,
			   "only %d domains were looked at", DOMAIN_MAX);
}

static void rcpthosts(struct doctor *d)
{
	_free_ char *text = NULL;
	int err = doctor_read(d, "/var/qmail/control/rcpthosts", &text, NULL);
	bool more = doctor_exists(d, "/var/qmail/control/morercpthosts");
	bool cdb = doctor_exists(d, "/var/qmail/control/morercpthosts.cdb");

	if (err == -ENOENT)
		doctor_say(d, DOCTOR_BAD, AREA, "open-relay",
			   "create control/rcpthosts with one domain of yours a line, now", NULL,
			   "control/rcpthosts is missing: qmail-smtpd relays for everybody");
	else if (err)
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "open-relay", "run as root", NULL,
			   "control/rcpthosts: %s", strerror(-err));
	else
		doctor_say(d, DOCTOR_OK, AREA, "open-relay", NULL, NULL,
			   "control/rcpthosts limits which domains qmail-smtpd takes mail for");
	if (more && !cdb)
		doctor_say(d, DOCTOR_WARNING, AREA, "morercpthosts", "run qmail-newmrh", NULL,
			   "control/morercpthosts was never compiled: its domains are refused");
}

/* Takes the address and says if the rule lets it relay. */
static bool relay_rule(char *line, char **address)
{
	char *colon;

	line = doctor_trim(line);
	if (!*line || *line == '#')
		return false;
	/* an IPv6 address has colons: the instruction starts at ":allow" */
	colon = strstr(line, ":allow");
	if (!colon || !strstr(colon, "RELAYCLIENT="))
		return false;
	*colon = '\0';
	*address = line;
	return true;
}

static void relay_list(struct doctor *d, const char *path)
{
	struct doctor_names wide = {0}, huge = {0}, odd = {0};
	_free_ char *text = NULL;
	char *cursor, *line, *address;
	size_t rules = 0;
	bool fine;

	if (doctor_read(d, path, &text, NULL) != 0)
		return;
	cursor = text;
	while ((line = doctor_line(&cursor))) {
		enum net_width width;

		if (!relay_rule(line, &address))
			continue;
		rules++;
		width = net_width_tcprules(address);
		if (width == NET_HUGE)
			doctor_name(&huge, *address ? address : "everybody");
		else if (width == NET_WIDE)
			doctor_name(&wide, address);
		else if (width == NET_NONE)
			doctor_name(&odd, address);
	}
	/* before doctor_say(), which takes the names */
	fine = !huge.all && !wide.all && !odd.all && rules;
	if (huge.all)
		doctor_say(d, DOCTOR_BAD, AREA, "relay-networks",
			   "remove RELAYCLIENT from these rules and rebuild the cdb with tcprules",
			   &huge, "%s lets huge networks relay", path);
	if (wide.all)
		doctor_say(d, DOCTOR_WARNING, AREA, "relay-networks",
			   "name single hosts, or nothing wider than a /24 of your own", &wide,
			   "%s lets wide public networks relay", path);
	if (odd.all)
		doctor_say(d, DOCTOR_WARNING, AREA, "relay-names",
			   "use addresses: a name in the DNS is chosen by whoever runs the reverse "
			   "zone",
			   &odd, "%s lets clients relay by name", path);
	if (fine)
		doctor_say(d, DOCTOR_OK, AREA, "relay-networks", NULL, NULL,
			   "%s: %zu relay rules, none wider than a /24", path, rules);
	doctor_names_clear(&huge);
	doctor_names_clear(&wide);
	doctor_names_clear(&odd);
}

/* Plesk runs qmail-smtpd from xinetd; its white list is in its database, unless somebody wrote it
 * here. */
static void xinetd(void *arg, const char *path)
{
	struct doctor *d = arg;
	_free_ char *text = NULL;
	char *cursor, *line;

	if (doctor_read(d, path, &text, NULL) != 0)
		return;
	cursor = text;
	while ((line = doctor_line(&cursor))) {
		line = doctor_trim(line);
		if (*line != '#' && strncmp(line, "env", 3) == 0 && strstr(line, "RELAYCLIENT"))
			doctor_say(d, DOCTOR_BAD, AREA, "open-relay",
				   "remove RELAYCLIENT from the env line and reload xinetd", NULL,
				   "%s sets RELAYCLIENT for every client: an open relay", path);
	}
}

void doctor_qmail(struct doctor *d)
{
	if (!doctor_exists(d, "/var/qmail/control"))
		return;
	rcpthosts(d);
	for (const char *const *p = relay_lists; *p; p++)
		relay_list(d, *p);
	doctor_glob(d, "/etc/xinetd.d/*", 200, xinetd, d);
	if (doctor_exists(d, "/usr/local/psa/version"))
		doctor_say(d, DOCTOR_UNKNOWN, AREA, "plesk-white-list",
			   "look at Tools & Settings > Mail Server Settings > White List: only "
			   "127.0.0.1 belongs "
			   "there",
			   NULL, "Plesk keeps its relay white list in its database");
	domains(d);
}
