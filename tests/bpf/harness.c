// SPDX-License-Identifier: GPL-2.0-only
#include "harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "kernel/inode.h"
#include "kernel/php_layouts.h"

struct harness h;

enum { PROGRAM_SENDMAIL = 11, PROGRAM_SMTPD, PROGRAM_PERL, PROGRAM_ENGINE };

static int copy_file(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n;
	_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	_close_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (in < 0 || out < 0)
		return -errno;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			return -EIO;
	return n < 0 ? -errno : 0;
}

static int place(char *path, size_t size, const char *from, const char *name)
{
	char source[512];

	snprintf(path, size, "%s/%s", h.dir, name);
	snprintf(source, sizeof(source), "%s/%s", h.programs_dir, from);
	return copy_file(source, path);
}

int harness_files(const char *programs_dir)
{
	h.programs_dir = programs_dir;
	strcpy(h.dir, "/tmp/spamtrace-bpf.XXXXXX");
	if (!mkdtemp(h.dir) || chmod(h.dir, 0755))
		return -errno;
	if (place(h.sendmail, sizeof(h.sendmail), "child", "sendmail") ||
	    place(h.smtpd, sizeof(h.smtpd), "child", "qmail-smtpd") ||
	    place(h.perl, sizeof(h.perl), "child", "perl") ||
	    place(h.none, sizeof(h.none), "child", "none") ||
	    place(h.engine, sizeof(h.engine), "engine", "engine"))
		return -ENOENT;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void harness_remove_files(void)
{
	if (h.dir[0])
		nftw(h.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int set_program(const char *path, enum st_role role, uint32_t flags, uint32_t id)
{
	struct st_program p = {.role = role, .flags = flags, .id = id};
	struct st_inode exe;
	int err = inode_of_path(path, 0, &exe);

	return err ? err : probe_set_program(h.probe, &exe, &p);
}

static int read_symbols(void)
{
	int fds[2];
	pid_t pid;
	ssize_t n;

	if (pipe(fds))
		return -errno;
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		execl(h.engine, "engine", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	n = read(fds[0], &h.symbols, sizeof(h.symbols));
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return n == sizeof(h.symbols) ? 0 : -EIO;
}

static int set_engine(void)
{
	struct st_php_image image = {.layout = php_layout_find(ENGINE_VERSION)->layout,
				     .version = ENGINE_VERSION,
				     .usable = 1};
	int err = read_symbols();

	if (err)
		return err;
	/* the engine gave addresses relative to start_code, so the base is that */
	image.executor_globals = h.symbols.executor_globals;
	image.sapi_globals = h.symbols.sapi_globals;
	image.sapi_module = h.symbols.sapi_module;
	h.image = image;
	if ((err = inode_of_path(h.engine, 0, &h.engine_exe)))
		return err;
	err = probe_set_image(h.probe, 0, &image);
	return err ? err : set_program(h.engine, ST_ROLE_PHP, 0, PROGRAM_ENGINE);
}

static int set_queue(bool fexit)
{
	struct st_queue_root root = {
		.queue = 5,
		.rules = 5,
		.rule = {{.top = "todo", .ops = ST_OP_LINK, .commits = ST_OP_LINK},
			 {.top = "mess", .ops = ST_OP_LINK | ST_OP_UNLINK},
			 {.top = "incoming", .ops = ST_OP_RENAME | ST_OP_UNLINK},
			 {.top = "qf", .ops = ST_OP_RENAME},
			 {.top = "create", .ops = ST_OP_CREATE}}};
	struct st_inode inode;
	int err;

	/* one for each set of hooks: the tests begin with an empty one */
	snprintf(h.queue, sizeof(h.queue), "%s/queue%s", h.dir, fexit ? ".fexit" : "");
	if (mkdir(h.queue, 0755) && errno != EEXIST)
		return -errno;
	err = inode_of_path(h.queue, 0, &inode);
	if (!err)
		err = probe_set_queue(h.probe, &inode, &root);
	return err ? err : probe_set_queue_path(h.probe, h.queue, 5);
}

static bool has_hook(const char *name)
{
	size_t n;
	const char *const *hooks = probe_hooks(h.probe, &n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(hooks[i], name))
			return true;
	return false;
}

int harness_start(size_t ring, bool fexit)
{
	struct probe_options options = {
		.no_fexit = !fexit, .no_syscalls = fexit, .creates = true, .ring_bytes = ring};
	int status = 0;

	if (probe_new(&options, &h.probe, &status))
		return -1;
	if (set_program(h.sendmail, ST_ROLE_INJECTOR, 0, PROGRAM_SENDMAIL) ||
	    set_program(h.smtpd, ST_ROLE_SMTPD, ST_P_ENV, PROGRAM_SMTPD) ||
	    set_program(h.perl, ST_ROLE_SCRIPT, 0, PROGRAM_PERL) || set_engine() ||
	    set_queue(fexit) || probe_attach(h.probe, &status))
		return -1;
	h.fexit = has_hook("queue (fexit)");
	return 0;
}

void harness_stop(void)
{
	probe_free(h.probe);
	h.probe = NULL;
	for (size_t i = 0; i < h.records; i++)
		free(h.record[i]);
	h.records = 0;
}

static void keep(void *arg, const void *bytes, size_t len)
{
	struct record r;
	char *copy = malloc(len);

	(void)arg;
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	assert_int_equal(record_decode(copy, len, &r), 0);
	h.asked +=
		r.h->type == ST_IMAGE && inode_equal(&((struct st_image *)r.h)->exe, &h.engine_exe);
	if (r.h->type == ST_IMAGE || h.records == array_size(h.record)) {
		free(copy);
		return;
	}
	h.record[h.records++] = copy;
}

void drain(void)
{
	assert_true(probe_read(h.probe, keep, NULL) >= 0);
}

void drop(void)
{
	drain();
	for (size_t i = 0; i < h.records; i++)
		free(h.record[i]);
	h.records = 0;
	probe_lost(h.probe, h.lost);
}

uint64_t lost_now(enum st_lost reason)
{
	uint64_t lost[ST_LOST_COUNT];

	probe_lost(h.probe, lost);
	return lost[reason] - h.lost[reason];
}

static const struct record *decode(char *bytes)
{
	static struct record out[8];
	static unsigned turn;
	struct record *r = &out[turn++ % 8];

	assert_int_equal(record_decode(bytes, ((struct st_header *)bytes)->size, r), 0);
	return r;
}

const struct record *nth(enum st_type type, pid_t pid, size_t n)
{
	for (size_t i = 0; i < h.records; i++) {
		const struct st_header *head = (const struct st_header *)h.record[i];

		if (head->type == type && (!pid || head->task.tgid == (uint32_t)pid) && !n--)
			return decode(h.record[i]);
	}
	return NULL;
}

const struct record *first(enum st_type type, pid_t pid)
{
	const struct record *r = nth(type, pid, 0);

	if (!r)
		fail_msg("no record of type %d from %d", (int)type, (int)pid);
	return r;
}

size_t how_many(enum st_type type, pid_t pid)
{
	size_t n = 0;

	while (nth(type, pid, n))
		n++;
	return n;
}

const struct record *origin_of(uint64_t id)
{
	const struct record *r;

	for (size_t n = 0; (r = nth(ST_ORIGIN, 0, n)); n++)
		if (as(st_origin, r)->id == id)
			return r;
	fail_msg("no origin of that number");
	return NULL;
}

const char *str(const struct record *r, struct st_str s)
{
	static char out[4][8192];
	static unsigned turn;
	char *p = out[turn++ % 4];
	struct text t = record_text(r, s);

	assert_true(t.len < sizeof(out[0]));
	memcpy(p, t.s, t.len);
	p[t.len] = '\0';
	return p;
}

pid_t run(void (*fn)(const void *arg), const void *arg)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		fn(arg);
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0)
		assert_int_equal(errno, EINTR);
	drain();
	return pid;
}

int shell(const char *command)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execlp("sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static void exec_engine(const void *arg)
{
	const char *const *a = arg;

	execl(h.engine, "engine", a[0], a[1], h.sendmail, (char *)NULL);
}

pid_t run_engine(const char *state, const char *child)
{
	const char *const a[] = {state, child};

	drop();
	return run(exec_engine, a);
}
