// SPDX-License-Identifier: GPL-2.0-only
/* Who sent it: every source, every SAPI, and each reason not to be sure. */
#include "trace_builders.h"

#include "trace/attribute.h"

/* ---- the host ---- */

enum { EXE_NONE, EXE_APACHE, EXE_FPM, EXE_SH, EXE_PERL, EXE_CRON };

struct host {
	const char *vhost; /* NULL: not known */
	bool vhost_exact;
	enum evidence vhost_evidence;
	struct vhost_query asked;    /* the last query */
	char docroot[64], host[64];  /* its strings */
	const struct origin *parent; /* of id 7 */
	const char *container;
	const char *version;
};

static const char *user(void *arg, uint32_t uid)
{
	(void)arg;
	return uid == 33 ? "www-data" : uid == 1000 ? "anna" : NULL;
}

static const char *php_version(void *arg, uint32_t image)
{
	struct host *h = arg;

	return image == 3 ? h->version : NULL;
}

static const char *program_at(void *arg, const struct st_inode *exe, uint32_t *role)
{
	static const struct {
		const char *path;
		uint32_t role;
	} known[] = {
		[EXE_APACHE] = {"/usr/sbin/apache2", ST_ROLE_HTTPD},
		[EXE_FPM] = {"/usr/sbin/php-fpm8.2", ST_ROLE_PHP},
		[EXE_SH] = {"/bin/dash", ST_ROLE_SCRIPT},
		[EXE_PERL] = {"/usr/bin/perl", ST_ROLE_SCRIPT},
		[EXE_CRON] = {NULL, ST_ROLE_NONE},
	};

	(void)arg;
	*role = exe->ino < array_size(known) ? known[exe->ino].role : ST_ROLE_NONE;
	return exe->ino < array_size(known) ? known[exe->ino].path : NULL;
}

static const char *program(void *arg, uint32_t id, const struct mta **mta)
{
	(void)arg;
	*mta = &mta_postfix;
	return id == 1 ? "/usr/sbin/sendmail" : NULL;
}

static int vhost(void *arg, const struct vhost_query *q, struct vhost_answer *out)
{
	struct host *h = arg;

	h->asked = *q;
	snprintf(h->docroot, sizeof(h->docroot), "%s", q->docroot ? q->docroot : "");
	snprintf(h->host, sizeof(h->host), "%s", q->host_header ? q->host_header : "");
	if (!h->vhost)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", h->vhost);
	out->evidence = h->vhost_evidence;
	out->exact = h->vhost_exact;
	out->reason = h->vhost_exact ? NULL : "vhost reason";
	return 0;
}

static const struct origin *origin_by_id(void *arg, uint64_t id)
{
	struct host *h = arg;

	return id == 7 ? h->parent : NULL;
}

static const char *container(void *arg, uint32_t mntns)
{
	struct host *h = arg;

	(void)mntns;
	return h->container;
}

struct scene {
	struct host host;
	struct attribute_ops ops;
	struct injection injection;
	struct origin *origin, *parent;
	struct mta_queue queue;
	struct queued queued;
	struct attribution_room room;
	struct mail_event event;
};

static struct scene *scene_new(void)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->host = (struct host){.vhost = "a.test",
				.vhost_exact = true,
				.vhost_evidence = EVIDENCE_SERVER_CONFIG,
				.version = "8.2.36"};
	s->ops = (struct attribute_ops){.user = user,
					.php_version = php_version,
					.program_at = program_at,
					.program = program,
					.vhost = vhost,
					.origin = origin_by_id,
					.container = container,
					.arg = &s->host};
	s->injection = (struct injection){.role = ST_ROLE_INJECTOR,
					  .program = 1,
					  .run = RUN_SUBMIT,
					  .mta = &mta_postfix,
					  .uid = 33,
					  .euid = 34,
					  .task = {.tgid = 500},
					  .cwd = (char *)"/var/www",
					  .args = (char *)"sendmail\0-t",
					  .args_len = 12,
					  .exit_code = -1,
					  .exit_signal = -1};
	s->queue.mta = &mta_postfix;
	s->queued = (struct queued){.queue = &s->queue,
				    .id = "4054AA7EA38",
				    .injection = &s->injection,
				    .has_facts = true};
	message_facts_init(&s->queued.facts);
	return s;
}

static void scene_freep(struct scene **s)
{
	free((*s)->origin);
	free((*s)->parent);
	free(*s);
}

#define _scene_ struct scene *s __attribute__((cleanup(scene_freep))) = scene_new()

struct php {
	enum st_sapi sapi;
	uint32_t flags;
	const char *script, *file, *function;
	uint32_t line;
	const char *uri, *host, *docroot, *client, *server_name, *filename;
	uint64_t parent;
};

static struct origin *php_origin(const struct php *p)
{
	struct rec r;
	struct st_origin *raw =
		rec_begin(&r, ST_ORIGIN, sizeof(*raw), (struct st_task){.tgid = 100}, 1);
	struct record record;
	struct origin *o;

	raw->id = 1;
	raw->parent = p->parent;
	raw->image = 3;
	raw->exe.ino = p->sapi == ST_SAPI_APACHE2HANDLER ? EXE_APACHE : EXE_FPM;
	raw->sapi = (uint8_t)p->sapi;
	raw->flags = ST_O_REQUEST | p->flags;
	raw->script = rec_text(&r, p->script);
	raw->uri = rec_text(&r, p->uri);
	raw->host = rec_text(&r, p->host);
	raw->docroot = rec_text(&r, p->docroot);
	raw->client = rec_text(&r, p->client);
	raw->server_name = rec_text(&r, p->server_name);
	raw->filename = rec_text(&r, p->filename);
	raw->method = rec_text(&r, p->uri ? "POST" : NULL);
	if (p->file) {
		raw->frames = 3;
		raw->frame[0] = (struct st_frame){.type = ST_FRAME_INTERNAL,
						  .function = rec_text(&r, "mail")};
		raw->frame[1] = (struct st_frame){.type = ST_FRAME_USER,
						  .line = p->line,
						  .file = rec_text(&r, p->file),
						  .function = rec_text(&r, p->function)};
		raw->frame[2] = (struct st_frame){.type = ST_FRAME_USER,
						  .line = 99,
						  .file = rec_text(&r, "/srv/a/outer.php")};
	}
	record = rec_record(&r);
	assert_int_equal(origin_new(&record, &o), 0);
	return o;
}

static const struct php fpm = {.sapi = ST_SAPI_FPM,
			       .flags = ST_O_SCRIPT_SG | ST_O_FCGI,
			       .script = "/srv/a/x.php",
			       .file = "/srv/a/x.php",
			       .line = 12,
			       .uri = "/x.php?key=secret",
			       .host = "forged.test",
			       .docroot = "/srv/a",
			       .client = "192.0.2.9"};

static void set_php(struct scene *s, const struct php *p)
{
	free(s->origin);
	s->origin = s->injection.origin = php_origin(p);
}

static const struct mail_event *queued(struct scene *s)
{
	attribute_queued(&s->ops, &s->queued, &s->room, &s->event);
	/* what always holds */
	assert_int_equal(!s->event.reason, s->event.attribution == ATTRIBUTION_EXACT);
	assert_true(s->event.evidence >> EVIDENCE_COUNT == 0);
	return &s->event;
}

static bool has(const struct mail_event *e, enum evidence v)
{
	return e->evidence >> v & 1;
}

static void expect_str(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else if (!got)
		fail_msg("nothing, not %s", want);
	else
		assert_string_equal(got, want);
}

/* ---- PHP ---- */

static void fpm_exact(void **state)
{
	_scene_;
	const struct mail_event *e;

	(void)state;
	set_php(s, &fpm);
	snprintf(s->queued.facts.subject, 9, "Subject!");
	s->queued.facts.has_sender = true;
	s->queued.facts.recipients = 3;
	e = queued(s);
	assert_int_equal(e->action, ACTION_MAIL_QUEUED);
	assert_int_equal(e->source, SOURCE_SCRIPT);
	assert_int_equal(e->attribution, ATTRIBUTION_EXACT);
	expect_str(e->script, "/srv/a/x.php");
	expect_str(e->culprit_file, "/srv/a/x.php");
	assert_int_equal(e->culprit_line, 12);
	expect_str(e->vhost, "a.test");
	expect_str(e->host_header, "forged.test");
	expect_str(e->client_ip, "192.0.2.9");
	expect_str(e->url_path, "/x.php"); /* without what may be a secret */
	expect_str(e->method, "POST");
	expect_str(e->docroot, "/srv/a");
	expect_str(e->php_version, "8.2.36");
	expect_str(e->php_sapi, "fpm-fcgi");
	assert_int_equal(e->uid, 33);
	assert_int_equal(e->euid, 34);
	expect_str(e->user_name, "www-data");
	assert_int_equal(e->pid, 500);
	assert_int_equal(e->parent_pid, 100);
	expect_str(e->executable, "/usr/sbin/sendmail");
	expect_str(e->parent_executable, "/usr/sbin/php-fpm8.2");
	expect_str(e->working_directory, "/var/www");
	assert_int_equal(e->args_len, 12);
	expect_str(e->mta, "postfix");
	expect_str(e->queue_id, "4054AA7EA38");
	expect_str(e->subject, "Subject!");
	expect_str(e->sender, ""); /* the null sender is known */
	expect_str(e->from, NULL);
	assert_int_equal(e->recipients, 3);
	assert_int_equal(e->bytes, COUNT_UNKNOWN);
	assert_int_equal(e->frame_count, 3);
	for (int v = 0; v < EVIDENCE_COUNT; v++)
		assert_int_equal(has(e, (enum evidence)v),
				 v == EVIDENCE_PHP_MEMORY || v == EVIDENCE_FORK_TREE ||
					 v == EVIDENCE_EXEC || v == EVIDENCE_QUEUE_COMMIT ||
					 v == EVIDENCE_SERVER_CONFIG);
}

static void every_sapi(void **state)
{
	static const struct {
		const char *name;
		struct php php;
		const char *sapi, *script, *vhost, *client, *docroot;
		enum source source;
		enum attribution attribution;
	} cases[] = {
		{"mod_php",
		 {.sapi = ST_SAPI_APACHE2HANDLER,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/srv/a/x.php",
		  .file = "/srv/a/x.php",
		  .uri = "/x",
		  .client = "192.0.2.1",
		  .server_name = "a.test",
		  .filename = "/srv/a/x.php"},
		 "apache2handler",
		 "/srv/a/x.php",
		 "a.test",
		 "192.0.2.1",
		 NULL,
		 SOURCE_SCRIPT,
		 ATTRIBUTION_EXACT},
		{"php-cgi under FastCGI",
		 {.sapi = ST_SAPI_CGI,
		  .flags = ST_O_SCRIPT_SG | ST_O_FCGI,
		  .script = "/srv/a/x.php",
		  .file = "/srv/a/x.php",
		  .docroot = "/srv/a",
		  .client = "192.0.2.1"},
		 "cgi-fcgi",
		 "/srv/a/x.php",
		 "a.test",
		 "192.0.2.1",
		 "/srv/a",
		 SOURCE_SCRIPT,
		 ATTRIBUTION_EXACT},
		{"command line",
		 {.sapi = ST_SAPI_CLI,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/srv/job.php",
		  .file = "/srv/job.php",
		  .uri = "/srv/job.php",
		  .host = "h.test"},
		 "cli",
		 "/srv/job.php",
		 NULL,
		 NULL,
		 NULL,
		 SOURCE_CLI,
		 ATTRIBUTION_EXACT},
		{"a SAPI of another kind",
		 {.sapi = ST_SAPI_OTHER,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/srv/a/x.php",
		  .file = "/srv/a/x.php"},
		 NULL,
		 "/srv/a/x.php",
		 "a.test",
		 NULL,
		 NULL,
		 SOURCE_SCRIPT,
		 ATTRIBUTION_EXACT},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;

		set_php(s, &cases[i].php);
		e = queued(s);
		print_message("  %s\n", cases[i].name);
		expect_str(e->php_sapi, cases[i].sapi);
		expect_str(e->script, cases[i].script);
		expect_str(e->vhost, cases[i].vhost);
		expect_str(e->client_ip, cases[i].client);
		expect_str(e->docroot, cases[i].docroot);
		assert_int_equal(e->source, cases[i].source);
		assert_int_equal(e->attribution, cases[i].attribution);
	}
}

/* What user space read of its environment; the engine's memory comes first. */
static void plain_cgi(void **state)
{
	static const char block[] = "REMOTE_ADDR=192.0.2.7\0DOCUMENT_ROOT=/srv/a\0REQUEST_URI=/"
				    "x.php?s\0REQUEST_METHOD=GET\0"
				    "HTTP_HOST=h.test\0REMOTE_ADDR=192.0.2.8\0DOCUMENT_ROOT\0";
	struct php p = {.sapi = ST_SAPI_CGI,
			.flags = ST_O_SCRIPT_SG,
			.script = "/srv/a/x.php",
			.file = "/srv/a/x.php"};
	_scene_;
	const struct mail_event *e;
	char *copy;

	(void)state;
	set_php(s, &p);
	assert_true(origin_wants_environment(s->origin));
	e = queued(s);
	expect_str(e->client_ip, NULL);
	assert_false(has(e, EVIDENCE_ENVIRONMENT));
	copy = malloc(sizeof(block));
	memcpy(copy, block, sizeof(block));
	origin_take_environment(s->origin, copy, sizeof(block) - 1);
	e = queued(s);
	expect_str(e->client_ip, "192.0.2.7");
	expect_str(e->docroot, "/srv/a");
	expect_str(e->url_path, "/x.php");
	expect_str(e->method, "GET");
	expect_str(e->host_header, "h.test");
	assert_true(has(e, EVIDENCE_ENVIRONMENT));
	free(s->origin->environment);
	s->origin->environment = NULL;
	p.flags |= ST_O_FCGI;
	p.client = "192.0.2.1";
	set_php(s, &p);
	assert_false(origin_wants_environment(s->origin));
	copy = malloc(sizeof(block));
	memcpy(copy, block, sizeof(block));
	origin_take_environment(s->origin, copy, sizeof(block) - 1);
	expect_str(queued(s)->client_ip, "192.0.2.1");
	free(s->origin->environment);
	s->origin->environment = NULL;
}

static void over_a_connection_of_the_script(void **state)
{
	_scene_;
	const struct mail_event *e;

	(void)state;
	s->origin = php_origin(&fpm);
	s->queued.injection = NULL;
	s->queued.session = s->origin;
	s->queued.facts.from_network = true;
	strcpy(s->queued.facts.client_ip, "127.0.0.1");
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SCRIPT);
	assert_int_equal(e->attribution, ATTRIBUTION_EXACT);
	expect_str(e->script, "/srv/a/x.php");
	expect_str(e->client_ip, "192.0.2.9"); /* the web client, not 127.0.0.1 */
	assert_int_equal(e->pid, 100);
	assert_true(has(e, EVIDENCE_SMTP_PORT));
	s->queued.doubt = "doubt!";
	e = queued(s);
	assert_int_equal(e->attribution, ATTRIBUTION_INFERRED);
	expect_str(e->reason, "doubt!");
	/* it may have come over one that is not known any more */
	s->queued.session = NULL;
	s->queued.doubt = NULL;
	e = queued(s);
	assert_int_equal(e->attribution, ATTRIBUTION_EXACT);
	s->queued.session_forgotten = true;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SMTP);
	assert_int_equal(e->attribution, ATTRIBUTION_INFERRED);
	expect_str(e->reason, "the connection that it came over, which may be a script's, had to "
			      "be forgotten");
	s->queued.session_forgotten = false;
	s->queued.session_ended = true;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SMTP);
	assert_int_equal(e->attribution, ATTRIBUTION_INFERRED);
	expect_str(e->reason, "a connection of a script or an injector from its port had just "
			      "ended, and may have brought it");
}

static void why_not_exact(void **state)
{
	static const struct {
		const char *name;
		struct php php;
		const char *vhost; /* "-": none; "?": a guess */
		const char *doubt;
		enum attribution attribution;
		const char *script, *reason;
	} cases[] = {
		{"sure",
		 {.sapi = ST_SAPI_FPM,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/x.php",
		  .file = "/x.php"},
		 "a.test",
		 NULL,
		 ATTRIBUTION_EXACT,
		 "/x.php",
		 NULL},
		{"a vhost that is a guess",
		 {.sapi = ST_SAPI_FPM,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/x.php",
		  .file = "/x.php"},
		 "?",
		 NULL,
		 ATTRIBUTION_INFERRED,
		 "/x.php",
		 "vhost reason"},
		{"no vhost at all is no lie",
		 {.sapi = ST_SAPI_FPM,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/x.php",
		  .file = "/x.php"},
		 "-",
		 NULL,
		 ATTRIBUTION_EXACT,
		 "/x.php",
		 NULL},
		{"only the stack names a script",
		 {.sapi = ST_SAPI_FPM, .file = "/x.php"},
		 "a.test",
		 NULL,
		 ATTRIBUTION_INFERRED,
		 "/srv/a/outer.php",
		 "only the outermost frame of the stack names a file"},
		{"nothing names a script",
		 {.sapi = ST_SAPI_FPM},
		 "a.test",
		 NULL,
		 ATTRIBUTION_INFERRED,
		 NULL,
		 "the engine's memory did not name the primary script"},
		{"no stack",
		 {.sapi = ST_SAPI_FPM, .flags = ST_O_SCRIPT_SG, .script = "/x.php"},
		 "a.test",
		 NULL,
		 ATTRIBUTION_INFERRED,
		 "/x.php",
		 "the engine's stack could not be read"},
		{"correlate has a doubt",
		 {.sapi = ST_SAPI_FPM,
		  .flags = ST_O_SCRIPT_SG,
		  .script = "/x.php",
		  .file = "/x.php"},
		 "a.test",
		 "doubt!",
		 ATTRIBUTION_INFERRED,
		 "/x.php",
		 "doubt!"},
		{"the first reason is told",
		 {.sapi = ST_SAPI_FPM, .flags = ST_O_SCRIPT_SG, .script = "/x.php"},
		 "?",
		 "doubt!",
		 ATTRIBUTION_INFERRED,
		 "/x.php",
		 "the engine's stack could not be read"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;

		set_php(s, &cases[i].php);
		s->host.vhost = *cases[i].vhost == '-' ? NULL : "a.test";
		s->host.vhost_exact = *cases[i].vhost != '?';
		s->queued.doubt = cases[i].doubt;
		e = queued(s);
		print_message("  %s\n", cases[i].name);
		assert_int_equal(e->attribution, cases[i].attribution);
		expect_str(e->script, cases[i].script);
		expect_str(e->reason, cases[i].reason);
	}
}

static void vhost_is_asked_with_what_the_server_decided(void **state)
{
	_scene_;
	struct php p = fpm;

	(void)state;
	p.server_name = "decided.test";
	set_php(s, &p);
	s->origin->uid = 1005;
	queued(s);
	assert_string_equal(s->host.docroot, "/srv/a");
	assert_string_equal(s->host.host, "forged.test");
	expect_str(s->host.asked.server_name_from_memory, "decided.test");
	expect_str(s->host.asked.script, "/srv/a/x.php");
	assert_int_equal(s->host.asked.uid, 1005);
	assert_null(s->host.asked.culprit); /* it is the script */
	s->origin->frames[0].file = "/srv/b/y.php";
	queued(s);
	expect_str(s->host.asked.culprit, "/srv/b/y.php");
	/* the table has the host's names */
	s->ops.own_mntns = s->origin->mntns + 1;
	s->origin->mntns = 5;
	queued(s);
	assert_null(s->host.asked.culprit);
}

/* What no server says was read where something else stands. */
static void frames_of_no_file(void **state)
{
	static const char *const files[] = {"sub", "phar:///srv/a/x.phar/y.php"};

	(void)state;
	for (size_t i = 0; i < array_size(files); i++) {
		_scene_;
		const struct mail_event *e;
		struct php p = fpm;

		p.file = files[i];
		set_php(s, &p);
		e = queued(s);
		expect_str(e->culprit_file, i ? files[i] : NULL);
		assert_int_equal(e->attribution, i ? ATTRIBUTION_EXACT : ATTRIBUTION_INFERRED);
	}
}

static void library_and_eval_frames(void **state)
{
	static const struct {
		const char *file, *culprit;
		uint32_t line;
		const char *function;
	} cases[] = {
		{"/srv/a/vendor/phpmailer/phpmailer/src/PHPMailer.php", "/srv/a/outer.php", 99,
		 "PHPMailer\\PHPMailer\\PHPMailer::send"},
		{"/srv/a/wp-includes/pluggable.php", "/srv/a/outer.php", 99, "wp_mail"},
		{"/srv/a/x.php(44) : eval()'d code", "/srv/a/x.php", 44, NULL},
		{"/srv/a/x.php(44) : eval()'d code(1) : eval()'d code", "/srv/a/x.php", 44, NULL},
		{"/srv/a/included.inc", "/srv/a/included.inc", 5, NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;
		struct php p = fpm;

		p.file = cases[i].file;
		p.function = cases[i].function;
		p.line = 5;
		set_php(s, &p);
		e = queued(s);
		expect_str(e->script, "/srv/a/x.php");
		expect_str(e->culprit_file, cases[i].culprit);
		assert_int_equal(e->culprit_line, cases[i].line);
	}
}

static void cli_below_web_is_the_requests_doing(void **state)
{
	_scene_;
	const struct mail_event *e;
	struct php cli = {.sapi = ST_SAPI_CLI,
			  .flags = ST_O_SCRIPT_SG,
			  .script = "/srv/a/worker.php",
			  .file = "/srv/a/worker.php",
			  .line = 3,
			  .parent = 7};

	(void)state;
	s->parent = php_origin(&fpm);
	s->host.parent = s->parent;
	set_php(s, &cli);
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SCRIPT);
	expect_str(e->script, "/srv/a/worker.php");
	expect_str(e->client_ip, "192.0.2.9");
	expect_str(e->vhost, "a.test");
	expect_str(e->php_sapi, "cli");
	/* its parent's record was lost */
	s->host.parent = NULL;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_CLI);
	expect_str(e->client_ip, NULL);
}

static void cli_below_cli_below_itself(void **state)
{
	_scene_;
	struct php cli = {.sapi = ST_SAPI_CLI,
			  .flags = ST_O_SCRIPT_SG,
			  .script = "/j.php",
			  .file = "/j.php",
			  .parent = 7};

	(void)state;
	s->parent = php_origin(&cli); /* is its own parent: ends all the same */
	s->host.parent = s->parent;
	set_php(s, &cli);
	assert_int_equal(queued(s)->source, SOURCE_CLI);
}

/* ---- other languages, users ---- */

#define ARGS(s)                                                                                    \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

struct args {
	const char *s;
	size_t n;
};

static void script_of_arguments(void **state)
{
	static const struct {
		struct args args;
		const char *script;
	} cases[] = {
		{ARGS("/usr/bin/perl\0/a.pl\0"), "/a.pl"},
		{ARGS("/usr/bin/perl\0-w\0-T\0/a.pl\0x\0"), "/a.pl"},
		{ARGS("perl\0-I\0/lib\0/a.pl\0"), "/a.pl"},
		{ARGS("perl\0-I/lib\0-Mstrict\0/a.pl\0"), "/a.pl"},
		{ARGS("perl\0-e\0print\0"), NULL},
		{ARGS("perl\0-we\0print\0"), NULL},
		{ARGS("perl\0-ne\0print\0/etc/passwd\0"), NULL},
		{ARGS("perl\0-E\0say\0"), NULL},
		{ARGS("perl\0-Mre\0/a.pl\0"), "/a.pl"},
		{ARGS("perl\0-i.bake\0/a.pl\0"), "/a.pl"},
		{ARGS("perl\0--\0/a.pl\0"), "/a.pl"},
		{ARGS("python3\0-u\0a.py\0"), "a.py"},
		{ARGS("python3\0-m\0smtplib\0"), NULL},
		{ARGS("python3\0-c\0import x\0"), NULL},
		{ARGS("python3\0-uc\0import x\0"), NULL},
		{ARGS("python3\0-W\0ignore\0a.py\0"), "a.py"},
		{ARGS("python3\0-Ec\0x\0"), NULL},
		{ARGS("sh\0-c\0/usr/sbin/sendmail -t\0"), NULL},
		{ARGS("sh\0-ec\0/usr/sbin/sendmail -t\0"), NULL},
		{ARGS("bash\0-lc\0/usr/sbin/sendmail -t\0"), NULL},
		{ARGS("bash\0--norc\0/a.sh\0"), "/a.sh"},
		{ARGS("bash\0--rcfile\0/etc/rc\0/a.sh\0"), "/a.sh"},
		{ARGS("bash\0-o\0pipefail\0/a.sh\0"), "/a.sh"},
		{ARGS("bash\0-euo\0pipefail\0/a.sh\0"), "/a.sh"},
		{ARGS("sh\0-e\0/a.sh\0"), "/a.sh"},
		{ARGS("sh\0-ex\0/a.sh\0"), "/a.sh"},
		{ARGS("sh\0-s\0argument\0"), NULL},
		{ARGS("sh\0+e\0/a.sh\0"), "/a.sh"},
		{ARGS("-bash\0"), NULL},
		{ARGS("bash\0"), NULL},
		{ARGS("sh\0-\0"), NULL},
		{ARGS("sh\0-e\0"), NULL},
		{ARGS("sh"), NULL},
		{ARGS(""), NULL},
		{ARGS("\0"), NULL},
		{ARGS("\0\0\0"), NULL},
		{ARGS("ruby\0-ropen-uri\0a.rb\0"), "a.rb"},
		{ARGS("ruby\0-e\0x\0"), NULL},
		{ARGS("node\0a.js\0"), "a.js"},
		{ARGS("node\0-e\0x\0"), NULL},
	};

	(void)state;
	assert_null(attribute_script_of(NULL, 0));
	for (size_t i = 0; i < array_size(cases); i++) {
		char block[256];
		const char *got;

		memcpy(block, cases[i].args.s, cases[i].args.n);
		block[cases[i].args.n] = '\0'; /* as correlate keeps it */
		got = attribute_script_of(block, cases[i].args.n);
		if (!got != !cases[i].script || (got && strcmp(got, cases[i].script)))
			fail_msg("case %zu (%s %s): %s", i, block, block + strlen(block) + 1,
				 got ? got : "nothing");
	}
}

static void interpreters(void **state)
{
	static const struct {
		const char *name;
		struct args outer, inner;
		const char *cwd;
		enum { BELOW_NOBODY, BELOW_WEB, BELOW_FPM } below;
		enum source source;
		enum attribution attribution;
		const char *script;
	} cases[] = {
		{"a perl CGI script",
		 ARGS("/usr/bin/perl\0/srv/a/f.cgi\0"),
		 {0},
		 "/srv/a",
		 BELOW_WEB,
		 SOURCE_SCRIPT,
		 ATTRIBUTION_EXACT,
		 "/srv/a/f.cgi"},
		{"a perl script under cron",
		 ARGS("/usr/bin/perl\0/root/j.pl\0"),
		 {0},
		 "/",
		 BELOW_NOBODY,
		 SOURCE_CLI,
		 ATTRIBUTION_EXACT,
		 "/root/j.pl"},
		{"named relatively",
		 ARGS("python3\0j.py\0"),
		 {0},
		 "/home/u",
		 BELOW_NOBODY,
		 SOURCE_CLI,
		 ATTRIBUTION_INFERRED,
		 "/home/u/j.py"},
		{"named relatively in /",
		 ARGS("python3\0j.py\0"),
		 {0},
		 "/",
		 BELOW_NOBODY,
		 SOURCE_CLI,
		 ATTRIBUTION_INFERRED,
		 "/j.py"},
		{"named relatively, nobody knows where",
		 ARGS("python3\0j.py\0"),
		 {0},
		 NULL,
		 BELOW_NOBODY,
		 SOURCE_CLI,
		 ATTRIBUTION_INFERRED,
		 "j.py"},
		{"a shell script that calls a perl script", ARGS("sh\0/a.sh\0"),
		 ARGS("perl\0/b.pl\0"), "/", BELOW_NOBODY, SOURCE_CLI, ATTRIBUTION_EXACT, "/b.pl"},
		{"a wrapper that is called sendmail", ARGS("perl\0/b.pl\0"),
		 ARGS("/bin/sh\0/usr/sbin/sendmail\0-t\0"), "/", BELOW_NOBODY, SOURCE_CLI,
		 ATTRIBUTION_EXACT, "/b.pl"},
		{"a wrapper and nothing else",
		 ARGS("/bin/sh\0/usr/sbin/sendmail\0-t\0"),
		 {0},
		 "/",
		 BELOW_NOBODY,
		 SOURCE_USER,
		 ATTRIBUTION_EXACT,
		 NULL},
		{"a shell's -c below a script", ARGS("perl\0/b.pl\0"),
		 ARGS("sh\0-c\0sendmail -t\0"), "/", BELOW_NOBODY, SOURCE_CLI, ATTRIBUTION_EXACT,
		 "/b.pl"},
		{"a login shell",
		 ARGS("-bash\0"),
		 {0},
		 "/home/u",
		 BELOW_NOBODY,
		 SOURCE_USER,
		 ATTRIBUTION_EXACT,
		 NULL},
		{"an interactive shell below a web server",
		 ARGS("sh\0-i\0"),
		 {0},
		 "/",
		 BELOW_WEB,
		 SOURCE_SCRIPT,
		 ATTRIBUTION_NONE,
		 NULL},
		{"a name that was cut",
		 ARGS("perl\0/srv/very/long"),
		 {0},
		 "/",
		 BELOW_NOBODY,
		 SOURCE_CLI,
		 ATTRIBUTION_INFERRED,
		 "/srv/very/long"},
		{"no script at all",
		 {0},
		 {0},
		 "/",
		 BELOW_NOBODY,
		 SOURCE_USER,
		 ATTRIBUTION_EXACT,
		 NULL},
		{"a web server's child of which nothing was read",
		 {0},
		 {0},
		 "/",
		 BELOW_WEB,
		 SOURCE_SCRIPT,
		 ATTRIBUTION_NONE,
		 NULL},
		{"a PHP engine's child of which nothing was read",
		 ARGS("sh\0-c\0sendmail -t\0"),
		 {0},
		 "/",
		 BELOW_FPM,
		 SOURCE_SCRIPT,
		 ATTRIBUTION_NONE,
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;
		char outer[128] = "", inner[128] = "";

		memcpy(outer, cases[i].outer.s ? cases[i].outer.s : "", cases[i].outer.n);
		memcpy(inner, cases[i].inner.s ? cases[i].inner.s : "", cases[i].inner.n);
		s->injection.script = cases[i].outer.n ? outer : NULL;
		s->injection.script_len = cases[i].outer.n;
		s->injection.script_inner = cases[i].inner.n ? inner : NULL;
		s->injection.script_inner_len = cases[i].inner.n;
		s->injection.cwd = (char *)cases[i].cwd;
		s->injection.ancestors = 2;
		s->injection.ancestor[0].exe.ino = EXE_SH;
		s->injection.ancestor[1].exe.ino = cases[i].below == BELOW_WEB   ? EXE_APACHE
						   : cases[i].below == BELOW_FPM ? EXE_FPM
										 : EXE_CRON;
		e = queued(s);
		print_message("  %s\n", cases[i].name);
		assert_int_equal(e->source, cases[i].source);
		expect_str(e->script, cases[i].script);
		expect_str(e->culprit_file, cases[i].script);
		assert_int_equal(e->attribution, cases[i].attribution);
		assert_int_equal(has(e, EVIDENCE_ARGV), cases[i].script != NULL);
		assert_false(has(e, EVIDENCE_PHP_MEMORY));
	}
}

/* In a mount namespace of his own anybody has his file where another's is. */
static void a_script_in_a_container(void **state)
{
	static char args[] = "perl\0/srv/b/x.pl";
	_scene_;

	(void)state;
	s->injection.script = args;
	s->injection.script_len = sizeof(args);
	s->injection.mntns = 5;
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_EXACT);
	s->ops.own_mntns = 5;
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_EXACT);
	s->ops.own_mntns = 6;
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_INFERRED);
	expect_str(s->event.script, "/srv/b/x.pl");
}

static void a_user_at_a_terminal(void **state)
{
	static const struct {
		uint32_t tty;
		const char *name;
	} cases[] = {
		{0, NULL},
		{136 << 20 | 3, "pts/3"},
		{137 << 20 | 3, "pts/259"},
		{4 << 20 | 1, "tty1"},
		{4 << 20 | 64, "ttyS0"},
		{204 << 20 | 5, "204:5"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;

		s->injection.uid = 1000;
		s->injection.tty = cases[i].tty;
		s->injection.ancestors = 1;
		s->injection.ancestor[0] =
			(struct st_ancestor){.task = {.tgid = 77}, .comm = "mutt"};
		e = queued(s);
		assert_int_equal(e->source, SOURCE_USER);
		expect_str(e->terminal, cases[i].name);
		expect_str(e->user_name, "anna");
		assert_int_equal(e->parent_pid, 77);
		expect_str(e->parent_executable, "mutt");
	}
}

static void a_uid_without_a_name_and_a_container(void **state)
{
	_scene_;
	const struct mail_event *e;

	(void)state;
	s->injection.uid = 4711;
	s->host.container = "0123abcd";
	s->injection.program = 99;
	e = queued(s);
	assert_int_equal(e->uid, 4711);
	expect_str(e->user_name, NULL);
	expect_str(e->container, "0123abcd");
	expect_str(e->executable, NULL);
}

/* ---- what did not come from here ---- */

static char smtp_env[] =
	"TCPREMOTEIP=198.51.100.4\0TCPREMOTEPORT=4000\0RELAYCLIENT=\0SMTPAUTHUSER=info@a.test";

static void every_source(void **state)
{
	static const struct {
		const char *name;
		enum run run, before, first; /* of the committing task, and of the injection */
		uint32_t role;
		bool injection, php, lost, network, bounce, env;
		const char *auth;
		enum source source;
		enum attribution attribution;
		const char *client, *auth_user, *script;
	} cases[] = {
		{"qmail-inject from a script", RUN_QUEUER, RUN_SUBMIT, RUN_SUBMIT, ST_ROLE_INJECTOR,
		 1, 1, 0, 0, 0, 0, NULL, SOURCE_SCRIPT, ATTRIBUTION_EXACT, "192.0.2.9", NULL,
		 "/srv/a/x.php"},
		{"SMTP, by the queue file", RUN_OTHER, RUN_OTHER, RUN_OTHER, 0, 0, 0, 0, 1, 0, 0,
		 NULL, SOURCE_SMTP, ATTRIBUTION_EXACT, "203.0.113.5", NULL, NULL},
		{"SMTP AUTH, by the queue file", RUN_OTHER, RUN_OTHER, RUN_OTHER, 0, 0, 0, 0, 1, 0,
		 0, "bob", SOURCE_SMTP_AUTH, ATTRIBUTION_EXACT, "203.0.113.5", "bob", NULL},
		{"SMTP by qmail-smtpd's child, its environment", RUN_QUEUER, RUN_SMTPD, RUN_SMTPD,
		 ST_ROLE_SMTPD, 1, 0, 0, 0, 0, 1, NULL, SOURCE_SMTP_AUTH, ATTRIBUTION_EXACT,
		 "198.51.100.4", "info@a.test", NULL},
		{"SMTP by qmail-smtpd's child, no environment", RUN_QUEUER, RUN_SMTPD, RUN_SMTPD,
		 ST_ROLE_SMTPD, 1, 0, 0, 0, 0, 0, NULL, SOURCE_SMTP, ATTRIBUTION_EXACT, NULL, NULL,
		 NULL},
		{"sendmail -bs from a script: not the network", RUN_QUEUER, RUN_SMTPD, RUN_SUBMIT,
		 ST_ROLE_INJECTOR, 1, 1, 0, 0, 0, 0, NULL, SOURCE_SCRIPT, ATTRIBUTION_EXACT,
		 "192.0.2.9", NULL, "/srv/a/x.php"},
		{"bounce by its run", RUN_BOUNCE, RUN_OTHER, RUN_SUBMIT, ST_ROLE_INJECTOR, 1, 1, 0,
		 0, 0, 0, NULL, SOURCE_BOUNCE, ATTRIBUTION_EXACT, NULL, NULL, NULL},
		{"bounce by its file", RUN_OTHER, RUN_OTHER, RUN_OTHER, 0, 0, 0, 0, 0, 1, 0, NULL,
		 SOURCE_BOUNCE, ATTRIBUTION_EXACT, NULL, NULL, NULL},
		{"forward", RUN_QUEUER, RUN_FORWARD, RUN_FORWARD, ST_ROLE_MTA, 1, 0, 0, 0, 0, 0,
		 NULL, SOURCE_FORWARD, ATTRIBUTION_EXACT, NULL, NULL, NULL},
		{"nobody was seen", RUN_OTHER, RUN_OTHER, RUN_OTHER, 0, 0, 0, 0, 0, 0, 0, NULL,
		 SOURCE_UNKNOWN, ATTRIBUTION_NONE, NULL, NULL, NULL},
		{"its injection was lost", RUN_OTHER, RUN_OTHER, RUN_OTHER, 0, 0, 0, 1, 0, 0, 0,
		 NULL, SOURCE_UNKNOWN, ATTRIBUTION_NONE, NULL, NULL, NULL},
		{"its origin was lost", RUN_QUEUER, RUN_SUBMIT, RUN_SUBMIT, ST_ROLE_INJECTOR, 1, 0,
		 1, 0, 0, 0, NULL, SOURCE_UNKNOWN, ATTRIBUTION_NONE, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;

		if (cases[i].php)
			set_php(s, &fpm);
		s->queued.injection = cases[i].injection ? &s->injection : NULL;
		s->queued.origin_lost = s->injection.origin_lost = cases[i].lost;
		s->injection.run = cases[i].first;
		s->injection.role = cases[i].role;
		s->injection.env = cases[i].env ? smtp_env : NULL;
		s->injection.env_len = cases[i].env ? sizeof(smtp_env) - 1 : 0;
		s->queued.actor.run = cases[i].run;
		s->queued.actor.before = cases[i].before;
		s->queued.facts.from_network = cases[i].network;
		s->queued.facts.bounce = cases[i].bounce;
		snprintf(s->queued.facts.client_ip, 64, "%s",
			 cases[i].network ? "203.0.113.5" : "");
		snprintf(s->queued.facts.auth_user, 256, "%s", cases[i].auth ? cases[i].auth : "");
		e = queued(s);
		print_message("  %s\n", cases[i].name);
		assert_int_equal(e->source, cases[i].source);
		assert_int_equal(e->attribution, cases[i].attribution);
		expect_str(e->client_ip, cases[i].client);
		expect_str(e->auth_user, cases[i].auth_user);
		expect_str(e->script, cases[i].script);
	}
}

/* What anybody can execute does not speak for others, whatever its inode and environment. */
static void servers_by_hand(void **state)
{
	static const struct {
		const char *name;
		enum run first;
		uint32_t role;
		bool php, local, first_id;
		uint32_t uid, loginuid;
		enum source source;
		enum attribution attribution;
		const char *auth_user, *script;
		int64_t expect_uid;
	} cases[] = {
		{"smtpd -S of a script", RUN_SMTPD, ST_ROLE_SMTPD, 1, 1, 1, 33, UINT32_MAX,
		 SOURCE_SCRIPT, ATTRIBUTION_EXACT, NULL, "/srv/a/x.php", 33},
		{"smtpd -S of a user", RUN_SMTPD, ST_ROLE_SMTPD, 0, 1, 1, 1000, UINT32_MAX,
		 SOURCE_USER, ATTRIBUTION_EXACT, NULL, NULL, 1000},
		{"qmail-smtpd of a script", RUN_SMTPD, ST_ROLE_SMTPD, 1, 1, 0, 33, UINT32_MAX,
		 SOURCE_SCRIPT, ATTRIBUTION_INFERRED, NULL, "/srv/a/x.php", 33},
		{"qmail-smtpd of a login", RUN_SMTPD, ST_ROLE_SMTPD, 0, 1, 0, 1000, 1000,
		 SOURCE_USER, ATTRIBUTION_INFERRED, NULL, NULL, 1000},
		{"vpopmail's qmail-smtpd", RUN_SMTPD, ST_ROLE_SMTPD, 0, 1, 0, 89, UINT32_MAX,
		 SOURCE_SMTP_AUTH, ATTRIBUTION_EXACT, "info@a.test", NULL, 89},
		{"one that an administrator restarted", RUN_SMTPD, ST_ROLE_SMTPD, 0, 0, 0, 1002,
		 1000, SOURCE_SMTP_AUTH, ATTRIBUTION_EXACT, "info@a.test", NULL, COUNT_UNKNOWN},
		{"qmail-local of a script", RUN_FORWARD, ST_ROLE_MTA, 1, 1, 0, 33, UINT32_MAX,
		 SOURCE_SCRIPT, ATTRIBUTION_INFERRED, NULL, "/srv/a/x.php", 33},
		{"qmail-local of the MTA", RUN_FORWARD, ST_ROLE_MTA, 0, 1, 0, 1000, UINT32_MAX,
		 SOURCE_FORWARD, ATTRIBUTION_EXACT, NULL, NULL, COUNT_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;

		print_message("  %s\n", cases[i].name);
		if (cases[i].php)
			set_php(s, &fpm);
		s->injection.run = cases[i].first;
		s->injection.role = cases[i].role;
		s->injection.uid = cases[i].uid;
		s->injection.loginuid = cases[i].loginuid;
		s->injection.env = smtp_env;
		s->injection.env_len = sizeof(smtp_env) - 1;
		s->queued.actor.run = RUN_QUEUER;
		s->queued.actor.before = cases[i].first;
		s->queued.facts.local = cases[i].local;
		s->queued.facts.uid = cases[i].local ? (int64_t)cases[i].uid : COUNT_UNKNOWN;
		if (cases[i].first_id)
			strcpy(s->queued.first_id, "3A1C91B9E1");
		e = queued(s);
		assert_int_equal(e->source, cases[i].source);
		assert_int_equal(e->attribution, cases[i].attribution);
		assert_int_equal(e->uid, cases[i].expect_uid);
		expect_str(e->auth_user, cases[i].auth_user);
		expect_str(e->script, cases[i].script);
	}
}

/* Arguments are the process's own word, and dash can call itself perl. */
static void a_script_that_is_another_users(void **state)
{
	static const struct {
		int64_t uid, owner;
		bool known;
		enum attribution expect;
	} cases[] = {
		{1000, 1000, true, ATTRIBUTION_EXACT},
		{1000, 0, true, ATTRIBUTION_EXACT},
		{1000, 1001, true, ATTRIBUTION_INFERRED},
		{0, 1001, true, ATTRIBUTION_EXACT},
		{1000, COUNT_UNKNOWN, false, ATTRIBUTION_INFERRED},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct mail_event e = {.attribution = ATTRIBUTION_EXACT,
				       .evidence = 1u << EVIDENCE_ARGV,
				       .uid = cases[i].uid,
				       .culprit = {.known = cases[i].known,
						   .owner = cases[i].owner}};

		attribute_file(&e);
		assert_int_equal(e.attribution, cases[i].expect);
		assert_int_equal(!e.reason, e.attribution == ATTRIBUTION_EXACT);
		e.attribution = ATTRIBUTION_EXACT;
		e.evidence = 1u << EVIDENCE_PHP_MEMORY;
		attribute_file(&e);
		assert_int_equal(e.attribution, ATTRIBUTION_EXACT);
	}
}

static const char *login_name(void *arg, const struct queued *q)
{
	(void)arg;
	return q->injection && q->injection->checker_count ? "info@shop.test" : NULL;
}

/* qmail: the log names the mailbox; RELAYCLIENT that came later says that there is one. */
static void smtp_logins(void **state)
{
	static const struct {
		bool checker, relayed, log;
		enum source source;
		const char *user;
	} cases[] = {
		{false, false, true, SOURCE_SMTP, NULL},
		{true, false, true, SOURCE_SMTP_AUTH, "info@shop.test"},
		{true, true, true, SOURCE_SMTP_AUTH, "info@shop.test"},
		{false, true, true, SOURCE_SMTP_AUTH, NULL},
		{true, true, false, SOURCE_SMTP_AUTH, NULL},
		{true, false, false, SOURCE_SMTP, NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_scene_;
		const struct mail_event *e;

		s->ops.login = cases[i].log ? login_name : NULL;
		s->injection.role = ST_ROLE_SMTPD;
		s->injection.checker_count = cases[i].checker;
		s->injection.relayed = cases[i].relayed;
		s->queued.actor.run = RUN_QUEUER;
		s->queued.actor.before = RUN_SMTPD;
		e = queued(s);
		assert_int_equal(e->source, cases[i].source);
		expect_str(e->auth_user, cases[i].user);
		assert_int_equal(has(e, EVIDENCE_MAIL_LOG), cases[i].user != NULL);
	}
}

/* Sendmail: the file says that there was a login, and correlate had the mailbox from the log. */
static void sendmail_logins(void **state)
{
	_scene_;
	const struct mail_event *e;

	(void)state;
	s->queued.injection = NULL;
	s->queued.has_facts = true;
	s->queued.facts.from_network = true;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SMTP);
	s->queued.facts.authenticated = true;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SMTP_AUTH);
	expect_str(e->auth_user, NULL);
	snprintf(s->queued.facts.auth_user, sizeof(s->queued.facts.auth_user), "info@shop.test");
	s->queued.logged = true;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SMTP_AUTH);
	expect_str(e->auth_user, "info@shop.test");
	assert_true(has(e, EVIDENCE_MAIL_LOG));
}

/* Postfix: the file is gone, and cleanup's peer says what it was. */
static void a_peer_without_a_file(void **state)
{
	_scene_;
	const struct mail_event *e;

	(void)state;
	s->queued.injection = NULL;
	s->queued.has_facts = false;
	s->queued.no_facts = "gone";
	s->queued.actor.run = RUN_SMTPD;
	e = queued(s);
	assert_int_equal(e->source, SOURCE_SMTP);
	assert_int_equal(e->attribution, ATTRIBUTION_INFERRED); /* it may have logged in */
	expect_str(e->reason, "gone");
	s->queued.actor.run = RUN_FORWARD;
	assert_int_equal(queued(s)->source, SOURCE_FORWARD);
	s->queued.actor.run = RUN_BOUNCE;
	s->queued.logged = true;
	snprintf(s->queued.facts.parent_id, QUEUE_ID_MAX, "4054AA7EA39");
	e = queued(s);
	assert_int_equal(e->source, SOURCE_BOUNCE);
	expect_str(e->parent_queue_id, "4054AA7EA39");
	assert_true(has(e, EVIDENCE_MAIL_LOG));
}

static void what_the_file_says_when_nobody_was_seen(void **state)
{
	_scene_;
	const struct mail_event *e;

	(void)state;
	s->queued.injection = NULL;
	s->queued.facts.uid = 1000;
	e = queued(s);
	assert_int_equal(e->uid, 1000);
	expect_str(e->user_name, "anna");
	assert_true(has(e, EVIDENCE_QUEUE_FILE));
	assert_int_equal(e->attribution, ATTRIBUTION_NONE);
	s->queued.has_facts = false;
	s->queued.doubt = "a doubt of correlate";
	e = queued(s);
	assert_int_equal(e->uid, COUNT_UNKNOWN);
	assert_int_equal(e->pid, COUNT_UNKNOWN);
	expect_str(e->reason, "a doubt of correlate");
	expect_str(e->sender, NULL);
}

/* ---- attempts, removals, connections ---- */

static void attempts(void **state)
{
	_scene_;
	struct mail_event e;

	(void)state;
	set_php(s, &fpm);
	attribute_attempt(&s->ops, &s->injection, NULL, &s->room, &e);
	assert_int_equal(e.action, ACTION_MAIL_ATTEMPTED);
	assert_int_equal(e.exit_code, -1);
	assert_int_equal(e.exit_signal, 0);
	expect_str(e.queue_id, NULL);
	expect_str(e.script, "/srv/a/x.php");
	expect_str(e.reason, NULL);
	s->injection.exit_code = 75;
	s->injection.exit_signal = 9;
	attribute_attempt(&s->ops, &s->injection, "because", &s->room, &e);
	assert_int_equal(e.exit_code, 75);
	assert_int_equal(e.exit_signal, 9);
	expect_str(e.reason, "because");
	s->injection.mta = NULL;
	attribute_attempt(&s->ops, &s->injection, NULL, &s->room, &e);
	expect_str(e.mta, NULL);
}

static void removals(void **state)
{
	static const struct {
		bool aborted, by_mta, bounced, by_tool;
		const char *remover;
	} cases[] = {{false, true, false, false, "delivered"},
		     {false, true, true, false, "bounced"},
		     {false, false, false, false, "administrator"},
		     {false, false, true, false,
		      "administrator"}, /* bounced, and then somebody's rm */
		     {false, true, false, true, "administrator"}, /* postsuper -d */
		     {true, true, false, false, "aborted"},
		     {true, false, false, false, "aborted"}};
	_scene_;

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct removed r = {.queue = &s->queue,
				    .id = "X",
				    .actor = {.uid = 5, .task = {.tgid = 6}},
				    .aborted = cases[i].aborted,
				    .bounced = cases[i].bounced,
				    .by_tool = cases[i].by_tool};
		struct mail_event e;

		attribute_removed(&r, cases[i].by_mta, &e);
		assert_int_equal(e.action, ACTION_MAIL_REMOVED);
		expect_str(e.remover, cases[i].remover);
		expect_str(e.queue_id, "X");
		assert_int_equal(e.uid, 5);
		assert_int_equal(e.pid, 6);
	}
}

static void connections(void **state)
{
	_scene_;
	struct st_connect k = {.h.task.tgid = 100,
			       .uid = 33,
			       .family = 4,
			       .daddr = {127, 0, 0, 1},
			       .dport = 25,
			       .sport = 41000};
	struct mail_event e;

	(void)state;
	s->origin = php_origin(&fpm);
	attribute_connect(&s->ops, &k, s->origin, &s->room, &e);
	assert_int_equal(e.action, ACTION_SMTP_CONNECTED);
	assert_int_equal(e.attribution, ATTRIBUTION_EXACT);
	expect_str(e.script, "/srv/a/x.php");
	expect_str(e.destination_ip, "127.0.0.1");
	assert_int_equal(e.destination_port, 25);
	assert_int_equal(e.client_port, 41000);
	expect_str(e.executable, "/usr/sbin/php-fpm8.2");
	k.family = 6;
	memset(k.daddr, 0, 16);
	k.daddr[15] = 1;
	attribute_connect(&s->ops, &k, NULL, &s->room, &e);
	expect_str(e.destination_ip, "::1");
	assert_int_equal(e.attribution, ATTRIBUTION_NONE);
	expect_str(e.script, NULL);
	assert_non_null(e.reason);
}

/* A program that a web server started, whose environment's record was lost: no script is named. */
static void connections_of_an_unseen_program(void **state)
{
	_scene_;
	struct st_connect k = {.h.task.tgid = 100, .uid = 33, .family = 4, .dport = 25};
	struct origin *o = php_origin(&fpm);
	const struct mail_event *m;
	struct mail_event e;

	(void)state;
	o->why = ST_BY_CGI;
	s->origin = o;
	attribute_connect(&s->ops, &k, o, &s->room, &e);
	assert_int_equal(e.attribution, ATTRIBUTION_NONE);
	assert_int_equal(e.source, SOURCE_UNKNOWN);
	assert_int_equal(e.uid, 33);
	expect_str(e.script, NULL);
	assert_non_null(e.reason);

	s->queued.injection = NULL;
	s->queued.session = o;
	s->queued.facts.from_network = true;
	m = queued(s);
	assert_int_equal(m->attribution, ATTRIBUTION_NONE);
	assert_int_equal(m->source, SOURCE_UNKNOWN);
	expect_str(m->script, NULL);
	assert_int_equal(m->pid, 100);

	/* nor by a program that it ran; what came before may be another request's */
	o->parent = 7;
	s->queued.session = NULL;
	s->queued.injection = &s->injection;
	s->injection.origin = o;
	m = queued(s);
	assert_int_equal(m->attribution, ATTRIBUTION_NONE);
	assert_int_equal(m->source, SOURCE_UNKNOWN);
	expect_str(m->script, NULL);
	o->parent = 0;
}

/* Exim's and Sendmail's files alone tell mail of the network from what began before tracing. */
static void a_file_that_was_gone(void **state)
{
	_scene_;

	(void)state;
	s->queued.injection = NULL;
	s->queued.has_facts = false;
	assert_non_null(strstr(queued(s)->reason, "before tracing"));
	s->queued.no_facts = "the file was gone";
	assert_int_equal(queued(s)->source, SOURCE_UNKNOWN);
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_NONE);
	expect_str(queued(s)->reason, "the file was gone");
	s->queued.origin_lost = true;
	assert_non_null(strstr(queued(s)->reason, "lost"));
}

static const char *programs_doubt_of(void *arg)
{
	(void)arg;
	return "another's file can pass for it";
}

/* Where numbers of files are shared, nothing is exact, and what was less stays what it was. */
static void programs_that_may_be_others(void **state)
{
	_scene_;
	struct st_connect k = {.h.task.tgid = 100, .uid = 33, .family = 4, .dport = 25};
	struct mail_event e;

	(void)state;
	s->origin = php_origin(&fpm);
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_EXACT);
	s->ops.programs_doubt = programs_doubt_of;
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_INFERRED);
	expect_str(queued(s)->reason, "another's file can pass for it");
	assert_int_equal(queued(s)->source, SOURCE_USER);
	attribute_attempt(&s->ops, &s->injection, NULL, &s->room, &e);
	assert_int_equal(e.attribution, ATTRIBUTION_INFERRED);
	attribute_connect(&s->ops, &k, s->origin, &s->room, &e);
	assert_int_equal(e.attribution, ATTRIBUTION_INFERRED);
	s->queued.injection = NULL;
	s->queued.facts.from_network = true;
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_INFERRED);
	s->queued.facts.from_network = false;
	assert_int_equal(queued(s)->attribution, ATTRIBUTION_NONE);
	assert_non_null(strstr(queued(s)->reason, "before tracing"));
}

/* Strings as long as they can be stay within their room (ASan). */
static void long_strings(void **state)
{
	_scene_;
	static char text[4096];
	struct php p = fpm;

	(void)state;
	memset(text, 'z', sizeof(text) - 1);
	text[0] = '/';
	p.uri = p.host = p.docroot = p.client = text;
	set_php(s, &p);
	queued(s);
	assert_int_equal(strlen(s->event.url_path), sizeof(s->room.url_path) - 1);
	set_php(s, &(struct php){.sapi = ST_SAPI_CLI, .script = text, .file = text});
	queued(s);
	free(s->origin);
	s->origin = s->injection.origin = NULL;
	s->injection.cwd = text;
	s->injection.script = (char *)"perl\0a.pl";
	s->injection.script_len = 10;
	queued(s);
	assert_true(strlen(s->event.script) < sizeof(s->room.script));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fpm_exact),
		cmocka_unit_test(every_sapi),
		cmocka_unit_test(plain_cgi),
		cmocka_unit_test(over_a_connection_of_the_script),
		cmocka_unit_test(why_not_exact),
		cmocka_unit_test(vhost_is_asked_with_what_the_server_decided),
		cmocka_unit_test(frames_of_no_file),
		cmocka_unit_test(library_and_eval_frames),
		cmocka_unit_test(cli_below_web_is_the_requests_doing),
		cmocka_unit_test(cli_below_cli_below_itself),
		cmocka_unit_test(script_of_arguments),
		cmocka_unit_test(interpreters),
		cmocka_unit_test(a_script_in_a_container),
		cmocka_unit_test(a_user_at_a_terminal),
		cmocka_unit_test(a_uid_without_a_name_and_a_container),
		cmocka_unit_test(every_source),
		cmocka_unit_test(servers_by_hand),
		cmocka_unit_test(a_script_that_is_another_users),
		cmocka_unit_test(smtp_logins),
		cmocka_unit_test(sendmail_logins),
		cmocka_unit_test(a_peer_without_a_file),
		cmocka_unit_test(what_the_file_says_when_nobody_was_seen),
		cmocka_unit_test(attempts),
		cmocka_unit_test(removals),
		cmocka_unit_test(connections),
		cmocka_unit_test(connections_of_an_unseen_program),
		cmocka_unit_test(a_file_that_was_gone),
		cmocka_unit_test(programs_that_may_be_others),
		cmocka_unit_test(long_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
