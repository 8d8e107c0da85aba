// SPDX-License-Identifier: GPL-2.0-only
/* Origins from records: every field, at its longest, cut, with offsets that lie; and which script
 * each SAPI's memory names. */
#include "trace_builders.h"

#include "trace/origin.h"

static struct st_origin *begin(struct rec *r)
{
	struct st_origin *o = rec_begin(r, ST_ORIGIN, sizeof(*o), (struct st_task){.tgid = 9}, 1);

	o->id = 42;
	return o;
}

static struct origin *make(const struct rec *r)
{
	struct record record = rec_record(r);
	struct origin *o = NULL;

	assert_int_equal(origin_new(&record, &o), 0);
	return o;
}

static void every_field(void **state)
{
	struct rec r;
	struct st_origin *raw = begin(&r);
	_free_ struct origin *o = NULL;

	(void)state;
	raw->parent = 7;
	raw->exe = (struct st_inode){.ino = 5, .dev = 6};
	raw->uid = 1;
	raw->euid = 2;
	raw->gid = 3;
	raw->mntns = 4;
	raw->image = 5;
	raw->flags = ST_O_REQUEST | ST_O_FCGI | ST_O_STACK_CUT;
	raw->why = ST_BY_CONNECT;
	raw->sapi = ST_SAPI_FPM;
	raw->script = rec_text(&r, "/a.php");
	raw->included = rec_text(&r, "/i.php");
	raw->uri = rec_text(&r, "/u?q");
	raw->method = rec_text(&r, "POST");
	raw->host = rec_text(&r, "h.test");
	raw->server_name = rec_text(&r, "s.test");
	raw->docroot = rec_text(&r, "/d");
	raw->client = rec_text(&r, "192.0.2.1");
	raw->filename = rec_text(&r, "/f.php");
	raw->cwd = rec_dir(&r, "/x/y");
	raw->frames = 3;
	raw->frame[0] = (struct st_frame){
		.type = ST_FRAME_INTERNAL, .function = rec_text(&r, "mail"), .line = 9};
	raw->frame[1] = (struct st_frame){.type = ST_FRAME_USER,
					  .line = 12,
					  .file = rec_text(&r, "/l.php"),
					  .function = rec_text(&r, "send"),
					  .scope = rec_text(&r, "M")};
	raw->frame[2] = (struct st_frame){.type = ST_FRAME_EVAL,
					  .line = 1,
					  .file = rec_text(&r, "/a.php(30) : eval()'d code")};
	o = make(&r);
	assert_int_equal(o->id, 42);
	assert_int_equal(o->parent, 7);
	assert_int_equal(o->refs, 0);
	assert_int_equal(o->worker.tgid, 9);
	assert_int_equal(o->exe.ino, 5);
	assert_int_equal(o->uid * 10000 + o->euid * 1000 + o->gid * 100 + o->mntns * 10 + o->image,
			 12345);
	assert_true(o->stack_cut && !o->script_cut);
	assert_int_equal(o->why, ST_BY_CONNECT);
	assert_int_equal(o->sapi, ST_SAPI_FPM);
	assert_string_equal(o->script, "/a.php");
	assert_string_equal(o->included, "/i.php");
	assert_string_equal(o->uri, "/u?q");
	assert_string_equal(o->method, "POST");
	assert_string_equal(o->host, "h.test");
	assert_string_equal(o->server_name, "s.test");
	assert_string_equal(o->docroot, "/d");
	assert_string_equal(o->client, "192.0.2.1");
	assert_string_equal(o->filename, "/f.php");
	assert_string_equal(o->cwd, "/x/y");
	assert_int_equal(o->frame_count, 3);
	assert_null(o->frames[0].file);
	assert_string_equal(o->frames[0].function, "mail");
	assert_int_equal(o->frames[0].line, 0);
	assert_string_equal(o->frames[1].file, "/l.php");
	assert_string_equal(o->frames[1].function, "M::send");
	assert_int_equal(o->frames[1].line, 12);
	assert_string_equal(o->frames[2].file, "/a.php");
	assert_int_equal(o->frames[2].line, 30);
	assert_true(o->frames[2].eval && !o->frames[1].eval);
	assert_null(o->frames[2].function);
}

static void what_is_unknown_is_null(void **state)
{
	struct rec r;
	struct st_origin *raw = begin(&r);
	_free_ struct origin *o = NULL;

	(void)state;
	raw->cwd.cut = 1;
	o = make(&r);
	assert_null(o->script);
	assert_null(o->client);
	assert_null(o->cwd);
	assert_int_equal(o->frame_count, 0);
}

static void every_field_at_its_longest(void **state)
{
	static const size_t fields[] = {
		offsetof(struct st_origin, script),   offsetof(struct st_origin, included),
		offsetof(struct st_origin, uri),      offsetof(struct st_origin, method),
		offsetof(struct st_origin, host),     offsetof(struct st_origin, server_name),
		offsetof(struct st_origin, docroot),  offsetof(struct st_origin, client),
		offsetof(struct st_origin, filename),
	};
	struct rec r;
	struct st_origin *raw = begin(&r);
	char text[512];
	_free_ struct origin *o = NULL;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[511] = '\0';
	for (size_t i = 0; i < array_size(fields); i++) {
		struct st_str s = cut(rec_text(&r, text));

		memcpy((char *)raw + fields[i], &s, sizeof(s));
	}
	raw->frames = ST_MAX_FRAMES;
	for (int i = 0; i < ST_MAX_FRAMES; i++)
		raw->frame[i] = (struct st_frame){.type = ST_FRAME_USER,
						  .line = UINT32_MAX,
						  .file = rec_text(&r, text),
						  .function = rec_bytes(&r, text, 127),
						  .scope = rec_bytes(&r, text, 127)};
	o = make(&r);
	assert_int_equal(strlen(o->filename), 511);
	assert_true(o->script_cut);
	assert_int_equal(o->frame_count, ST_MAX_FRAMES);
	assert_int_equal(strlen(o->frames[15].file), 511);
	assert_int_equal(strlen(o->frames[15].function), 127 + 2 + 127);
	assert_false(o->stack_cut);
}

/* Many strings that all lie over the same bytes need more room than the record has. */
static void overlapping_strings(void **state)
{
	struct rec r;
	struct st_origin *raw = begin(&r);
	_free_ struct origin *o = NULL;
	char text[1000];
	struct st_str s;

	(void)state;
	memset(text, 'y', sizeof(text));
	s = rec_bytes(&r, text, sizeof(text));
	raw->script = raw->included = raw->uri = raw->method = raw->host = s;
	raw->server_name = raw->docroot = raw->client = raw->filename = raw->cwd = s;
	raw->frames = 255;
	for (int i = 0; i < ST_MAX_FRAMES; i++)
		raw->frame[i] = (struct st_frame){
			.type = ST_FRAME_USER, .file = s, .function = s, .scope = s};
	o = make(&r);
	assert_int_equal(strlen(o->script), 1000);
	assert_true(o->frame_count <= EVENT_MAX_FRAMES);
}

static void garbage(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct rec r;
		struct st_origin *raw = begin(&r);
		struct record record;
		struct origin *o = NULL;

		rec_bytes(&r, "0123456789\0abcdefgh(3) : eval()'d code", 38);
		for (size_t i = sizeof(struct st_header); i < sizeof(*raw); i++)
			if (rnd(&seed) % 3 == 0)
				((char *)raw)[i] =
					(char)(rnd(&seed) % 2 ? rnd(&seed) % 40 : rnd(&seed));
		record = rec_record(&r);
		if (origin_new(&record, &o))
			continue;
		origin_inherit(o, NULL);
		for (size_t i = 0; i < o->frame_count; i++)
			assert_true(o->frames[i].file || o->frames[i].function);
		if (o->script)
			assert_true(strlen(o->script) <= 38);
		free(o);
	}
}

static void refused(void **state)
{
	struct rec r;
	struct record record;
	struct origin *o = NULL;

	(void)state;
	begin(&r)->id = 0;
	record = rec_record(&r);
	assert_int_equal(origin_new(&record, &o), -EPROTO);
	rec_begin(&r, ST_EXIT, sizeof(struct st_exit), (struct st_task){0}, 1);
	record = rec_record(&r);
	assert_int_equal(origin_new(&record, &o), -EPROTO);
	assert_null(o);
}

static void nul_inside(void **state)
{
	struct rec r;
	struct st_origin *raw = begin(&r);
	_free_ struct origin *o = NULL;

	(void)state;
	raw->script = rec_bytes(&r, "/a.php\0evil", 11);
	raw->uri = rec_text(&r, "/u");
	o = make(&r);
	assert_string_equal(o->script, "/a.php");
	assert_string_equal(o->uri, "/u");
}

static void proxy_names(void **state)
{
	static const char *const cases[][2] = {
		{"/srv/a.php", "/srv/a.php"},
		{"proxy:fcgi://localhost/srv/a.php", "/srv/a.php"},
		{"proxy:fcgi://127.0.0.1:9000/srv/a.php", "/srv/a.php"},
		{"proxy:unix:/run/php.sock|fcgi://localhost/srv/a.php", "/srv/a.php"},
		{"proxy:fcgi://localhost", "proxy:fcgi://localhost"},
		{"proxy:", "proxy:"},
		{"proxyfcgi://x/y", "proxyfcgi://x/y"},
		{"", ""},
	};

	(void)state;
	assert_null(origin_strip_proxy(NULL));
	for (size_t i = 0; i < array_size(cases); i++)
		assert_string_equal(origin_strip_proxy(cases[i][0]), cases[i][1]);
}

#define SG  ST_O_SCRIPT_SG
#define ENV ST_O_SCRIPT_ENV

static void primary_script(void **state)
{
	static const struct {
		const char *name;
		enum st_sapi sapi;
		uint32_t flags;
		const char *script, *included, *filename, *cwd, *outer;
		bool script_cut, stack_cut;
		const char *expect; /* NULL: nothing names it */
		bool exact;
	} cases[] = {
		{"fpm", ST_SAPI_FPM, SG, "/a.php", "/prepend.php", 0, "/", "/x.php", 0, 0, "/a.php",
		 true},
		{"fpm, after the request", ST_SAPI_FPM, ENV, "/a.php", 0, 0, "/", 0, 0, 0, "/a.php",
		 true},
		{"fpm behind mod_proxy_fcgi", ST_SAPI_FPM, ENV, "proxy:fcgi://x/a.php", 0, 0, 0, 0,
		 0, 0, "/a.php", true},
		{"fpm, the script's name was cut", ST_SAPI_FPM, SG, "/a", "/a.php", 0, 0, 0, true,
		 0, "/a.php", false},
		{"fpm, from nowhere that is trusted", ST_SAPI_FPM, 0, "/a.php", "/b.php", 0, 0, 0,
		 0, 0, "/b.php", false},
		{"fpm, nothing but the stack", ST_SAPI_FPM, 0, 0, 0, 0, 0, "/b.php", 0, 0, "/b.php",
		 false},
		{"fpm, nothing", ST_SAPI_FPM, 0, 0, 0, 0, "/", 0, 0, 0, NULL, false},
		{"fpm, a relative included file is no name", ST_SAPI_FPM, 0, 0, "b.php", 0, "/", 0,
		 0, 0, NULL, false},
		{"fpm, a relative script is no name", ST_SAPI_FPM, SG, "sub", "/b.php", 0, "/srv",
		 0, 0, 0, "/b.php", false},
		{"mod_php, nothing is absolute", ST_SAPI_APACHE2HANDLER, SG, "sub", "sub", "sub",
		 "/srv", "sub", 0, 0, NULL, false},
		{"cgi, only a name is known", ST_SAPI_CGI, SG, "sub", 0, 0, "/srv", 0, 0, 0, NULL,
		 false},
		{"mod_php", ST_SAPI_APACHE2HANDLER, SG, "/a.php", 0, "/f.php", 0, 0, 0, 0, "/a.php",
		 true},
		{"mod_php in a shutdown function", ST_SAPI_APACHE2HANDLER, 0, 0, "/p.php", "/f.php",
		 0, 0, 0, 0, "/f.php", true},
		{"mod_php, no request_rec", ST_SAPI_APACHE2HANDLER, 0, 0, "/p.php", 0, 0, 0, 0, 0,
		 "/p.php", false},
		{"cgi", ST_SAPI_CGI, SG, "/a.php", 0, 0, 0, 0, 0, 0, "/a.php", true},
		{"another SAPI", ST_SAPI_OTHER, SG, "/a.php", 0, 0, 0, 0, 0, 0, "/a.php", true},
		{"cli, included is its real path", ST_SAPI_CLI, SG, "a.php", "/srv/a.php", 0,
		 "/tmp", 0, 0, 0, "/srv/a.php", true},
		{"cli, absolute", ST_SAPI_CLI, SG, "/srv/a.php", 0, 0, "/tmp", 0, 0, 0,
		 "/srv/a.php", true},
		{"cli, relative", ST_SAPI_CLI, SG, "a.php", 0, 0, "/srv", 0, 0, 0, "/srv/a.php",
		 false},
		{"cli, relative in /", ST_SAPI_CLI, SG, "a.php", 0, 0, "/", 0, 0, 0, "/a.php",
		 false},
		{"cli, relative, directory unknown", ST_SAPI_CLI, SG, "a.php", 0, 0, 0, 0, 0, true,
		 "a.php", false},
		{"cli, cut and absolute", ST_SAPI_CLI, SG, "/srv/aaa", 0, 0, "/", 0, true, true,
		 "/srv/aaa", false},
		{"php -r", ST_SAPI_CLI, 0, 0, 0, 0, "/", "Command line code", 0, 0,
		 "Command line code", true},
		{"php from standard input", ST_SAPI_CLI, SG, "Standard input code", 0, 0, "/", 0, 0,
		 0, "Standard input code", true},
		{"php from standard input includes another's file", ST_SAPI_CLI, SG,
		 "Standard input code", "/srv/b.php", 0, "/", "Standard input code", 0, 0,
		 "Standard input code", true},
		{"php -r includes another's file", ST_SAPI_CLI, 0, 0, "/srv/b.php", 0, "/",
		 "Command line code", 0, 0, "Command line code", true},
		{"cli, the script that is cut is relative", ST_SAPI_CLI, SG, "a", 0, 0, "/srv", 0,
		 true, 0, "/srv/a", false},
		{"cli, nothing", ST_SAPI_CLI, 0, 0, 0, 0, "/", 0, 0, 0, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct rec r;
		struct st_origin *raw = begin(&r);
		_free_ struct origin *o = NULL;
		struct primary p = {0};
		int err;

		raw->sapi = (uint8_t)cases[i].sapi;
		raw->flags = cases[i].flags | (cases[i].stack_cut ? ST_O_STACK_CUT : 0);
		raw->script = rec_text(&r, cases[i].script);
		raw->script.cut = cases[i].script_cut;
		raw->included = rec_text(&r, cases[i].included);
		raw->filename = rec_text(&r, cases[i].filename);
		if (cases[i].cwd)
			raw->cwd = rec_dir(&r, cases[i].cwd);
		else
			raw->cwd.cut = 1;
		if (cases[i].outer) {
			raw->frames = 2;
			raw->frame[0] = (struct st_frame){.type = ST_FRAME_USER,
							  .file = rec_text(&r, "/in.php")};
			raw->frame[1] = (struct st_frame){.type = ST_FRAME_USER,
							  .file = rec_text(&r, cases[i].outer)};
		}
		o = make(&r);
		err = origin_primary(o, &p);
		if (!cases[i].expect) {
			if (err != -ENOENT)
				fail_msg("%s: got %s", cases[i].name, p.path);
			continue;
		}
		if (err || strcmp(p.path, cases[i].expect) || p.exact != cases[i].exact ||
		    !p.reason != p.exact)
			fail_msg("%s: got %d %s, %s", cases[i].name, err, p.path,
				 p.exact    ? "exact"
				 : p.reason ? p.reason
					    : "no reason");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field),
		cmocka_unit_test(what_is_unknown_is_null),
		cmocka_unit_test(every_field_at_its_longest),
		cmocka_unit_test(overlapping_strings),
		cmocka_unit_test(garbage),
		cmocka_unit_test(refused),
		cmocka_unit_test(nul_inside),
		cmocka_unit_test(proxy_names),
		cmocka_unit_test(primary_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
