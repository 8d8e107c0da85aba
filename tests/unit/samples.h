/* SPDX-License-Identifier: GPL-2.0-only */
/* Events with every field set, for the tests of the outputs. */
#ifndef ST_TEST_SAMPLES_H
#define ST_TEST_SAMPLES_H

#include <string.h>

#include "base/cleanup.h"
#include "trace/event.h"

#define SAMPLE_WALL 1795294513123456789ULL /* 2026-11-21T20:55:13.123456789Z */

#define SAMPLE_MAILER                                                                              \
	"/var/www/vhosts/shop.example/httpdocs/wp-content/plugins/contact-form/mailer.php"

static const struct frame sample_frames[] = {
	{NULL, "mail", 0, false},
	{SAMPLE_MAILER, "Mailer::send", 42, false},
	{"/var/www/vhosts/shop.example/httpdocs/index.php", NULL, 17, true},
};

/* A mail-queued with everything known; `text` in place of every string unless NULL. */
static inline struct mail_event sample_mail(const char *text)
{
	static const char args[] =
		"/usr/sbin/sendmail\0-t\0-i\0-fbounce@shop.example\0joe@victim.example";
	struct mail_event e = {
		.action = ACTION_MAIL_QUEUED,
		.sequence = 7,
		.wall_ns = SAMPLE_WALL,
		.source = SOURCE_SCRIPT,
		.attribution = ATTRIBUTION_EXACT,
		.evidence = 1u << EVIDENCE_PHP_MEMORY | 1u << EVIDENCE_QUEUE_COMMIT,
		.script = "/var/www/vhosts/shop.example/httpdocs/index.php",
		.culprit_file = SAMPLE_MAILER,
		.culprit_function = "Mailer::send",
		.culprit_line = 42,
		.culprit = {.known = true,
			    .owner = 10012,
			    .size = 2048,
			    .inode = 4711,
			    .mtime_ns = SAMPLE_WALL - 1000,
			    .sha256 = "00ff"},
		.php_version = "8.2.29",
		.php_sapi = "fpm-fcgi",
		.frames = sample_frames,
		.frame_count = array_size(sample_frames),
		.vhost = "shop.example",
		.url_path = "/index.php",
		.method = "POST",
		.client_ip = "203.0.113.7",
		.host_header = "evil.example",
		.docroot = "/var/www/vhosts/shop.example/httpdocs",
		.uid = 10012,
		.euid = 0,
		.user_name = "web12",
		.pid = 4242,
		.parent_pid = 4000,
		.executable = "/usr/sbin/sendmail",
		.args = args,
		.args_len = sizeof(args),
		.working_directory = "/var/www/vhosts/shop.example/httpdocs",
		.parent_executable = "/usr/sbin/php-fpm8.2",
		.mta = "postfix",
		.queue_id = "4F3A21C0B1",
		.sender = "bounce@shop.example",
		.from = "Sales@shop.example",
		.subject = "Cheap pills",
		.message_id = "1@shop.example",
		.recipients = 3,
		.bytes = 812,
		.exit_code = -1,
	};

	if (!text)
		return e;
	e.reason = e.script = e.culprit_file = e.culprit_function = text;
	e.culprit.sha256 = e.php_version = e.php_sapi = text;
	e.vhost = e.url_path = e.method = e.client_ip = e.host_header = e.docroot = text;
	e.user_name = e.executable = e.args = e.working_directory = e.parent_executable = text;
	e.args_len = strlen(text);
	e.container = e.terminal = e.mta = e.queue_id = e.parent_queue_id = text;
	e.sender = e.from = e.subject = e.message_id = e.auth_user = text;
	e.destination_ip = e.remover = text;
	return e;
}

static inline struct queue_event sample_queue(const char *text)
{
	return (struct queue_event){
		.sequence = 8,
		.wall_ns = SAMPLE_WALL,
		.mta = text ? text : "postfix",
		.directory = text ? text : "/var/spool/postfix",
		.messages = 1204,
		.unprocessed = 3,
		.growth = -5,
		.growth_per_minute = 96.5,
		.queued = 10,
		.removed = 15,
		.in_flight = 1,
		.unexplained = 2,
		.note = text ? text : "2 messages came from before the trace",
		.by_source = {[SOURCE_SCRIPT] = 9, [SOURCE_USER] = 1},
	};
}

/* A trace-ended; the rows are static. `text` in place of every string unless NULL. */
static inline struct summary_event sample_summary(const char *text)
{
	static struct tally_row rows[BY_COUNT][2];
	static struct loss losses[2];
	static const struct uid_total kernel_uids[2] = {{10012, 400, 385}, {1001, 20, 20}};
	static const char *hooks[2], *notes[1];
	static struct queue_event queue;
	static const struct tally_row row = {
		.key = "/var/www/vhosts/shop.example/httpdocs/index.php",
		.sample_id = "4F3A21C0B1",
		.sample_subject = "Cheap pills",
		.vhost = "shop.example",
		.user_name = "web12",
		.culprit_file = SAMPLE_MAILER,
		.culprit_line = 42,
		.uid = 10012,
		.source = SOURCE_SCRIPT,
		.attribution = ATTRIBUTION_EXACT,
		.messages = 383,
		.attempts = 2,
		.recipients = 383,
		.first_wall_ns = SAMPLE_WALL - 130000000000ULL,
		.last_wall_ns = SAMPLE_WALL - 5000000000ULL,
		.share = 0.93,
	};
	struct summary_event e = {
		.action = ACTION_TRACE_ENDED,
		.sequence = 9,
		.wall_ns = SAMPLE_WALL,
		.version = text ? text : "0.1.0",
		.kernel = text ? text : "6.1.0-37-amd64",
		.host = text ? text : "web1",
		.seconds = 134,
		.messages = 412,
		.attempts = 3,
		.connects = 1,
		.removals = 380,
		.by_source = {[SOURCE_SCRIPT] = 383, [SOURCE_CLI] = 20, [SOURCE_UNKNOWN] = 9},
		.by_attribution = {9, 20, 383},
		.losses = losses,
		.loss_count = 2,
		.kernel_uids = kernel_uids,
		.kernel_uid_count = 2,
		.kernel_uids_more = 3,
		.kernel_injections = 431,
		.kernel_commits = 410,
		.queues = &queue,
		.queue_count = 1,
		.verdict = text ? text
				: "412 messages came in and 380 left; traced injections explain "
				  "all of the growth but 2 messages.",
		.hooks = hooks,
		.hook_count = 2,
		.notes = notes,
		.note_count = 1,
	};

	for (unsigned by = 0; by < BY_COUNT; by++) {
		struct tally_row *r = rows[by];
		static const char *const keys[BY_COUNT] = {NULL, "10012", "shop.example",
							   "203.0.113.7", "script"};

		r[0] = row;
		r[0].key = by == BY_SCRIPT ? row.key : keys[by];
		if (text) {
			r[0].key = r[0].sample_id = r[0].sample_subject = r[0].vhost = text;
			r[0].user_name = r[0].culprit_file = text;
		}
		r[1] = (struct tally_row){.uid = COUNT_UNKNOWN,
					  .messages = 29,
					  .share = 0.07,
					  .first_wall_ns = row.first_wall_ns,
					  .last_wall_ns = row.last_wall_ns};
		e.rows[by] = r;
		e.row_count[by] = 2;
		e.rows_more[by] = by == BY_SCRIPT ? 120 : 0;
	}
	losses[0] = (struct loss){text ? text : "ring-origin", 12};
	losses[1] = (struct loss){"read", 0};
	hooks[0] = text ? text : "fork";
	hooks[1] = text ? text : "queue (fexit)";
	notes[0] = text ? text : "SMTP from scripts is not traced: the kernel refused the hook";
	queue = sample_queue(text);
	return e;
}

/* Strings that a script would choose. */
static const char *const sample_hostile[] = {
	"\x1b]0;owned\x07\x1b[2J",
	"a\nb\rc\td\x7f",
	"\xc2\x9b"
	"31m \xc2\x85",
	"\xe2\x80\xae"
	"gpj.exe\xe2\x80\xac \xe2\x81\xa6x\xe2\x81\xa9",
	"\xe2\x80\x8b\xe2\x80\x8f\xef\xbb\xbf\xe2\x80\xa8\xe2\x80\xa9",
	"\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf",
	"\xed\xa0\x80 \xed\xbf\xbf",
	"\xf4\x90\x80\x80 \xff\xfe \x80\xbf",
	"caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x98\x80",
	"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
	"\"}],\\\"\\u0000<script>",
	"\xe2\x82",
	"%s%n%n",
};

#endif
