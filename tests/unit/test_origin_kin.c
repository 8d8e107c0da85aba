// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an origin learns from others: a CGI program's environment, piece by piece, and a forked
 * worker's elder origin. And of an engine that cannot be read.
 */
#include "trace_builders.h"

#include "trace/origin.h"

static struct st_origin *begin(struct rec *r, uint32_t tgid)
{
	struct st_origin *o = rec_begin(r, ST_ORIGIN, sizeof(*o),
					(struct st_task){.tgid = tgid, .start = tgid}, 1);

	o->id = tgid;
	o->exe.ino = 3;
	return o;
}

static struct origin *make(const struct rec *r)
{
	struct record record = rec_record(r);
	struct origin *o = NULL;

	assert_int_equal(origin_new(&record, &o), 0);
	return o;
}

static void originp(struct origin **o)
{
	origin_free(*o);
}
#define _origin_ __attribute__((cleanup(originp)))

/* One piece of `block`. */
static int piece(struct origin *o, const char *block, size_t total, size_t at, size_t n)
{
	struct rec r;
	struct st_env *e = rec_begin(&r, ST_ENV, sizeof(*e), (struct st_task){.tgid = 1}, 1);
	struct record record;

	e->at = (uint32_t)at;
	e->total = (uint32_t)total;
	e->env = rec_bytes(&r, block + at, n);
	record = rec_record(&r);
	return origin_environment(o, &record);
}

static const char request[] =
	"HTTP_HOST=h.test\0HTTP_X=REMOTE_ADDR=1.1.1.1\0GATEWAY_INTERFACE=CGI/"
	"1.1\0XREMOTE_ADDR=2.2.2.2\0"
	"REMOTE_ADDR=192.0.2.7\0DOCUMENT_ROOT=/srv/a\0SCRIPT_FILENAME=/srv/cgi/x.pl\0"
	"PATH_TRANSLATED=/srv/a/behind\0REMOTE_ADDR=3.3.3.3\0REQUEST_URI=/u?q\0REQUEST_METHOD=";

/* Wherever the pieces are cut. */
static void environment(void **state)
{
	size_t total = sizeof(request);

	(void)state;
	for (size_t n = 1; n < total; n++) {
		struct rec r;
		_origin_ struct origin *o = NULL;

		begin(&r, 9)->why = ST_BY_CGI;
		o = make(&r);
		assert_false(origin_is_cgi(o));
		assert_int_equal(piece(o, request, total, 0, n), 0);
		assert_null(o->request);
		assert_int_equal(piece(o, request, total, n, total - n), 0);
		assert_true(origin_is_cgi(o));
		assert_false(o->request->cut);
		assert_string_equal(o->request->client, "192.0.2.7");
		assert_string_equal(o->request->host, "h.test");
		assert_string_equal(o->request->docroot, "/srv/a");
		assert_string_equal(o->request->script, "/srv/cgi/x.pl");
		assert_null(o->request->translated); /* no Action handled it */
		assert_null(o->request->method);
	}
}

static void action(void **state)
{
	static const char block[] = "GATEWAY_INTERFACE=CGI/1.1\0SCRIPT_FILENAME=/cgi/"
				    "php\0REDIRECT_HANDLER=php-cgi\0PATH_TRANSLATED=/srv/a/i.php";
	struct rec r;
	_origin_ struct origin *o = NULL;

	(void)state;
	begin(&r, 9)->why = ST_BY_CGI;
	o = make(&r);
	assert_int_equal(piece(o, block, sizeof(block), 0, sizeof(block)), 0);
	assert_string_equal(o->request->translated, "/srv/a/i.php");
	assert_int_equal(piece(o, block, sizeof(block), 0, sizeof(block)),
			 -EPROTO); /* it is known already */
}

static void environment_lost(void **state)
{
	struct rec r;
	_origin_ struct origin *first = NULL, *second = NULL, *helper = NULL;

	(void)state;
	begin(&r, 9)->why = ST_BY_CGI;
	first = make(&r);
	assert_int_equal(piece(first, request, sizeof(request), 17, 40), -EPROTO);
	assert_null(first->request);
	second = make(&r);
	assert_int_equal(piece(second, request, sizeof(request), 0, 70), 0);
	assert_int_equal(piece(second, request, sizeof(request), 90, 20), -EPROTO);
	assert_non_null(second->request);
	assert_true(second->request->cut);
	assert_null(second->request->client);
	helper = make(&r);
	assert_int_equal(piece(helper, "PATH=/bin", 10, 0, 10), 0);
	assert_false(origin_is_cgi(helper)); /* rotatelogs */
}

/* pcntl_fork(): the copy's file-backed pages are not there. */
static void inherited(void **state)
{
	struct rec r, s;
	struct st_origin *raw = begin(&r, 9);
	_origin_ struct origin *elder = NULL, *o = NULL, *other = NULL;

	(void)state;
	raw->sapi = ST_SAPI_CGI;
	raw->flags = ST_O_REQUEST | ST_O_SCRIPT_SG;
	raw->child = (struct st_task){.tgid = 10, .start = 10};
	raw->script = rec_text(&r, "/a.php");
	raw->client = rec_text(&r, "192.0.2.1");
	raw->frames = 3;
	raw->frame[0] = (struct st_frame){.type = ST_FRAME_INTERNAL,
					  .function = rec_text(&r, "pcntl_fork")};
	raw->frame[1] = (struct st_frame){.type = ST_FRAME_USER,
					  .file = rec_text(&r, "/lib.php"),
					  .line = 5,
					  .function = rec_text(&r, "spread")};
	raw->frame[2] =
		(struct st_frame){.type = ST_FRAME_USER, .file = rec_text(&r, "/a.php"), .line = 2};
	elder = make(&r);

	raw = begin(&s, 10);
	raw->flags = ST_O_REQUEST | ST_O_FAULT;
	raw->frames = 4;
	raw->frame[0] =
		(struct st_frame){.type = ST_FRAME_INTERNAL, .function = rec_text(&s, "mail")};
	raw->frame[1] = (struct st_frame){
		.type = ST_FRAME_USER, .file = rec_text(&s, "/new.php"), .line = 7};
	raw->frame[2] = (struct st_frame){.type = ST_FRAME_USER, .line = 6};
	raw->frame[3] = (struct st_frame){.type = ST_FRAME_USER, .line = 2};
	o = make(&s);
	origin_inherit(o, elder);
	assert_int_equal(o->sapi, ST_SAPI_CGI);
	assert_string_equal(o->script, "/a.php");
	assert_string_equal(o->client, "192.0.2.1");
	assert_true(o->flags & ST_O_SCRIPT_SG);
	assert_int_equal(o->frame_count, 4);
	assert_string_equal(o->frames[1].file, "/new.php");
	assert_string_equal(o->frames[2].file, "/lib.php");
	assert_string_equal(o->frames[2].function, "spread");
	assert_int_equal(o->frames[2].line, 6); /* its own */
	assert_string_equal(o->frames[3].file, "/a.php");
	assert_int_equal(o->guessed_lines, 0);

	/* not its child: nothing of it */
	begin(&s, 11)->frames = 1;
	((struct st_origin *)s.bytes)->frame[0].type = ST_FRAME_USER;
	other = make(&s);
	origin_inherit(other, elder);
	assert_null(other->script);
	assert_int_equal(other->frame_count, 0);
}

static void inherited_line(void **state)
{
	struct rec r, s;
	struct st_origin *raw = begin(&r, 9);
	_origin_ struct origin *elder = NULL, *o = NULL;

	(void)state;
	raw->child = (struct st_task){.tgid = 10, .start = 10};
	raw->frames = 1;
	raw->frame[0] = (struct st_frame){.type = ST_FRAME_USER,
					  .file = rec_text(&r, "/a.php(3) : eval()'d code"),
					  .line = 2};
	elder = make(&r);
	raw = begin(&s, 10);
	raw->frames = 1;
	raw->frame[0] = (struct st_frame){.type = ST_FRAME_USER};
	o = make(&s);
	origin_inherit(o, elder);
	assert_string_equal(o->frames[0].file, "/a.php");
	assert_int_equal(o->frames[0].line, 3);
	assert_int_equal(o->guessed_lines, 1);
}

static void unreadable(void **state)
{
	static const struct {
		const char *script, *cwd, *expect; /* NULL: -ENOENT */
		uint32_t flags;
	} cases[] = {
		{"/a/i.php", "/x", "/a/i.php", ST_O_SCRIPT_CALL},
		{"i.php", "/x", "/x/i.php", ST_O_SCRIPT_CALL},
		{"i.php", "/", "/i.php", ST_O_SCRIPT_CALL},
		{"proxy:fcgi://localhost/a/i.php", "/x", "/x/proxy:fcgi://localhost/a/i.php",
		 ST_O_SCRIPT_CALL},
		{"Standard input code", "/x", "Standard input code", ST_O_SCRIPT_CALL},
		{"/a/i.php", "/a", "/a/i.php", ST_O_SCRIPT_OPEN},
		{"/i.php", "/", "/i.php", ST_O_SCRIPT_OPEN},
		/* included, or left over from another request */
		{"/a/lib/i.php", "/a", NULL, ST_O_SCRIPT_OPEN},
		{"/a/i.php", "/ab", NULL, ST_O_SCRIPT_OPEN},
		{"/a/i.php", NULL, NULL, ST_O_SCRIPT_OPEN},
		{NULL, "/x", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct rec r;
		struct st_origin *raw = begin(&r, 9);
		_origin_ struct origin *o = NULL;
		struct primary p;

		raw->flags = ST_O_UNREADABLE | cases[i].flags;
		raw->script = rec_text(&r, cases[i].script);
		if (cases[i].cwd)
			raw->cwd = rec_dir(&r, cases[i].cwd);
		o = make(&r);
		assert_true(o->unreadable);
		if (!cases[i].expect) {
			assert_int_equal(origin_primary(o, &p), -ENOENT);
			continue;
		}
		assert_int_equal(origin_primary(o, &p), 0);
		assert_string_equal(p.path, cases[i].expect);
		assert_false(p.exact); /* never */
		assert_non_null(p.reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environment),      cmocka_unit_test(action),
		cmocka_unit_test(environment_lost), cmocka_unit_test(inherited),
		cmocka_unit_test(inherited_line),   cmocka_unit_test(unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
