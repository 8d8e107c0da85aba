// SPDX-License-Identifier: GPL-2.0-only
/* The walk through a PHP engine's memory, sound and hostile, and what is inherited from it. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct record *one_origin(const char *state)
{
	pid_t pid = run_engine(state, "exec");

	assert_int_equal(how_many(ST_ORIGIN, pid), 1);
	return first(ST_ORIGIN, pid);
}

static void expect(const struct record *r, struct st_str s, const char *want)
{
	assert_string_equal(str(r, s), want);
	assert_false(s.cut);
}

static void a_request(void **state)
{
	pid_t pid = run_engine("frames-3", "exec");
	const struct record *r = first(ST_ORIGIN, pid);
	const struct st_origin *o = as(st_origin, r);
	const struct st_exec *e;
	char cwd[512], path[512];

	(void)state;
	assert_int_equal(o->why, ST_BY_FORK);
	assert_int_equal(o->sapi, ST_SAPI_FPM);
	assert_int_equal(o->parent, 0);
	assert_true(o->id != 0);
	assert_int_equal(o->flags, ST_O_REQUEST | ST_O_SCRIPT_SG | ST_O_OWN_ROOT);
	assert_int_equal(o->uid, geteuid());
	assert_int_equal(o->euid, geteuid());
	expect(r, o->script, "/srv/a.php");
	expect(r, o->included, "/srv/included.php");
	expect(r, o->method, "POST");
	expect(r, o->uri, "/sg-uri");
	assert_int_equal(o->host.len + o->client.len + o->docroot.len + o->server_name.len +
				 o->filename.len,
			 0);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(record_path(r, o->cwd, path, sizeof(path)), 0);
	assert_string_equal(path, cwd);
	assert_int_equal(o->frames, 3);
	for (uint32_t i = 0; i < 3; i++) {
		char file[32], name[32];

		snprintf(file, sizeof(file), "/srv/%u.php", i + 1);
		snprintf(name, sizeof(name), "f%u", i + 1);
		expect(r, o->frame[i].file, file);
		expect(r, o->frame[i].function, name);
		expect(r, o->frame[i].scope, i == 1 ? "Class" : "");
		assert_int_equal(o->frame[i].line, i + 1);
		assert_int_equal(o->frame[i].type, ST_FRAME_USER);
	}
	/* the child that the record names is the one that execs, with this origin */
	e = as(st_exec, first(ST_EXEC, (pid_t)o->child.tgid));
	assert_memory_equal(&e->h.task, &o->child, sizeof(o->child));
	assert_int_equal(e->origin, o->id);
	assert_true(e->injection != 0);
	assert_int_equal(as(st_exit, first(ST_EXIT, (pid_t)o->child.tgid))->origin, o->id);
}

static void in_another_root(void **state)
{
	(void)state;
	assert_int_equal(as(st_origin, one_origin("jailed"))->flags, ST_O_REQUEST | ST_O_SCRIPT_SG);
}

static void every_sapi(void **state)
{
	static const struct {
		const char *engine;
		enum st_sapi sapi;
	} cases[] = {
		{"frames-1", ST_SAPI_FPM}, {"apache", ST_SAPI_APACHE2HANDLER},
		{"cgi-0", ST_SAPI_CGI},    {"cgi-1", ST_SAPI_CGI},
		{"cli", ST_SAPI_CLI},      {"other", ST_SAPI_OTHER},
		{"no-sapi", ST_SAPI_NONE}, {"bad-sapi", ST_SAPI_NONE},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct record *r = one_origin(cases[i].engine);

		assert_int_equal(as(st_origin, r)->sapi, cases[i].sapi);
		if (cases[i].sapi == ST_SAPI_NONE) {
			/* the engine's address is wrong: nothing of it is believed */
			assert_true(as(st_origin, r)->flags & ST_O_FAULT);
			assert_int_equal(as(st_origin, r)->script.len, 0);
			assert_int_equal(as(st_origin, r)->frames, 0);
		} else if (cases[i].sapi == ST_SAPI_CGI) {
			assert_false(as(st_origin, r)->flags & ST_O_FCGI);
			expect(r, as(st_origin, r)->uri, "/sg-uri");
		}
	}
}

/* Another build is loaded where this one was: not even what looks well is believed. */
static void another_build(void **state)
{
	struct st_php_image image = h.image;
	pid_t pid;

	(void)state;
	image.build_id_at = image.sapi_module; /* a pointer */
	image.build_id = 1;
	assert_int_equal(probe_set_image(h.probe, 0, &image), 0);
	h.asked = 0;
	pid = run_engine("frames-3", "exec");
	assert_int_equal(probe_set_image(h.probe, 0, &h.image), 0);
	assert_int_equal(how_many(ST_ORIGIN, pid), 0);
	assert_true(h.asked > 0); /* at the fork, and before the exec where that is seen */
}

static void no_request_no_origin(void **state)
{
	pid_t pid = run_engine("idle", "exec");
	const struct record *r;

	(void)state;
	assert_int_equal(how_many(ST_ORIGIN, pid), 0);
	assert_int_equal(how_many(ST_ORIGIN, 0), 0);
	r = first(ST_EXEC, 0);
	assert_int_equal(as(st_exec, r)->origin, 0);
	assert_true(as(st_exec, r)->injection != 0);
}

static void stacks(void **state)
{
	static const struct {
		const char *engine;
		unsigned frames;
		uint32_t cut;
	} cases[] = {
		{"frames-1", 1, 0},
		{"frames-15", 15, 0},
		{"frames-16", 16, 0},
		{"frames-17", 16, ST_O_STACK_CUT},
		{"frames-200", 16, ST_O_STACK_CUT},
		{"cycle", 16, ST_O_STACK_CUT},
		{"null-funcs", 2, 0},
		{"only-null-funcs", 0, 0},
		{"bad-prev", 1, 0},
		{"bad-ex", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct st_origin *o = as(st_origin, one_origin(cases[i].engine));

		if (o->frames != cases[i].frames || (o->flags & ST_O_STACK_CUT) != cases[i].cut)
			fail_msg("%s: %u frames, flags %x", cases[i].engine, o->frames, o->flags);
	}
}

static void pointers_that_lead_nowhere(void **state)
{
	const struct record *r = one_origin("bad-func");
	const struct st_origin *o = as(st_origin, r);

	(void)state;
	/* two frames of which nothing could be read, and a good one behind them */
	assert_int_equal(o->frames, 3);
	assert_int_equal(o->frame[0].type, 0);
	assert_int_equal(o->frame[0].file.len + o->frame[0].function.len + o->frame[1].file.len, 0);
	expect(r, o->frame[2].file, "/srv/1.php");

	r = one_origin("unterminated");
	o = as(st_origin, r);
	assert_int_equal(o->script.len, 0);
	assert_int_equal(o->frame[0].file.len, 0);
	assert_true(o->flags & ST_O_FAULT);
	expect(r, o->method, "POST");

	r = one_origin("context-bad");
	assert_int_equal(as(st_origin, r)->client.len, 0);
	expect(r, as(st_origin, r)->script, "/srv/a.php");

	r = one_origin("bad-included");
	assert_int_equal(as(st_origin, r)->included.len, 0);
	r = one_origin("no-included");
	assert_int_equal(as(st_origin, r)->included.len, 0);
	r = one_origin("context-1");
	assert_false(as(st_origin, r)->flags & ST_O_FCGI);
	expect(r, as(st_origin, r)->uri, "/sg-uri");
}

static void frame_types(void **state)
{
	const struct record *r = one_origin("odd-types");
	const struct st_origin *o = as(st_origin, r);

	(void)state;
	assert_int_equal(o->frames, 5);
	assert_int_equal(o->frame[0].type, ST_FRAME_INTERNAL);
	assert_int_equal(o->frame[0].file.len, 0);
	expect(r, o->frame[0].function, "mail");
	assert_int_equal(o->frame[1].type, ST_FRAME_EVAL);
	expect(r, o->frame[1].file, "/srv/e.php(9) : eval()'d code");
	assert_int_equal(o->frame[2].file.len, 0); /* no type of PHP's: user space leaves it out */
	expect(r, o->frame[4].file, "/srv/1.php");
}

static void huge_strings(void **state)
{
	const struct record *r = one_origin("huge");
	const struct st_origin *o = as(st_origin, r);

	(void)state;
	assert_int_equal(o->script.len, 511);
	assert_true(o->script.cut);
	assert_int_equal(o->docroot.len, 511);
	assert_true(o->docroot.cut);
	assert_int_equal(o->frame[0].file.len, 511);
	assert_true(o->frame[0].file.cut);
	assert_int_equal(o->frame[0].function.len, 127);
	assert_true(o->frame[0].function.cut);
	assert_true(o->frame[0].scope.cut);
	expect(r, o->client, "192.0.2.1");
	assert_int_equal(str(r, o->script)[0], '/');
	assert_int_equal(str(r, o->script)[510], 'h');
}

static void fastcgi(void **state)
{
	const struct record *r = one_origin("fcgi");
	const struct st_origin *o = as(st_origin, r);

	(void)state;
	assert_int_equal(o->flags, ST_O_REQUEST | ST_O_FCGI | ST_O_SCRIPT_SG | ST_O_OWN_ROOT);
	expect(r, o->script, "/srv/a.php");
	expect(r, o->docroot, "/srv");
	expect(r, o->client, "192.0.2.1");
	expect(r, o->uri, "/env-uri?x");
	expect(r, o->host, "host.test");

	r = one_origin("fcgi-env"); /* after the request: path_translated is gone */
	o = as(st_origin, r);
	expect(r, o->script, "/srv/env.php");
	assert_int_equal(o->flags & (ST_O_SCRIPT_SG | ST_O_SCRIPT_ENV), ST_O_SCRIPT_ENV);
}

static void fastcgi_hostile(void **state)
{
	static const struct {
		const char *engine, *docroot, *client;
		uint32_t flags;
	} cases[] = {
		{"fcgi-collide-5", "/srv", "192.0.2.1", 0},
		{"fcgi-collide-6", "", "192.0.2.1", ST_O_ENV_CUT},
		{"fcgi-cycle", "", "192.0.2.1", ST_O_ENV_CUT},
		{"fcgi-unmapped", "", "", 0},
		{"fcgi-fewer", "/srv", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct record *r = one_origin(cases[i].engine);
		const struct st_origin *o = as(st_origin, r);

		if (strcmp(str(r, o->docroot), cases[i].docroot) ||
		    strcmp(str(r, o->client), cases[i].client) ||
		    (o->flags & ST_O_ENV_CUT) != cases[i].flags)
			fail_msg("%s: docroot %s client %s flags %x", cases[i].engine,
				 str(r, o->docroot), str(r, o->client), o->flags);
		expect(r, o->script, "/srv/a.php");
		expect(r, o->uri, "/env-uri?x");
	}
}

static void apache(void **state)
{
	const struct record *r = one_origin("apache");
	const struct st_origin *o = as(st_origin, r);

	(void)state;
	expect(r, o->script, "/srv/a.php");
	expect(r, o->filename, "/srv/file.php");
	expect(r, o->uri, "/apache-uri?q");
	expect(r, o->host, "claimed.test");
	expect(r, o->server_name, "decided.test");
	expect(r, o->client, "192.0.2.2");

	r = one_origin("apache-no-request");
	assert_int_equal(as(st_origin, r)->server_name.len + as(st_origin, r)->client.len, 0);
}

/* ---- what is inherited ---- */

static const struct record *the_exec(void)
{
	assert_int_equal(how_many(ST_EXEC, 0), 1);
	return first(ST_EXEC, 0);
}

static void inherited(void **state)
{
	static const char *const kinds[] = {"exec", "vfork", "thread", "background"};

	(void)state;
	for (size_t i = 0; i < array_size(kinds); i++) {
		const struct record *e;

		run_engine("frames-2", kinds[i]);
		if (!strcmp(kinds[i], "background"))
			while (!nth(ST_EXIT, 0,
				    1)) /* it is nobody's child any more: its end is an event */
				drain();
		e = the_exec();
		if (!as(st_exec, e)->origin)
			fail_msg("%s: the origin did not arrive", kinds[i]);
		expect(e, as(st_exec, e)->filename, h.sendmail);
		expect(origin_of(as(st_exec, e)->origin),
		       as(st_origin, origin_of(as(st_exec, e)->origin))->script, "/srv/a.php");
		/* one end for the process, with the identity that it had from its birth */
		assert_int_equal(how_many(ST_EXIT, (pid_t)as(st_exec, e)->h.task.tgid), 1);
		assert_memory_equal(
			&as(st_exit, first(ST_EXIT, (pid_t)as(st_exec, e)->h.task.tgid))->h.task,
			&as(st_exec, e)->h.task, sizeof(struct st_task));
	}
}

static void in_place(void **state)
{
	pid_t pid = run_engine("frames-1", "in-place");
	const struct record *e = the_exec();
	size_t hooks;
	const char *const *hook = probe_hooks(h.probe, &hooks);
	bool can = false;

	(void)state;
	for (size_t i = 0; i < hooks; i++)
		can |= !strcmp(hook[i], "exec in place");
	assert_int_equal(as(st_exec, e)->h.task.tgid, pid);
	if (!can) { /* before 6.10: said to have none */
		assert_int_equal(as(st_exec, e)->origin, 0);
		return;
	}
	assert_int_equal(as(st_origin, first(ST_ORIGIN, pid))->why, ST_BY_EXEC);
	assert_int_equal(as(st_exec, e)->origin, as(st_origin, first(ST_ORIGIN, pid))->id);
}

static void ends(void **state)
{
	static const struct {
		const char *how;
		uint32_t code;
	} cases[] = {{"exit=0", 0}, {"exit=75", 75 << 8}, {"exit=255", 255 << 8}, {"killed", 9}};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct record *e;
		const struct st_exit *x;

		run_engine("frames-1", cases[i].how);
		e = the_exec();
		x = as(st_exit, first(ST_EXIT, (pid_t)as(st_exec, e)->h.task.tgid));
		assert_int_equal(x->code, cases[i].code);
		assert_int_equal(x->injection, as(st_exec, e)->injection);
	}
}

static void exec_waiting_engine(const void *arg)
{
	const int *fds = arg;

	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	close(fds[1]);
	execl(h.engine, "engine", "frames-1", "wait", h.sendmail, (char *)NULL);
}

/* A ring that is full when the worker forks: its child must not be taken for a plain user's. */
static void a_lost_origin_is_known_to_be_lost(void **state)
{
	char name[256], old[256];
	const struct record *e;
	int fds[2];
	pid_t pid;

	(void)state;
	harness_stop();
	assert_int_equal(harness_start(8192, false), 0);
	assert_int_equal(pipe(fds), 0);
	snprintf(old, sizeof(old), "%s/todo", h.queue);
	mkdir(old, 0755);
	snprintf(old, sizeof(old), "%s/full", h.queue);
	close(creat(old, 0600));
	drop();
	for (int i = 0; !lost_now(ST_LOST_RING_QUEUE); i++) {
		assert_true(i < 100);
		snprintf(name, sizeof(name), "%s/todo/%d", h.queue, i);
		assert_int_equal(link(old, name), 0);
		assert_int_equal(unlink(name), 0);
	}
	pid = fork();
	if (!pid) {
		exec_waiting_engine(fds);
		_exit(127);
	}
	close(fds[0]);
	while (!lost_now(ST_LOST_RING_ORIGIN))
		;
	drop();
	assert_int_equal(write(fds[1], "x", 1), 1);
	close(fds[1]);
	waitpid(pid, NULL, 0);
	drain();
	e = the_exec();
	assert_true(as(st_exec, e)->origin != 0);
	assert_int_equal(how_many(ST_ORIGIN, 0), 0);
	unlink(old);
	harness_stop();
	assert_int_equal(harness_start(0, false), 0);
	drop();
}

int engine_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request),
		cmocka_unit_test(in_another_root),
		cmocka_unit_test(every_sapi),
		cmocka_unit_test(another_build),
		cmocka_unit_test(no_request_no_origin),
		cmocka_unit_test(stacks),
		cmocka_unit_test(pointers_that_lead_nowhere),
		cmocka_unit_test(frame_types),
		cmocka_unit_test(huge_strings),
		cmocka_unit_test(fastcgi),
		cmocka_unit_test(fastcgi_hostile),
		cmocka_unit_test(apache),
		cmocka_unit_test(inherited),
		cmocka_unit_test(in_place),
		cmocka_unit_test(ends),
		cmocka_unit_test(a_lost_origin_is_known_to_be_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
