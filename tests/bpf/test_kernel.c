// SPDX-License-Identifier: GPL-2.0-only
/* test_kernel PROGRAMS [COSTS]: loads the kernel side and drives it. Execs and the verifier's work
 * here; engine and queue in their files. COSTS is tests/kernels/insns; in the guests, where
 * tests/kernels/table.py compares with it, it is not given. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

struct exec_case {
	const char *path, *cwd, *root;
	char **argv, **envp;
};

static void do_exec(const void *arg)
{
	const struct exec_case *c = arg;
	static char *no_env[] = {NULL};

	if (c->root && chroot(c->root))
		_exit(90);
	if (c->cwd && chdir(c->cwd))
		_exit(91);
	execve(c->path, c->argv, c->envp ? c->envp : no_env);
}

static const struct record *exec_record(const struct exec_case *c)
{
	pid_t pid;

	drop();
	pid = run(do_exec, c);
	assert_int_equal(how_many(ST_EXEC, pid), 1);
	return first(ST_EXEC, pid);
}

static void who_and_what(void **state)
{
	static char *argv[] = {(char *)"sendmail", (char *)"-t", (char *)"-i", NULL};
	const struct record *r =
		exec_record(&(struct exec_case){.path = h.sendmail, .cwd = h.dir, .argv = argv});
	const struct st_exec *e = as(st_exec, r);
	char cwd[256];
	struct stat st;

	(void)state;
	assert_int_equal(e->role, ST_ROLE_INJECTOR);
	assert_int_equal(e->program, 11);
	assert_int_equal(e->origin, 0);
	assert_true(e->injection != 0);
	assert_int_equal(e->uid, getuid());
	assert_int_equal(e->egid, getegid());
	assert_int_equal(stat(h.sendmail, &st), 0);
	assert_int_equal(e->exe.ino, st.st_ino);
	assert_string_equal(str(r, e->filename), h.sendmail);
	assert_int_equal(e->args.len, 15);
	assert_memory_equal(record_text(r, e->args).s, "sendmail\0-t\0-i", 15);
	assert_int_equal(e->env.len, 0);
	assert_int_equal(record_path(r, e->cwd, cwd, sizeof(cwd)), 0);
	assert_string_equal(cwd, h.dir);
	assert_int_equal(e->ancestor[0].task.tgid, getpid());
	assert_string_equal(e->ancestor[0].comm, "test_kernel");
	assert_int_equal(stat("/proc/self/ns/mnt", &st), 0);
	assert_int_equal(e->mntns, st.st_ino);
}

static void argument_blocks(void **state)
{
	static const struct {
		size_t arg; /* length of argv[1]; the block is that and "a\0" and a NUL */
		size_t total;
	} cases[] = {{0, 3},       {100, 103},   {1019, 1022},    {1020, 1023},
		     {1021, 1024}, {1022, 1025}, {100000, 100003}};
	char *argv[] = {(char *)"a", NULL, NULL};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		_free_ char *arg = malloc(cases[i].arg + 1);
		const struct record *r;
		const struct st_exec *e;
		size_t n;

		memset(arg, 'x', cases[i].arg);
		arg[cases[i].arg] = '\0';
		argv[1] = arg;
		r = exec_record(&(struct exec_case){.path = h.sendmail, .argv = argv});
		e = as(st_exec, r);
		n = cases[i].total < 1023 ? cases[i].total : 1023;
		assert_int_equal(e->argc_total, cases[i].total);
		assert_int_equal(e->args.len, n);
		assert_int_equal(e->args.cut, cases[i].total > 1023);
		assert_memory_equal(record_text(r, e->args).s, "a\0", 2);
		assert_memory_equal(record_text(r, e->args).s + 2, arg, n - 2);
	}
}

static void odd_arguments(void **state)
{
	static char *none[] = {NULL}, *empty[] = {(char *)"", NULL},
		    *empties[] = {(char *)"", (char *)"", (char *)"-t", NULL};
	const struct record *r;

	(void)state;
	/* since 5.18 a program without argv[0] gets an empty one (dcd46d897adb) */
	r = exec_record(&(struct exec_case){.path = h.sendmail, .argv = none});
	assert_true(as(st_exec, r)->args.len <= 1);
	r = exec_record(&(struct exec_case){.path = h.sendmail, .argv = empty});
	assert_int_equal(as(st_exec, r)->args.len, 1);
	r = exec_record(&(struct exec_case){.path = h.sendmail, .argv = empties});
	assert_int_equal(as(st_exec, r)->args.len, 5);
	assert_memory_equal(record_text(r, as(st_exec, r)->args).s, "\0\0-t", 5);
}

static void environments(void **state)
{
	static char *argv[] = {(char *)"qmail-smtpd", NULL};
	static const size_t lengths[] = {10, 1021, 1022, 1023, 1024, 50000};

	(void)state;
	for (size_t i = 0; i < array_size(lengths); i++) {
		_free_ char *value = malloc(lengths[i] + 1);
		char *envp[] = {value, (char *)"TCPREMOTEIP=192.0.2.1", NULL};
		const struct record *r;
		struct st_str env;
		size_t total = lengths[i] + 1 + 22;

		memset(value, 'E', lengths[i]);
		value[lengths[i]] = '\0';
		r = exec_record(&(struct exec_case){.path = h.smtpd, .argv = argv, .envp = envp});
		env = as(st_exec, r)->env;
		assert_int_equal(as(st_exec, r)->role, ST_ROLE_SMTPD);
		assert_int_equal(env.len, total < 1023 ? total : 1023);
		assert_int_equal(env.cut, total > 1023);
		if (total < 1023)
			assert_memory_equal(record_text(r, env).s + lengths[i] + 1,
					    "TCPREMOTEIP=192.0.2.1", 22);
		/* the working directory still has room */
		assert_false(as(st_exec, r)->cwd.cut);
	}
}

static void working_directories(void **state)
{
	static char *argv[] = {(char *)"sendmail", NULL};
	char dir[1024], got[4096];
	struct stat root, tmp;
	size_t at;

	(void)state;
	assert_int_equal(stat("/", &root), 0);
	assert_int_equal(stat("/tmp", &tmp), 0);
	strcpy(dir, h.dir); /* two components */
	at = strlen(dir);
	for (int depth = 3; depth <= 20; depth++) {
		const struct record *r;
		/* a mount on the way takes a step of its own */
		bool fits = depth + (root.st_dev != tmp.st_dev) <= 15;

		at += (size_t)snprintf(dir + at, sizeof(dir) - at, "/directory-%d", depth);
		assert_int_equal(mkdir(dir, 0755), 0);
		r = exec_record(&(struct exec_case){.path = h.sendmail, .cwd = dir, .argv = argv});
		assert_int_equal(record_path(r, as(st_exec, r)->cwd, got, sizeof(got)), 0);
		if (fits) {
			assert_string_equal(got, dir);
		} else {
			/* its end, and said to be cut */
			assert_memory_equal(got, ".../", 4);
			assert_string_equal(got + 3, dir + strlen(dir) - strlen(got + 3));
		}
	}
}

static void odd_directories(void **state)
{
	static char *argv[] = {(char *)"sendmail", NULL};
	char dir[256], got[256], inner[256];
	const struct record *r;
	pid_t pid;

	(void)state;
	r = exec_record(&(struct exec_case){.path = h.sendmail, .cwd = "/", .argv = argv});
	assert_int_equal(record_path(r, as(st_exec, r)->cwd, got, sizeof(got)), 0);
	assert_string_equal(got, "/");

	/* what it was called before it was removed */
	snprintf(dir, sizeof(dir), "%s/gone", h.dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	drop();
	pid = fork();
	if (!pid) {
		if (chdir(dir) || rmdir(dir))
			_exit(92);
		execv(h.sendmail, argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	drain();
	r = first(ST_EXEC, pid);
	assert_int_equal(record_path(r, as(st_exec, r)->cwd, got, sizeof(got)), 0);
	assert_string_equal(got, dir);

	/* in a chroot: as the program itself would print it */
	snprintf(inner, sizeof(inner), "%s/inner", h.dir);
	assert_int_equal(mkdir(inner, 0755), 0);
	r = exec_record(&(struct exec_case){
		.path = "/sendmail", .cwd = "/inner", .root = h.dir, .argv = argv});
	assert_int_equal(record_path(r, as(st_exec, r)->cwd, got, sizeof(got)), 0);
	assert_string_equal(got, "/inner");
	assert_string_equal(str(r, as(st_exec, r)->filename), "/sendmail");
	r = exec_record(
		&(struct exec_case){.path = "/sendmail", .cwd = "/", .root = h.dir, .argv = argv});
	assert_int_equal(record_path(r, as(st_exec, r)->cwd, got, sizeof(got)), 0);
	assert_string_equal(got, "/");
}

static void relative_names(void **state)
{
	static char *argv[] = {(char *)"sendmail", NULL};
	static const char *const names[] = {"sendmail", "./sendmail", "queue/../sendmail"};
	struct stat st;

	(void)state;
	assert_int_equal(stat(h.sendmail, &st), 0);
	for (size_t i = 0; i < array_size(names); i++) {
		const struct record *r = exec_record(
			&(struct exec_case){.path = names[i], .cwd = h.dir, .argv = argv});

		assert_string_equal(str(r, as(st_exec, r)->filename), names[i]);
		assert_int_equal(as(st_exec, r)->exe.ino, st.st_ino);
	}
}

static void failed_execs(void **state)
{
	static char *argv[] = {(char *)"sendmail", NULL};
	pid_t pid;

	(void)state;
	drop();
	pid = run(do_exec, &(struct exec_case){.path = "/nonexistent/sendmail", .argv = argv});
	assert_int_equal(how_many(ST_EXEC, pid) + how_many(ST_EXIT, pid), 0);
}

static void exec_scripts(const void *arg)
{
	const char *const *scripts = arg;

	execl(h.perl, "perl", scripts[0], scripts[1], (char *)NULL);
}

static void scripts_are_inherited(void **state)
{
	char how[512], long_name[512];
	const char *scripts[] = {"/srv/a.pl", how};
	const struct record *r;

	(void)state;
	drop();
	snprintf(how, sizeof(how), "fork=%s", h.sendmail);
	run(exec_scripts, scripts);
	r = first(ST_EXEC, 0);
	assert_memory_equal(record_text(r, as(st_exec, r)->script).s, "perl\0/srv/a.pl", 15);
	assert_int_equal(as(st_exec, r)->script_inner.len, 0);

	drop(); /* in place */
	snprintf(how, sizeof(how), "exec=%s", h.sendmail);
	run(exec_scripts, scripts);
	r = first(ST_EXEC, 0);
	assert_memory_equal(record_text(r, as(st_exec, r)->script).s, "perl\0/srv/a.pl", 15);

	drop(); /* a script that runs a script */
	snprintf(how, sizeof(how), "fork=%s;%s", h.perl, h.sendmail);
	run(exec_scripts, scripts);
	r = first(ST_EXEC, 0);
	assert_memory_equal(record_text(r, as(st_exec, r)->script).s, "perl\0/srv/a.pl", 15);
	assert_memory_equal(record_text(r, as(st_exec, r)->script_inner).s, "perl\0/inner.pl", 15);

	drop(); /* a name that is longer than what is kept: no NUL ends it */
	memset(long_name, 's', 300);
	long_name[300] = '\0';
	long_name[0] = '/';
	scripts[0] = long_name;
	snprintf(how, sizeof(how), "fork=%s", h.sendmail);
	run(exec_scripts, scripts);
	r = first(ST_EXEC, 0);
	assert_int_equal(as(st_exec, r)->script.len, 191);
	assert_int_equal(strlen(str(r, as(st_exec, r)->script) + 5), 186);

	drop(); /* not by those that do not descend from it */
	run(do_exec,
	    &(struct exec_case){.path = h.sendmail, .argv = (char *[]){(char *)"sendmail", NULL}});
	r = first(ST_EXEC, 0);
	assert_int_equal(as(st_exec, r)->script.len, 0);
}

/* An interpreter's own exec is no injection, and nothing is said of it. */
static void interpreters_are_silent(void **state)
{
	const char *const scripts[] = {"/srv/a.pl", NULL};
	pid_t pid;

	(void)state;
	drop();
	pid = run(exec_scripts, scripts);
	assert_int_equal(how_many(ST_EXEC, pid) + how_many(ST_EXIT, pid), 0);
}

static void a_name_of_255(void **state)
{
	static char *argv[] = {(char *)"sendmail", NULL};
	char link_name[512], component[256];
	const struct record *r;

	(void)state;
	memset(component, 'L', 255);
	component[255] = '\0';
	snprintf(link_name, sizeof(link_name), "%s/%s", h.dir, component);
	assert_int_equal(symlink(h.sendmail, link_name), 0);
	r = exec_record(&(struct exec_case){.path = link_name, .argv = argv});
	assert_int_equal(as(st_exec, r)->filename.len, 255);
	assert_true(as(st_exec, r)->filename.cut);
	unlink(link_name);
}

/* ---- what the verifier does ---- */

/* What the verifier walked for a program ("": any) in a kernel of that series; 0: not in the table.
 */
static unsigned known_insns(const char *series, const char *name)
{
	_fclose_ FILE *f = fopen(h.table, "re");
	char line[128], known[64], of[64];
	unsigned n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %63s %*u %u", of, known, &n) == 3 && !strcmp(of, series) &&
		    (!*name || !strcmp(known, name)))
			return n;
	return 0;
}

static void verified_instructions(void **state)
{
	struct probe_cost cost[64];
	size_t n = probe_costs(h.probe, cost, array_size(cost));
	struct utsname u;
	unsigned major = 0, minor = 0, jumps = 0;
	char series[64];
	bool compare;

	(void)state;
	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%u.%u", &major, &minor), 2);
	snprintf(series, sizeof(series), "%u.%u", major, minor);
	if (h.table)
		assert_int_equal(access(h.table, R_OK), 0);
	compare = h.table && known_insns(series, "");
	for (size_t i = 0; i < n; i++) {
		unsigned known = compare ? known_insns(series, cost[i].name) : 0;
		bool jump = compare && (uint64_t)cost[i].verified * 100 > (uint64_t)known * 150;

		print_message("  %-20s %8u verified, table %8u%s\n", cost[i].name, cost[i].verified,
			      known,
			      !jump   ? ""
			      : known ? "  HALF MORE"
				      : "  NOT IN THE TABLE");
		jumps += jump;
	}
	assert_true(n >= 5);
	assert_int_equal(jumps, 0);
	if (h.table && !compare) {
		print_message("  1 skipped: %s has no costs of a kernel %s\n", h.table, series);
		skip();
	}
}

int kernel_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_and_what),          cmocka_unit_test(argument_blocks),
		cmocka_unit_test(odd_arguments),         cmocka_unit_test(environments),
		cmocka_unit_test(working_directories),   cmocka_unit_test(odd_directories),
		cmocka_unit_test(relative_names),        cmocka_unit_test(failed_execs),
		cmocka_unit_test(scripts_are_inherited), cmocka_unit_test(interpreters_are_silent),
		cmocka_unit_test(a_name_of_255),         cmocka_unit_test(verified_instructions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	int failed;

	if (argc < 2)
		return 64;
	if (geteuid() != 0) {
		printf("bpf: 0 passed, 0 failed, all skipped: BPF programs are loaded by root "
		       "only\n");
		return 0;
	}
	h.table = argv[2];
	/* what is loaded after the kernel side is not known to it */
	if (shell("modprobe -q btrfs 2>/dev/null"))
		print_message("bpf: no module btrfs: it is built in, loaded, or there is none\n");
	if (harness_files(argv[1]) || harness_start(0, false)) {
		fprintf(stderr, "bpf: could not be set up (make bpf-test builds what is needed)\n");
		harness_remove_files();
		return 1;
	}
	failed = kernel_tests();
	failed += engine_tests();
	failed += program_tests();
	failed += queue_tests(false);
	harness_stop();
	if (harness_start(0, true))
		failed++;
	else
		failed += queue_tests(true);
	harness_stop();
	harness_remove_files();
	return failed ? 1 : 0;
}
