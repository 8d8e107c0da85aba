// SPDX-License-Identifier: GPL-2.0-only
/* Hooks and engines, attached to a kernel that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/probe_internal.h"

/* Of probe.c, which needs the whole of libbpf: as many as are ever attached. */
const char *const probe_lineage[] = {"on_fork", "on_exec", "on_end", NULL};
const char *const probe_lineage_again[] = {"on_fork", "on_exec", "on_end", NULL};
const char *const probe_prepare_again[] = {"on_prepare_exec", NULL};
const char *const probe_connect[] = {"on_sock_state", NULL};
const char *const probe_open[] = {"script_open", "script_open", "script_dir", NULL};
const char *const probe_prepare[] = {"on_prepare_exec", NULL};
const char *const probe_create[] = {"enter_openat", "exit_openat", NULL};
const char *const probe_syscall[] = {"enter", "enter", "enter", "enter", "enter",
				     "enter", "enter", "enter", NULL};

static unsigned notes;
static size_t alive; /* links */
static size_t room;  /* for links, of the kernel */

void probe_note(struct probe *p, const char *text)
{
	(void)p;
	(void)text;
	notes++;
}

struct bpf_link {
	int unused;
};

struct bpf_program {
	int unused;
};

static struct bpf_link *new_link(void)
{
	if (alive == room) {
		errno = EMFILE;
		return NULL;
	}
	alive++;
	return calloc(1, sizeof(struct bpf_link));
}

int bpf_link__destroy(struct bpf_link *link)
{
	alive -= link != NULL;
	free(link);
	return 0;
}

struct bpf_program *bpf_object__find_program_by_name(const struct bpf_object *obj, const char *name)
{
	static struct bpf_program program;

	(void)obj;
	(void)name;
	return &program;
}

int bpf_program__fd(const struct bpf_program *prog)
{
	(void)prog;
	return 0;
}

struct bpf_link *bpf_program__attach(const struct bpf_program *prog)
{
	(void)prog;
	return new_link();
}

struct bpf_link *bpf_program__attach_tracepoint(const struct bpf_program *prog,
						const char *category, const char *name)
{
	(void)prog;
	(void)category;
	(void)name;
	return new_link();
}

struct bpf_link *bpf_program__attach_uprobe_opts(const struct bpf_program *prog, pid_t pid,
						 const char *path, size_t offset,
						 const struct bpf_uprobe_opts *opts)
{
	(void)prog;
	(void)pid;
	(void)path;
	(void)offset;
	(void)opts;
	return new_link();
}

static int setup(void **state)
{
	struct probe *p = calloc(1, sizeof(*p));

	*state = p;
	notes = 0;
	alive = 0;
	room = SIZE_MAX;
	if (!p)
		return -1;
	p->skel = calloc(1, sizeof(*p->skel));
	return p->skel ? 0 : -1;
}

static int teardown(void **state)
{
	struct probe *p = *state;

	while (p->links)
		bpf_link__destroy(p->link[--p->links]);
	while (p->engine_links)
		bpf_link__destroy(p->engine_link[--p->engine_links].link);
	free(p->skel);
	free(p);
	return alive ? -1 : 0;
}

static int attach(struct probe *p, uint32_t index)
{
	return probe_attach_engine(p, index, "/opt/php", 1, 2);
}

/* Engines are attached first: as many as anybody runs leave all hooks their room. */
static void test_engines_and_hooks(void **state)
{
	struct probe *p = *state;
	int status = 0;

	for (uint32_t i = 0; i < MAX_ENGINE_LINKS / 2; i++)
		assert_int_equal(attach(p, i), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(attach(p, 1000 + i), -ENOSPC);
	assert_int_equal(alive, MAX_ENGINE_LINKS);
	p->again = p->opens = true;
	assert_int_equal(probe_attach(p, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(notes, 0);
	assert_int_equal(alive, MAX_ENGINE_LINKS + 28);
}

/* An engine whose file is another makes room for one, and no hook goes with it. */
static void test_detach(void **state)
{
	struct probe *p = *state;
	int status;
	size_t hooks;

	assert_int_equal(probe_attach(p, &status), 0);
	hooks = alive;
	for (uint32_t i = 0; i < MAX_ENGINE_LINKS / 2; i++)
		assert_int_equal(attach(p, i), 0);
	probe_detach_engine(p, 7);
	assert_int_equal(alive, hooks + MAX_ENGINE_LINKS - 2);
	probe_detach_engine(p, 7);
	assert_int_equal(attach(p, 100), 0);
	assert_int_equal(attach(p, 101), -ENOSPC);
	for (uint32_t i = 0; i <= 100; i++)
		probe_detach_engine(p, i);
	assert_int_equal(alive, hooks);
}

/* Half an engine is not watched. */
static void test_refused(void **state)
{
	struct probe *p = *state;

	room = 3;
	assert_int_equal(attach(p, 0), 0);
	assert_int_equal(attach(p, 1), -EMFILE);
	assert_int_equal(alive, 2);
	assert_int_equal(probe_attach_engine(p, 2, "/opt/php", 1, 0), -ENOENT);
	assert_int_equal(alive, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_engines_and_hooks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
