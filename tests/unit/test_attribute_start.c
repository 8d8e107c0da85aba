// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who sent it, where a web server's CGI start, an engine that cannot be read, or a root directory
 * of its own is involved. What tests/unit/ test_attribute.c says of the rest holds here, too.
 */
#include "trace_builders.h"

#include "trace/attribute.h"

/* Origins by id, so that each test says who descends from whom. */
struct host {
	struct origin *origin[64];
	char asked_script[256], asked_chroot[64];
	bool jailed, proved, executable;
};

static const char *user(void *arg, uint32_t uid)
{
	(void)arg;
	(void)uid;
	return NULL;
}

static const char *php_version(void *arg, uint32_t image)
{
	(void)arg;
	(void)image;
	return "9.9.1";
}

static const char *php_reason(void *arg, uint32_t image)
{
	(void)arg;
	(void)image;
	return "no layout is known for PHP 9.9";
}

static const char *program_at(void *arg, const struct st_inode *exe, uint32_t *role)
{
	(void)arg;
	(void)exe;
	*role = ST_ROLE_NONE;
	return NULL;
}

static const char *program(void *arg, uint32_t id, const struct mta **mta)
{
	(void)arg;
	(void)id;
	*mta = &mta_postfix;
	return "/usr/sbin/sendmail";
}

static int vhost(void *arg, const struct vhost_query *q, struct vhost_answer *out)
{
	struct host *h = arg;

	snprintf(h->asked_script, sizeof(h->asked_script), "%s", q->script ? q->script : "");
	snprintf(h->asked_chroot, sizeof(h->asked_chroot), "%s", q->chroot ? q->chroot : "");
	*out = (struct vhost_answer){
		.name = "a.test", .exact = true, .evidence = EVIDENCE_SERVER_CONFIG};
	return 0;
}

static const struct origin *origin_by_id(void *arg, uint64_t id)
{
	struct host *h = arg;

	return id < array_size(h->origin) ? h->origin[id] : NULL;
}

static const char *container(void *arg, uint32_t mntns)
{
	(void)arg;
	(void)mntns;
	return NULL;
}

static bool jail(void *arg, const struct st_task *task, char *out, size_t size)
{
	const struct host *h = arg;

	(void)task;
	if (h->jailed)
		snprintf(out, size, "/srv/jail");
	return h->jailed;
}

static int host_path(void *arg, const struct st_task *task, const char *path, char *out,
		     size_t size)
{
	const struct host *h = arg;

	(void)task;
	if (!h->proved)
		return -ENOENT;
	snprintf(out, size, "/srv/jail%s", path);
	return 0;
}

static bool executable(void *arg, const struct st_task *task, char *out, size_t size)
{
	const struct host *h = arg;

	(void)task;
	if (h->executable)
		snprintf(out, size, "/usr/sbin/logwatch");
	return h->executable;
}

struct scene {
	struct host host;
	struct attribute_ops ops;
	struct injection injection;
	struct attribution_room room;
	struct mail_event event;
};

static struct scene *scene_new(void)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->ops = (struct attribute_ops){.user = user,
					.php_version = php_version,
					.php_reason = php_reason,
					.program_at = program_at,
					.program = program,
					.vhost = vhost,
					.origin = origin_by_id,
					.container = container,
					.executable = executable,
					.jail = jail,
					.host_path = host_path,
					.own_mntns = 1,
					.arg = &s->host};
	s->injection = (struct injection){
		.role = ST_ROLE_INJECTOR, .run = RUN_SUBMIT, .mta = &mta_postfix};
	return s;
}

static void scene_freep(struct scene **s)
{
	for (size_t i = 0; i < array_size((*s)->host.origin); i++)
		origin_free((*s)->host.origin[i]);
	free(*s);
}

#define _scene_ struct scene *s __attribute__((cleanup(scene_freep))) = scene_new()

static struct st_origin *begin(struct rec *r, uint64_t id, uint64_t parent)
{
	struct st_origin *raw =
		rec_begin(r, ST_ORIGIN, sizeof(*raw), (struct st_task){.tgid = 100}, 1);

	raw->id = id;
	raw->parent = parent;
	raw->mntns = 1;
	return raw;
}

static struct origin *add(struct scene *s, const struct rec *r)
{
	struct record record = rec_record(r);
	struct origin *o;

	assert_int_equal(origin_new(&record, &o), 0);
	s->host.origin[o->id] = s->injection.origin = o;
	return o;
}

/* The start of a CGI program, id 1, by a server that carries `parent`. */
static void add_start_of(struct scene *s, uint64_t parent, const char *block, size_t len)
{
	struct rec r;
	struct st_env *e;
	struct record record;
	struct origin *o;

	begin(&r, 1, parent)->why = ST_BY_CGI;
	o = add(s, &r);
	e = rec_begin(&r, ST_ENV, sizeof(*e), (struct st_task){.tgid = 100}, 1);
	e->total = (uint32_t)len;
	e->env = rec_bytes(&r, block, len);
	record = rec_record(&r);
	assert_int_equal(origin_environment(o, &record), 0);
}

static void add_start(struct scene *s, const char *block, size_t len)
{
	add_start_of(s, 0, block, len);
}

#define ENV                                                                                        \
	"GATEWAY_INTERFACE=CGI/1.1\0DOCUMENT_ROOT=/srv/"                                           \
	"a\0REMOTE_ADDR=192.0.2.7\0HTTP_HOST=h.test\0"                                             \
	"REQUEST_URI=/u?secret\0REQUEST_METHOD=POST\0"

static const struct mail_event *sent(struct scene *s)
{
	attribute_attempt(&s->ops, &s->injection, NULL, &s->room, &s->event);
	return &s->event;
}

static bool has(const struct mail_event *e, enum evidence v)
{
	return e->evidence >> v & 1;
}

static void perl_as_cgi(void **state)
{
	static const char block[] = ENV "SCRIPT_FILENAME=/srv/cgi/x.pl";
	const struct mail_event *e;
	_scene_;

	(void)state;
	add_start(s, block, sizeof(block));
	e = sent(s);
	assert_int_equal(e->source, SOURCE_SCRIPT);
	assert_int_equal(e->attribution, ATTRIBUTION_EXACT);
	assert_string_equal(e->script, "/srv/cgi/x.pl");
	assert_string_equal(e->culprit_file, "/srv/cgi/x.pl");
	assert_int_equal(e->culprit_line, 0);
	assert_string_equal(e->client_ip, "192.0.2.7");
	assert_string_equal(e->url_path, "/u");
	assert_string_equal(e->vhost, "a.test");
	assert_string_equal(s->host.asked_script, "/srv/cgi/x.pl");
	assert_true(has(e, EVIDENCE_ENVIRONMENT));
	assert_false(has(e, EVIDENCE_PHP_MEMORY));
}

/* rotatelogs is a child of the web server, too. */
static void a_helper_of_the_server(void **state)
{
	const struct mail_event *e;
	_scene_;

	(void)state;
	add_start(s, "SCRIPT_FILENAME=/x", 19);
	e = sent(s);
	assert_int_equal(e->source, SOURCE_USER);
	assert_null(e->script);
	assert_null(e->vhost);
}

/* At the end of a request php-cgi has forgotten the script, and the first file may be an
 * auto_prepend_file. */
static void php_as_cgi_at_its_end(void **state)
{
	static const char block[] = ENV
		"SCRIPT_FILENAME=/cgi/php\0REDIRECT_HANDLER=php-cgi\0PATH_TRANSLATED=/srv/a/i.php";
	const struct mail_event *e;
	struct st_origin *raw;
	struct rec r;
	_scene_;

	(void)state;
	add_start(s, block, sizeof(block));
	/* it forked itself once in between */
	for (uint64_t id = 2; id < 4; id++) {
		raw = begin(&r, id, id - 1);
		raw->sapi = ST_SAPI_CGI;
		raw->flags = ST_O_REQUEST;
		raw->included = rec_text(&r, "/etc/prepend.php");
		raw->frames = 1;
		raw->frame[0] = (struct st_frame){
			.type = ST_FRAME_USER, .line = 4, .file = rec_text(&r, "/srv/a/l.php")};
		add(s, &r);
	}
	e = sent(s);
	assert_int_equal(e->attribution, ATTRIBUTION_EXACT);
	assert_string_equal(e->script, "/srv/a/i.php");
	assert_string_equal(e->culprit_file, "/srv/a/l.php");
	assert_string_equal(e->client_ip, "192.0.2.7");
}

/* A .htaccess made another of the server's variables. */
static void a_name_that_stands_twice(void **state)
{
	static const char again[] = ENV "SCRIPT_FILENAME=/srv/cgi/x.pl\0REMOTE_ADDR=192.0.2.7",
			  other[] = "SCRIPT_FILENAME=/srv/b/y.pl\0" ENV
				    "SCRIPT_FILENAME=/srv/cgi/x.pl",
			  empty[] = "REMOTE_ADDR=\0" ENV "SCRIPT_FILENAME=/srv/cgi/x.pl";

	(void)state;
	{
		_scene_;
		add_start(s, again, sizeof(again));
		assert_int_equal(sent(s)->attribution, ATTRIBUTION_EXACT);
		assert_string_equal(s->event.client_ip, "192.0.2.7");
	}
	{
		_scene_;
		add_start(s, other, sizeof(other));
		assert_int_equal(sent(s)->attribution, ATTRIBUTION_INFERRED);
		assert_non_null(strstr(s->event.reason, "twice"));
	}
	{
		_scene_;
		add_start(s, empty, sizeof(empty));
		assert_int_equal(sent(s)->attribution, ATTRIBUTION_INFERRED);
		assert_null(s->event.client_ip);
	}
}

/* A user's own httpd writes what he likes. */
static void a_web_server_of_a_login(void **state)
{
	static const char block[] = ENV "SCRIPT_FILENAME=/srv/cgi/x.pl";
	_scene_;

	(void)state;
	add_start(s, block, sizeof(block));
	s->injection.uid = 1005;
	s->injection.loginuid = UINT32_MAX;
	assert_int_equal(sent(s)->attribution, ATTRIBUTION_EXACT);
	s->injection.loginuid = 1000; /* an administrator restarted it */
	assert_int_equal(sent(s)->attribution, ATTRIBUTION_EXACT);
	s->injection.loginuid = 1005;
	assert_int_equal(sent(s)->attribution, ATTRIBUTION_INFERRED);
	assert_non_null(strstr(s->event.reason, "a login started the web server"));
}

static void add_request(struct scene *s, uint64_t id, uint64_t parent, enum st_sapi sapi,
			const char *script)
{
	struct st_origin *raw;
	struct rec r;

	raw = begin(&r, id, parent);
	raw->sapi = (uint8_t)sapi;
	raw->flags = ST_O_REQUEST | ST_O_SCRIPT_SG;
	raw->script = raw->included = rec_text(&r, script);
	raw->frames = 1;
	raw->frame[0] = (struct st_frame){.type = ST_FRAME_USER, .line = 4, .file = raw->script};
	add(s, &r);
}

static void a_web_server_of_a_script(void **state)
{
	static const char block[] = ENV "SCRIPT_FILENAME=/srv/cgi/x.pl";
	static const struct {
		const char *name;
		uint32_t uid; /* of the server */
		uint64_t sent_by;
		enum attribution attribution;
		enum source source;
		const char *script;
	} cases[] = {
		{"root's, CGI", 0, 1, ATTRIBUTION_EXACT, SOURCE_SCRIPT, "/srv/cgi/x.pl"},
		{"root's, request", 0, 6, ATTRIBUTION_EXACT, SOURCE_SCRIPT, "/srv/b/i.php"},
		{"root's, command line", 0, 7, ATTRIBUTION_EXACT, SOURCE_CLI, "/srv/b/cli.php"},
		{"root's, no request", 0, 5, ATTRIBUTION_NONE, SOURCE_UNKNOWN, NULL},
		{"a user's, CGI", 33, 1, ATTRIBUTION_INFERRED, SOURCE_SCRIPT, "/srv/cgi/x.pl"},
		{"a user's, request", 33, 6, ATTRIBUTION_INFERRED, SOURCE_SCRIPT, "/srv/b/i.php"},
		{"a user's, no request", 33, 5, ATTRIBUTION_INFERRED, SOURCE_SCRIPT,
		 "/srv/a/evil.php"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct mail_event *e;
		struct st_origin *raw;
		struct rec r;
		_scene_;

		add_request(s, 4, 0, ST_SAPI_FPM, "/srv/a/evil.php");
		raw = begin(&r, 5, 4);
		raw->why = ST_BY_SERVER;
		raw->uid = cases[i].uid;
		add(s, &r);
		add_start_of(s, 5, block, sizeof(block));
		add_request(s, 6, 5, ST_SAPI_APACHE2HANDLER, "/srv/b/i.php");
		add_request(s, 7, 5, ST_SAPI_CLI, "/srv/b/cli.php");
		s->injection.origin = s->host.origin[cases[i].sent_by];
		e = sent(s);
		if (e->attribution != cases[i].attribution || e->source != cases[i].source ||
		    !!e->script != !!cases[i].script ||
		    (e->script && strcmp(e->script, cases[i].script)) ||
		    (e->attribution == ATTRIBUTION_INFERRED &&
		     !strstr(e->reason, "a script started the web server")))
			fail_msg("%s: %d, '%s', %s", cases[i].name, (int)e->attribution, e->script,
				 e->reason ? e->reason : "no reason");
	}
}

/* As many scripts as one likes can stand between. */
static void a_web_server_far_back(void **state)
{
	static const struct {
		uint64_t scripts;
		const char *reason;
	} cases[] = {{9, "a script started the web server"}, {40, "further back"}};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct st_origin *raw;
		struct rec r;
		_scene_;

		raw = begin(&r, 5, 0);
		raw->why = ST_BY_SERVER;
		raw->uid = 33;
		add(s, &r);
		for (uint64_t id = 6; id < 6 + cases[i].scripts; id++)
			add_request(s, id, id - 1, ST_SAPI_FPM, "/srv/b/i.php");
		assert_int_equal(sent(s)->attribution, ATTRIBUTION_INFERRED);
		assert_non_null(strstr(s->event.reason, cases[i].reason));
	}
}

/* Perhaps it was such a server. */
static void what_started_it_was_lost(void **state)
{
	static const char block[] = ENV "SCRIPT_FILENAME=/srv/cgi/x.pl";
	_scene_;

	(void)state;
	add_start(s, block, sizeof(block));
	assert_int_equal(sent(s)->attribution, ATTRIBUTION_EXACT);
	s->host.origin[1]->parent_lost = true;
	assert_int_equal(sent(s)->attribution, ATTRIBUTION_INFERRED);
	assert_non_null(strstr(s->event.reason, "lost"));
}

/* php-cgi, of which its memory names a script. */
static struct st_origin *begin_cgi(struct rec *r, const char *script)
{
	struct st_origin *raw = begin(r, 2, 0);

	raw->sapi = ST_SAPI_CGI;
	raw->flags = ST_O_REQUEST | ST_O_SCRIPT_SG;
	raw->script = rec_text(r, script);
	return raw;
}

/* php-cgi with the environment of a request, but no web server started it. */
static void a_request_that_is_claimed(void **state)
{
	static const char block[] = "REMOTE_ADDR=192.0.2.99";
	struct st_origin *raw;
	struct origin *o;
	struct rec r;
	char *copy;
	_scene_;

	(void)state;
	raw = begin_cgi(&r, "/srv/a/i.php");
	raw->method = rec_text(&r, "GET");
	raw->docroot = rec_text(&r, "/srv/a");
	raw->client = rec_text(&r, "192.0.2.66");
	raw->frames = 1;
	raw->frame[0] = (struct st_frame){
		.type = ST_FRAME_USER, .line = 4, .file = rec_text(&r, "/srv/a/i.php")};
	o = add(s, &r);
	assert_int_equal(sent(s)->source, SOURCE_SCRIPT);
	assert_int_equal(s->event.attribution, ATTRIBUTION_INFERRED);
	assert_non_null(strstr(s->event.reason, "no web server was seen to start it"));
	assert_non_null(strstr(s->event.reason, "could not be read"));
	assert_string_equal(s->event.client_ip, "192.0.2.66");
	/* what the engine read of it is older than what it is now */
	copy = malloc(sizeof(block));
	assert_non_null(copy);
	memcpy(copy, block, sizeof(block));
	origin_take_environment(o, copy, sizeof(block));
	assert_null(strstr(sent(s)->reason, "could not be read"));
	assert_non_null(strstr(s->event.reason, "is what its environment says"));
	assert_string_equal(s->event.client_ip, "192.0.2.66");
}

/* php-cgi from a command line serves nobody. */
static void php_cgi_by_hand(void **state)
{
	struct rec r;
	_scene_;

	(void)state;
	begin_cgi(&r, "/a.php");
	add(s, &r);
	assert_int_equal(sent(s)->source, SOURCE_CLI);
	assert_null(s->event.vhost);
}

static void unreadable(void **state)
{
	static const char block[] =
		ENV "SCRIPT_FILENAME=/cgi/php\0REDIRECT_HANDLER=x\0PATH_TRANSLATED=/srv/a/i.php";
	static const struct {
		const char *name, *script, *expect, *asked, *reason;
		uint32_t flags;
		enum st_sapi sapi;
		bool start;
		enum source source;
		enum evidence evidence;
	} cases[] = {
		{"called", "/srv/a/c.php", "/srv/a/c.php", "/srv/a/c.php", "called to execute",
		 ST_O_SCRIPT_CALL, ST_SAPI_FPM, false, SOURCE_SCRIPT, EVIDENCE_PHP_CALL},
		{"called wins over the server", "/srv/a/c.php", "/srv/a/c.php", "/srv/a/c.php",
		 "called to execute", ST_O_SCRIPT_CALL, ST_SAPI_CGI, true, SOURCE_SCRIPT,
		 EVIDENCE_PHP_CALL},
		{"opened", "/srv/b/o.php", "/srv/b/o.php", "/srv/b/o.php", "opened",
		 ST_O_SCRIPT_OPEN, ST_SAPI_FPM, false, SOURCE_SCRIPT, EVIDENCE_FILE_OPENS},
		{"the server wins over an open", "/srv/b/o.php", "/srv/a/i.php", "/srv/a/i.php",
		 "server named", ST_O_SCRIPT_OPEN, ST_SAPI_CGI, true, SOURCE_SCRIPT,
		 EVIDENCE_ENVIRONMENT},
		{"the server named it", NULL, "/srv/a/i.php", "/srv/a/i.php", "server named", 0,
		 ST_SAPI_CGI, true, SOURCE_SCRIPT, EVIDENCE_ENVIRONMENT},
		{"only a directory", NULL, NULL, "/srv/b", "only its directory", 0, ST_SAPI_FPM,
		 false, SOURCE_SCRIPT, EVIDENCE_CWD},
		{"command line", "/srv/a/c.php", "/srv/a/c.php", "", "called to execute",
		 ST_O_SCRIPT_CALL, ST_SAPI_CLI, false, SOURCE_CLI, EVIDENCE_PHP_CALL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct mail_event *e;
		struct st_origin *raw;
		struct rec r;
		_scene_;

		if (cases[i].start)
			add_start(s, block, sizeof(block));
		raw = begin(&r, 2, cases[i].start ? 1 : 0);
		raw->sapi = (uint8_t)cases[i].sapi;
		raw->flags = ST_O_UNREADABLE | cases[i].flags;
		raw->script = rec_text(&r, cases[i].script);
		raw->cwd = rec_dir(&r, "/srv/b");
		add(s, &r);
		e = sent(s);
		if (e->attribution != ATTRIBUTION_INFERRED || e->source != cases[i].source ||
		    e->frame_count || has(e, EVIDENCE_PHP_MEMORY) || !has(e, cases[i].evidence) ||
		    !strstr(e->reason, cases[i].reason) || !strstr(e->reason, "PHP 9.9") ||
		    !!e->script != !!cases[i].expect ||
		    (e->script && strcmp(e->script, cases[i].expect)) ||
		    strcmp(s->host.asked_script, cases[i].asked))
			fail_msg("%s: %s, '%s', asked '%s'", cases[i].name, e->script, e->reason,
				 s->host.asked_script);
	}
}

static void a_root_of_its_own(void **state)
{
	static const struct {
		const char *name;
		bool jailed, proved;
		uint32_t mntns, flags;
		const char *expect;
		bool exact;
	} cases[] = {
		{"the host's", false, false, 1, 0, "/h/i.php", true},
		{"the host's, not asked", true, true, 1, ST_O_OWN_ROOT, "/h/i.php", true},
		{"chroot", true, true, 1, 0, "/srv/jail/h/i.php", true},
		{"chroot, file gone", true, false, 1, 0, "/h/i.php", false},
		{"container", false, true, 2, 0, "/srv/jail/h/i.php", true},
		{"container, not proved", false, false, 2, 0, "/h/i.php", false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct mail_event *e;
		struct st_origin *raw;
		struct rec r;
		_scene_;

		s->host.jailed = cases[i].jailed;
		s->host.proved = cases[i].proved;
		raw = begin(&r, 2, 0);
		raw->sapi = ST_SAPI_FPM;
		raw->flags = ST_O_REQUEST | ST_O_SCRIPT_SG | ST_O_FCGI | cases[i].flags;
		raw->mntns = cases[i].mntns;
		raw->script = rec_text(&r, "/h/i.php");
		raw->frames = 1;
		raw->frame[0] = (struct st_frame){
			.type = ST_FRAME_USER, .line = 4, .file = rec_text(&r, "/h/i.php")};
		add(s, &r);
		e = sent(s);
		if (strcmp(e->script, cases[i].expect) ||
		    strcmp(e->culprit_file, cases[i].expect) ||
		    (e->attribution == ATTRIBUTION_EXACT) != cases[i].exact)
			fail_msg("%s: %s", cases[i].name, e->script);
		/* vhosts are asked with what the worker sees, and where its root is */
		assert_string_equal(s->host.asked_script, "/h/i.php");
		assert_string_equal(s->host.asked_chroot,
				    cases[i].jailed && !cases[i].flags ? "/srv/jail" : "");
	}
}

static void a_parent_without_a_role(void **state)
{
	_scene_;

	(void)state;
	s->injection.ancestors = 1;
	strcpy(s->injection.ancestor[0].comm, "logwatch");
	assert_string_equal(sent(s)->parent_executable, "logwatch");
	/* a name that a process gives itself is no path */
	strcpy(s->injection.ancestor[0].comm, "/usr/sbin/cron");
	assert_null(sent(s)->parent_executable);
	s->host.executable = true;
	assert_string_equal(sent(s)->parent_executable, "/usr/sbin/logwatch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(perl_as_cgi),
		cmocka_unit_test(a_helper_of_the_server),
		cmocka_unit_test(php_as_cgi_at_its_end),
		cmocka_unit_test(a_name_that_stands_twice),
		cmocka_unit_test(a_web_server_of_a_login),
		cmocka_unit_test(a_web_server_of_a_script),
		cmocka_unit_test(a_web_server_far_back),
		cmocka_unit_test(what_started_it_was_lost),
		cmocka_unit_test(a_request_that_is_claimed),
		cmocka_unit_test(php_cgi_by_hand),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(a_root_of_its_own),
		cmocka_unit_test(a_parent_without_a_role),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
