// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fake PHP engine: memory laid out like PHP 8.2's, sound or hostile, and a fork with it. STATE
 * says which memory, CHILD what becomes of the process that it forks, PROGRAM what that executes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "kernel/php_layouts.h"

/* As PHP exports them. */
char executor_globals[4096] __attribute__((aligned(16)));
char sapi_globals[1024] __attribute__((aligned(16)));
char *sapi_module[32]; /* struct _sapi_module_struct begins with its name */

static struct st_php_layout l;
static const char *program;

#define BAD_POINTER    0x10UL
#define KERNEL_POINTER 0xffff888000001000UL

static void *fresh(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		exit(99);
	return p;
}

static void put(void *base, size_t off, uint64_t value)
{
	memcpy((char *)base + off, &value, sizeof(value));
}

static void put_ptr(void *base, size_t off, const void *p)
{
	put(base, off, (uint64_t)p);
}

static void put32(void *base, size_t off, uint32_t value)
{
	memcpy((char *)base + off, &value, sizeof(value));
}

static void *string(const char *s)
{
	size_t n = strlen(s);
	char *z = fresh(l.str_val + n + 1);

	put(z, l.str_len, n);
	memcpy(z + l.str_val, s, n + 1);
	return z;
}

static void *function(int type, const char *file, const char *name, const char *scope)
{
	char *f = fresh(1024);

	f[l.fn_type] = (char)type;
	if (name)
		put_ptr(f, l.fn_name, string(name));
	if (file)
		put_ptr(f, l.fn_filename, string(file));
	if (scope) {
		char *class = fresh(256);

		put_ptr(class, l.ce_name, string(scope));
		put_ptr(f, l.fn_scope, class);
	}
	return f;
}

static void *frame(void *func, uint32_t line, void *prev)
{
	char *ex = fresh(256), *op = fresh(64);

	put32(op, l.op_lineno, line);
	put_ptr(ex, l.ex_opline, op);
	put_ptr(ex, l.ex_func, func);
	put_ptr(ex, l.ex_prev, prev);
	return ex;
}

static void current(const void *ex)
{
	put_ptr(executor_globals, l.eg_current_execute_data, ex);
}

/* n frames, innermost on line 1. */
static void *frames(int n)
{
	void *prev = NULL;

	for (int i = n; i > 0; i--) {
		char file[64], name[64];

		snprintf(file, sizeof(file), "/srv/%d.php", i);
		snprintf(name, sizeof(name), "f%d", i);
		prev = frame(function(2, file, name, i % 2 ? NULL : "Class"), (uint32_t)i, prev);
	}
	return prev;
}

static void included(const char *path)
{
	char *table = fresh(64);

	put_ptr(table, l.bucket_key, string(path));
	put_ptr(executor_globals, (size_t)l.eg_included_files + l.ht_data, table);
	put32(executor_globals, (size_t)l.eg_included_files + l.ht_used, 1);
}

static void sapi(const char *name)
{
	sapi_module[0] = strdup(name);
}

static void request(const char *script)
{
	put_ptr(sapi_globals, l.sg_path_translated, strdup(script));
	put_ptr(sapi_globals, l.sg_method, "POST");
	put_ptr(sapi_globals, l.sg_uri, "/sg-uri");
}

/* ---- FastCGI ---- */

static char *fcgi;

static void *variable(const char *name, const char *value, const void *next)
{
	char *b = fresh(128);

	put32(b, l.fcgi_hash, php_fcgi_hash(name, strlen(name)));
	put32(b, l.fcgi_var_len, (uint32_t)strlen(name));
	put_ptr(b, l.fcgi_var, strdup(name));
	put32(b, l.fcgi_val_len, (uint32_t)strlen(value));
	put_ptr(b, l.fcgi_val, strdup(value));
	put_ptr(b, l.fcgi_next, next);
	return b;
}

static void *slot(const char *name)
{
	return fcgi + l.fcgi_table + (php_fcgi_hash(name, strlen(name)) & 127) * 8;
}

static void set_variable(const char *name, const char *value)
{
	void *next;

	memcpy(&next, slot(name), sizeof(next));
	put_ptr(slot(name), 0, variable(name, value, next));
}

static void fastcgi(void)
{
	fcgi = fresh(l.fcgi_table + 128 * 8 + 64);
	put_ptr(sapi_globals, l.sg_server_context, fcgi);
	set_variable("SCRIPT_FILENAME", "/srv/env.php");
	set_variable("DOCUMENT_ROOT", "/srv");
	set_variable("REMOTE_ADDR", "192.0.2.1");
	set_variable("REQUEST_URI", "/env-uri?x");
	set_variable("HTTP_HOST", "host.test");
}

/* n variables that fall into the slot of `name` before it, of the same length, hash and all but one
 * byte. */
static void collide(const char *name, int n)
{
	char other[64];

	for (int i = 0; i < n; i++) {
		snprintf(other, sizeof(other), "%s", name);
		other[5] = (char)('a' + i); /* the hash looks at the 4th and the last two bytes */
		if (php_fcgi_hash(other, strlen(other)) != php_fcgi_hash(name, strlen(name)))
			exit(98);
		set_variable(other, "/evil");
	}
}

/* ---- Apache ---- */

static void *apache(void)
{
	char *context = fresh(64), *req = fresh(1024), *server = fresh(256);

	put_ptr(sapi_globals, l.sg_server_context, context);
	put_ptr(context, l.apache_request, req);
	put_ptr(req, l.req_server, server);
	put_ptr(req, l.req_hostname, "claimed.test");
	put_ptr(req, l.req_unparsed_uri, "/apache-uri?q");
	put_ptr(req, l.req_filename, "/srv/file.php");
	put_ptr(req, l.req_useragent_ip, "192.0.2.2");
	put_ptr(server, l.srv_hostname, "decided.test");
	return context;
}

static void huge(void)
{
	char *s = fresh(ENGINE_HUGE + 1);

	memset(s, 'h', ENGINE_HUGE);
	s[0] = '/';
	current(frame(function(2, s, s, s), 5, NULL));
	included(s);
	request(s);
	fastcgi();
	set_variable("DOCUMENT_ROOT", s);
}

/* A string that ends where its mapping ends, without a NUL. */
static char *unterminated(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(97);
	munmap(p + 4096, 4096);
	memset(p + 4090, 'u', 6);
	return p + 4090;
}

static void state_of_fcgi(const char *state)
{
	fastcgi();
	if (!strcmp(state, "fcgi-env"))
		put(sapi_globals, l.sg_path_translated, 0);
	if (!strcmp(state, "fcgi-collide-5"))
		collide("DOCUMENT_ROOT", 5);
	if (!strcmp(state, "fcgi-collide-6"))
		collide("DOCUMENT_ROOT", 6);
	if (!strcmp(state, "fcgi-cycle")) {
		void *b = variable("DOCUMENT_ROOX", "/evil", NULL);

		put_ptr(b, l.fcgi_next, b);
		put_ptr(slot("DOCUMENT_ROOT"), 0, b);
	}
	if (!strcmp(state, "fcgi-unmapped")) {
		put(slot("DOCUMENT_ROOT"), 0, BAD_POINTER);
		put(slot("REMOTE_ADDR"), 0, KERNEL_POINTER);
	}
	if (!strcmp(state, "fcgi-fewer"))
		put(slot("REMOTE_ADDR"), 0, 0);
}

static void state_of_stack(const char *state)
{
	if (!strncmp(state, "frames-", 7)) {
		current(frames(atoi(state + 7)));
	} else if (!strcmp(state, "cycle")) {
		char *ex = frame(function(2, "/srv/c.php", "c", NULL), 3, NULL);

		put_ptr(ex, l.ex_prev, ex);
		current(ex);
	} else if (!strcmp(state, "null-funcs")) {
		current(frame(NULL, 1, frame(NULL, 2, frames(2))));
	} else if (!strcmp(state, "only-null-funcs")) {
		current(frame(NULL, 1, frame(NULL, 2, NULL)));
	} else if (!strcmp(state, "bad-func")) {
		current(frame((void *)BAD_POINTER, 1, frame((void *)KERNEL_POINTER, 1, frames(1))));
	} else if (!strcmp(state, "bad-ex")) {
		current((void *)BAD_POINTER);
	} else if (!strcmp(state, "bad-prev")) {
		current(frame(function(2, "/srv/1.php", "f1", NULL), 1, (void *)KERNEL_POINTER));
	} else if (!strcmp(state, "odd-types")) {
		current(frame(function(1, NULL, "mail", NULL), 0,
			      frame(function(4, "/srv/e.php(9) : eval()'d code", NULL, NULL), 1,
				    frame(function(3, "/srv/odd.php", "odd", NULL), 1,
					  frame(function(255, "/srv/odd.php", "odd", NULL), 1,
						frames(1))))));
	} else if (!strcmp(state, "unterminated")) {
		char *f = function(2, "/srv/1.php", "f1", NULL);

		put_ptr(f, l.fn_filename, unterminated() - l.str_val);
		current(frame(f, 1, NULL));
		put_ptr(sapi_globals, l.sg_path_translated, unterminated());
	}
}

static void set_state(const char *state)
{
	sapi(!strncmp(state, "apache", 6) ? "apache2handler"
	     : !strncmp(state, "cgi", 3)  ? "cgi-fcgi"
	     : !strcmp(state, "cli")      ? "cli"
	     : !strcmp(state, "other")    ? "litespeed"
					  : "fpm-fcgi");
	request("/srv/a.php");
	included("/srv/included.php");
	current(frames(1));
	state_of_stack(state);
	if (!strcmp(state, "idle"))
		current(NULL);
	else if (!strcmp(state, "jailed") && chroot("/usr"))
		exit(95);
	else if (!strcmp(state, "huge"))
		huge();
	else if (!strncmp(state, "fcgi", 4))
		state_of_fcgi(state);
	else if (!strcmp(state, "context-1") || !strcmp(state, "cgi-1"))
		put(sapi_globals, l.sg_server_context, 1);
	else if (!strcmp(state, "context-bad"))
		put(sapi_globals, l.sg_server_context, KERNEL_POINTER);
	else if (!strcmp(state, "apache"))
		apache();
	else if (!strcmp(state, "apache-no-request"))
		put(apache(), l.apache_request, 0);
	else if (!strcmp(state, "no-sapi"))
		sapi_module[0] = NULL;
	else if (!strcmp(state, "bad-sapi"))
		sapi_module[0] = (char *)BAD_POINTER;
	else if (!strcmp(state, "no-included"))
		put32(executor_globals, (size_t)l.eg_included_files + l.ht_used, 0);
	else if (!strcmp(state, "bad-included"))
		put(executor_globals, (size_t)l.eg_included_files + l.ht_data, BAD_POINTER);
}

/* ---- what becomes of the child ---- */

static void *exec_program(void *how)
{
	execl(program, "sendmail", "-t", (const char *)how, (char *)NULL);
	exit(96);
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0)
		;
}

static void child(const char *kind)
{
	pthread_t thread;

	if (!strcmp(kind, "thread")) {
		pthread_create(&thread, NULL, exec_program, (void *)"");
		pthread_join(thread, NULL);
	} else if (!strcmp(kind, "background")) {
		pid_t shell = getpid();

		if (fork())
			exit(0);
		setsid();
		while (getppid() == shell)
			sched_yield();
		exec_program((void *)"");
	} else if (!strcmp(kind, "wait")) {
		char byte;

		if (read(STDIN_FILENO, &byte, 1) < 0)
			exit(94);
	}
	exec_program((void *)(strchr(kind, '=') || !strcmp(kind, "killed") ? kind : ""));
}

int main(int argc, char **argv)
{
	struct engine_symbols symbols;
	unsigned long start_code = 0;
	FILE *stat = fopen("/proc/self/stat", "r");
	pid_t pid;

	l = php_layout_find(ENGINE_VERSION)->layout;
	if (!stat || fscanf(stat,
			    "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			    "%*d %*d %*d "
			    "%*d %*u %*u %*d %*u %lu",
			    &start_code) != 1)
		return 93;
	fclose(stat);
	symbols = (struct engine_symbols){(uint64_t)executor_globals - start_code,
					  (uint64_t)sapi_globals - start_code,
					  (uint64_t)sapi_module - start_code};
	if (argc < 4)
		return write(STDOUT_FILENO, &symbols, sizeof(symbols)) != sizeof(symbols);
	program = argv[3];
	set_state(argv[1]);
	if (!strcmp(argv[2], "in-place"))
		exec_program((void *)"");
	pid = !strcmp(argv[2], "vfork") ? vfork() : fork();
	if (!pid) {
		if (!strcmp(argv[2], "vfork"))
			execl(program, "sendmail", "-t", (char *)NULL);
		child(argv[2]);
	}
	wait_for(pid);
	return 0;
}
