// SPDX-License-Identifier: GPL-2.0-only
/* Engines' memory made by hand inside this very process, and what hostile memory does to its
 * reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/php_walk_internal.h"

enum { EG = 0x1000, SG = 0x2000, MODULE = 0x3000, HEAP = 0x4000, SIZE = 0x40000 };

/* One engine: globals at fixed places, everything else on a heap behind them. */
struct world {
	unsigned char *memory;
	size_t used;
	struct php_image image;
	const struct st_php_layout *l;
};

static uint64_t base_of(const struct world *w)
{
	return (uint64_t)(uintptr_t)w->memory;
}

static uint64_t take(struct world *w, size_t size)
{
	uint64_t at = base_of(w) + w->used;

	assert_true(w->used + size + 8 < SIZE);
	w->used += (size + 7) & ~(size_t)7;
	return at;
}

static void put(uint64_t address, const void *data, size_t size)
{
	memcpy((void *)(uintptr_t)address, data, size);
}

static void put_pointer(uint64_t address, uint64_t value)
{
	put(address, &value, sizeof(value));
}

static uint64_t c_string(struct world *w, const char *s)
{
	uint64_t at = take(w, strlen(s) + 1);

	put(at, s, strlen(s) + 1);
	return at;
}

static uint64_t zend_string(struct world *w, const char *s)
{
	uint64_t at = take(w, 24 + strlen(s) + 1), len = strlen(s);

	put(at + w->l->str_len, &len, sizeof(len));
	put(at + w->l->str_val, s, len + 1);
	return at;
}

static void set_sapi(struct world *w, const char *name)
{
	put_pointer(base_of(w) + MODULE, c_string(w, name));
}

/* Pushes a call; the first one made is the outermost. */
static uint64_t call(struct world *w, uint8_t type, const char *scope, const char *function,
		     const char *file, uint32_t line)
{
	const struct st_php_layout *l = w->l;
	uint64_t current = base_of(w) + EG + l->eg_current_execute_data, previous;
	uint64_t ex = take(w, 80), func = take(w, 200), op = take(w, 32);

	put(func + l->fn_type, &type, 1);
	if (function)
		put_pointer(func + l->fn_name, zend_string(w, function));
	if (scope) {
		uint64_t class = take(w, 32);

		put_pointer(class + l->ce_name, zend_string(w, scope));
		put_pointer(func + l->fn_scope, class);
	}
	if (file)
		put_pointer(func + l->fn_filename, zend_string(w, file));
	put(op + l->op_lineno, &line, sizeof(line));
	put_pointer(ex + l->ex_opline, op);
	put_pointer(ex + l->ex_func, func);
	memcpy(&previous, (void *)(uintptr_t)current, sizeof(previous));
	put_pointer(ex + l->ex_prev, previous);
	put_pointer(current, ex);
	return ex;
}

static void fcgi_set(struct world *w, uint64_t request, const char *name, const char *value)
{
	const struct st_php_layout *l = w->l;
	uint32_t len = (uint32_t)strlen(name), hash = php_fcgi_hash(name, len);
	uint64_t slot = request + l->fcgi_table + hash % PHP_FCGI_BUCKETS * 8, bucket = take(w, 48),
		 next;

	memcpy(&next, (void *)(uintptr_t)slot, sizeof(next));
	put(bucket + l->fcgi_hash, &hash, sizeof(hash));
	put(bucket + l->fcgi_var_len, &len, sizeof(len));
	put_pointer(bucket + l->fcgi_var, c_string(w, name));
	put_pointer(bucket + l->fcgi_val, c_string(w, value));
	put_pointer(bucket + l->fcgi_next, next);
	put_pointer(slot, bucket);
}

static void include_first(struct world *w, const char *path)
{
	const struct st_php_layout *l = w->l;
	uint64_t table = base_of(w) + EG + l->eg_included_files, buckets = take(w, l->bucket_size);
	uint32_t one = 1;

	put_pointer(buckets + l->bucket_key, zend_string(w, path));
	put_pointer(table + l->ht_data, buckets);
	put(table + l->ht_used, &one, sizeof(one));
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->memory == MAP_FAILED)
		return -1;
	w->used = HEAP;
	w->image.row = php_layout_find(80200);
	w->image.st = (struct st_php_image){.layout = w->image.row->layout,
					    .executor_globals = EG,
					    .sapi_globals = SG,
					    .sapi_module = MODULE,
					    .version = 80236,
					    .usable = 1};
	strcpy(w->image.version, "8.2.36");
	w->l = &w->image.st.layout;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	munmap(w->memory, SIZE);
	free(w);
	return 0;
}

static int walk(struct world *w, struct php_walk *out)
{
	memset(out, 0x5a, sizeof(*out));
	return php_walk(getpid(), &w->image, base_of(w), out);
}

static void test_idle(void **state)
{
	struct world *w = *state;
	struct php_walk out;
	char why[100];

	set_sapi(w, "fpm-fcgi");
	/* what the last request left behind must not be shown */
	put_pointer(base_of(w) + SG + w->l->sg_path_translated, c_string(w, "/stale.php"));
	assert_int_equal(walk(w, &out), 0);
	assert_true(out.idle);
	assert_int_equal(out.request.sapi, ST_SAPI_FPM);
	assert_string_equal(out.request.script, "");
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)),
			 -ENODATA);
}

static void test_fpm(void **state)
{
	struct world *w = *state;
	uint64_t request = take(w, 9400);
	struct php_walk out;
	char why[100];

	set_sapi(w, "fpm-fcgi");
	put_pointer(base_of(w) + SG + w->l->sg_server_context, request);
	fcgi_set(w, request, "SCRIPT_FILENAME", "/var/www/a/index.php");
	fcgi_set(w, request, "DOCUMENT_ROOT", "/var/www/a");
	fcgi_set(w, request, "HTTP_HOST", "a.test");
	fcgi_set(w, request, "REMOTE_ADDR", "192.0.2.1");
	fcgi_set(w, request, "REQUEST_METHOD", "POST");
	fcgi_set(w, request, "REQUEST_URI", "/x?y=1");
	/* a client's header with the same hash and length, in front of it in the chain */
	fcgi_set(w, request, "XEQUXST_URI", "/forged");
	include_first(w, "/var/www/a/prepend.php");
	call(w, ST_FRAME_USER, NULL, NULL, "/var/www/a/index.php", 3);
	call(w, ST_FRAME_EVAL, NULL, NULL, "/var/www/a/index.php(3) : eval()'d code", 1);
	call(w, ST_FRAME_USER, "Mailer", "deliver", "/var/www/a/lib.php", 42);
	call(w, ST_FRAME_INTERNAL, NULL, "mail", NULL, 0);
	assert_int_equal(walk(w, &out), 0);
	assert_false(out.idle);
	assert_string_equal(out.request.script, "/var/www/a/index.php");
	assert_int_equal(out.request.flags, ST_O_REQUEST | ST_O_FCGI | ST_O_SCRIPT_ENV);
	assert_string_equal(out.request.included, "/var/www/a/prepend.php");
	assert_string_equal(out.request.uri, "/x?y=1");
	assert_string_equal(out.request.method, "POST");
	assert_string_equal(out.request.host, "a.test");
	assert_string_equal(out.request.docroot, "/var/www/a");
	assert_string_equal(out.request.client, "192.0.2.1");
	assert_int_equal(out.frames, 4);
	assert_string_equal(out.frame[0].function, "mail");
	assert_string_equal(out.frame[0].file, "");
	assert_string_equal(out.frame[1].scope, "Mailer");
	assert_string_equal(out.frame[1].file, "/var/www/a/lib.php");
	assert_int_equal(out.frame[1].line, 42);
	assert_int_equal(out.frame[2].type, ST_FRAME_EVAL);
	assert_int_equal(out.frame[3].line, 3);
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)), 0);
	/* the engine's own word goes before the client's server's */
	put_pointer(base_of(w) + SG + w->l->sg_path_translated, c_string(w, "/var/www/a/real.php"));
	assert_int_equal(walk(w, &out), 0);
	assert_string_equal(out.request.script, "/var/www/a/real.php");
	assert_int_equal(out.request.flags, ST_O_REQUEST | ST_O_FCGI | ST_O_SCRIPT_SG);
}

static void test_apache(void **state)
{
	struct world *w = *state;
	uint64_t context = take(w, 64), request = take(w, 720), server = take(w, 200);
	const struct st_php_layout *l = w->l;
	int64_t time = 1700000000500000;
	struct php_walk out;

	set_sapi(w, "apache2handler");
	include_first(w, "/var/www/b/index.php");
	call(w, ST_FRAME_USER, NULL, NULL, "/var/www/b/index.php", 1);
	put_pointer(base_of(w) + SG + l->sg_path_translated, c_string(w, "/dangling.php"));
	/* no server context: what sapi_globals points to belongs to a request that is over */
	assert_int_equal(walk(w, &out), 0);
	assert_string_equal(out.request.script, "/var/www/b/index.php");
	assert_true(out.request.flags & ST_O_SCRIPT_INCLUDED);
	put_pointer(base_of(w) + SG + l->sg_server_context, context);
	put_pointer(context + l->apache_request, request);
	put_pointer(request + l->req_server, server);
	put_pointer(server + l->srv_hostname, c_string(w, "b.test"));
	put_pointer(request + l->req_hostname, c_string(w, "forged.example"));
	put_pointer(request + l->req_method, c_string(w, "GET"));
	put_pointer(request + l->req_unparsed_uri, c_string(w, "/?q"));
	put_pointer(request + l->req_filename, c_string(w, "/var/www/b/index.php"));
	put_pointer(request + l->req_useragent_ip, c_string(w, "2001:db8::1"));
	put(request + APACHE_REQUEST_TIME, &time, sizeof(time));
	put_pointer(base_of(w) + SG + l->sg_path_translated, c_string(w, "/var/www/b/index.php"));
	assert_int_equal(walk(w, &out), 0);
	assert_int_equal(out.request.flags, ST_O_REQUEST | ST_O_SCRIPT_SG);
	assert_string_equal(out.request.script, "/var/www/b/index.php");
	assert_string_equal(out.request.server_name, "b.test");
	assert_string_equal(out.request.host, "forged.example");
	assert_string_equal(out.request.uri, "/?q");
	assert_string_equal(out.request.client, "2001:db8::1");
	assert_true(out.request.time > 1700000000.4 && out.request.time < 1700000000.6);
}

/* Chains that never end, in every place that follows one. */
static void test_cycles(void **state)
{
	struct world *w = *state;
	const struct st_php_layout *l = w->l;
	uint64_t request = take(w, 9400), bucket = take(w, 48), ex;
	struct php_walk out;

	set_sapi(w, "fpm-fcgi");
	ex = call(w, ST_FRAME_USER, NULL, "f", "/f.php", 7);
	put_pointer(ex + l->ex_prev, ex);
	put_pointer(bucket + l->fcgi_next, bucket);
	for (unsigned i = 0; i < PHP_FCGI_BUCKETS; i++)
		put_pointer(request + l->fcgi_table + 8 * i, bucket);
	put_pointer(base_of(w) + SG + l->sg_server_context, request);
	assert_int_equal(walk(w, &out), 0);
	assert_int_equal(out.frames, ST_MAX_FRAMES);
	assert_true(out.request.flags & ST_O_STACK_CUT);
	assert_true(out.request.flags & ST_O_ENV_CUT);
	/* records without a function, which are no frames, in a circle */
	put_pointer(ex + l->ex_func, 0);
	assert_int_equal(walk(w, &out), -EAGAIN);
}

static void test_long_strings(void **state)
{
	struct world *w = *state;
	uint64_t request = take(w, 9400), file;
	char text[3000];
	struct php_walk out;
	uint64_t len = UINT64_MAX;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	set_sapi(w, "fpm-fcgi");
	put_pointer(base_of(w) + SG + w->l->sg_server_context, request);
	fcgi_set(w, request, "REQUEST_URI", text);
	call(w, ST_FRAME_USER, text, text, text, 1);
	assert_int_equal(walk(w, &out), 0);
	assert_true(out.request.cut);
	assert_int_equal(strlen(out.request.uri), PHP_WALK_PATH - 1);
	assert_int_equal(strlen(out.frame[0].file), PHP_WALK_PATH - 1);
	assert_int_equal(strlen(out.frame[0].function), PHP_WALK_NAME - 1);
	/* a length that is no length */
	file = zend_string(w, "/f.php");
	put(file + w->l->str_len, &len, sizeof(len));
	call(w, ST_FRAME_USER, NULL, NULL, NULL, 1);
	memcpy(&request, (void *)(uintptr_t)(base_of(w) + EG + w->l->eg_current_execute_data), 8);
	memcpy(&request, (void *)(uintptr_t)(request + w->l->ex_func), 8);
	put_pointer(request + w->l->fn_filename, file);
	assert_int_equal(walk(w, &out), 0);
	assert_string_equal(out.frame[0].file, "");
	assert_true(out.request.flags & ST_O_FAULT);
}

/* A string that ends with the last byte of the last readable page, and one that never ends. */
static void test_page_end(void **state)
{
	struct world *w = *state;
	unsigned char *pages =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct php_memory m = {.pid = getpid(), .l = w->l};
	uintptr_t end = (uintptr_t)pages + 4096;
	bool cut = false;
	char out[64];

	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
	memcpy(pages + 4096 - 6, "hello", 6);
	assert_int_equal(php_peek_string(&m, end - 6, out, sizeof(out), &cut), 5);
	assert_string_equal(out, "hello");
	pages[4095] = '!';
	assert_int_equal(php_peek_string(&m, end - 6, out, sizeof(out), &cut), -EFAULT);
	assert_string_equal(out, "");
	assert_false(cut);
	assert_int_equal(php_peek_string(&m, end - 6, out, 4, &cut), 3);
	assert_string_equal(out, "hel");
	assert_true(cut);
	assert_int_equal(php_peek_name(&m, zend_string(w, "abc"), out, sizeof(out), &cut), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(php_peek_string(&m, 0, out, sizeof(out), &cut), -EFAULT);
	munmap(pages, 8192);
}

static void test_refused(void **state)
{
	struct world *w = *state;
	struct php_walk out;
	char why[120] = "";
	pid_t child;

	/* nothing where the module's name should be; then a name that is none */
	assert_int_equal(walk(w, &out), -EFAULT);
	set_sapi(w, "Not A SAPI");
	assert_int_equal(walk(w, &out), -EFAULT);
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)),
			 -EFAULT);
	assert_non_null(strstr(why, "sapi_module"));
	set_sapi(w, "cli");
	/* frames that are not what the layout says */
	call(w, ST_FRAME_USER, NULL, NULL, "/f.php", 1);
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)), 0);
	call(w, 3, NULL, "g", "/f.php", 1);
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)),
			 -EFAULT);
	assert_non_null(strstr(why, "function type"));
	call(w, ST_FRAME_USER, NULL, "g", "\x01\x02", 1);
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)),
			 -EFAULT);
	assert_non_null(strstr(why, "file name"));
	call(w, ST_FRAME_USER, NULL, "g", "/f.php", 0x40000000);
	assert_int_equal(php_walk_selftest(getpid(), &w->image, base_of(w), why, sizeof(why)),
			 -EFAULT);
	assert_non_null(strstr(why, "line"));
	w->image.st.usable = 0;
	assert_int_equal(walk(w, &out), -ENOTSUP);
	w->image.st.usable = 1;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(php_walk(child, &w->image, base_of(w), &out), -ESRCH);
}

/* Random pointers in every word of the globals and the heap: any answer is fine, a crash or a hang
 * is not. */
static void test_garbage(void **state)
{
	struct world *w = *state;
	uint64_t request, seed = 7;
	struct php_walk out;

	set_sapi(w, "fpm-fcgi");
	request = take(w, 9400);
	put_pointer(base_of(w) + SG + w->l->sg_server_context, request);
	fcgi_set(w, request, "REQUEST_URI", "/x");
	include_first(w, "/i.php");
	for (unsigned i = 0; i < 6; i++)
		call(w, ST_FRAME_USER, "C", "f", "/f.php", i);
	for (unsigned round = 0; round < 3000; round++) {
		size_t at = 0, word = 0;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		at = (EG + (seed >> 33) % (w->used - EG)) & ~(size_t)7;
		word = (size_t)(seed >> 13);
		if (round % 2) /* inside: chains of the wrong things */
			word = (size_t)base_of(w) + word % w->used;
		if (at != MODULE)
			put_pointer(base_of(w) + at, word);
		php_walk(getpid(), &w->image, base_of(w), &out);
	}
}

/* Every row of the table reads a world that is laid out by it. */
static void test_every_layout(void **state)
{
	size_t count;
	const struct php_layout_row *rows = php_layout_table(&count);
	struct world *w = *state;
	struct php_walk out;

	for (size_t i = 0; i < count; i++) {
		memset(w->memory, 0, SIZE);
		w->used = HEAP;
		w->image.row = &rows[i];
		w->image.st.layout = rows[i].layout;
		set_sapi(w, "cli");
		call(w, ST_FRAME_USER, NULL, NULL, "/main.php", 9);
		call(w, ST_FRAME_USER, "A", "b", "/lib.php", 5);
		put_pointer(base_of(w) + SG + w->l->sg_path_translated, c_string(w, "/main.php"));
		assert_int_equal(walk(w, &out), 0);
		assert_string_equal(out.request.script, "/main.php");
		assert_int_equal(out.frames, 2);
		assert_string_equal(out.frame[0].file, "/lib.php");
		assert_int_equal(out.frame[1].line, 9);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_idle),    TEST(test_fpm),          TEST(test_apache),
		TEST(test_cycles),  TEST(test_long_strings), TEST(test_page_end),
		TEST(test_refused), TEST(test_garbage),      TEST(test_every_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
