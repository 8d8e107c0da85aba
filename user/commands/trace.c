// SPDX-License-Identifier: GPL-2.0-only
/* `spamtrace trace`: sets a session up, runs its loop, ends it with the summary. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "commands/commands.h"
#include "commands/session.h"
#include "kernel/containers.h"
#include "kernel/procfs.h"
#include "mail/logins.h"
#include "trace/pace.h"

#define TICK_NS 100000000ULL

static void session_close(struct session *s)
{
	evidence_free(s->evidence);
	logins_free(s->logins);
	containers_free(s->containers);
	if (s->screen)
		s->screen->free(s->screen);
	if (s->recording)
		s->recording->free(s->recording);
	correlate_free(s->correlate);
	session_late_free(s);
	tally_free(s->tally);
	vhost_memo_clear(&s->vhost_memo);
	vhost_table_free(s->vhosts);
	servers_free(s->servers);
	programs_free(s->programs);
	probe_free(s->probe);
	for (size_t i = 0; i < s->queue_count; i++)
		if (s->queues[i].fd >= 0)
			close(s->queues[i].fd);
}

static void session_closep(struct session **s)
{
	if (*s)
		session_close(*s);
	free(*s);
}

static int open_sinks(struct session *s)
{
	struct trace_options *o = &s->options;
	bool terminal = isatty(STDOUT_FILENO);
	int err;

	if (o->output == OUTPUT_AUTO)
		o->output = terminal ? OUTPUT_TABLE : OUTPUT_JSON;
	if (o->write) {
		err = record_sink_new(o->write, s->host, o->redact, &s->recording);
		if (err)
			return err == -EEXIST ? err
					      : log_err(err, "%s cannot be written", o->write);
	}
	if (o->output == OUTPUT_JSON) {
		int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

		return fd < 0 ? -errno : json_sink_new(fd, s->host, &s->screen);
	}
	return table_sink_new(
		stdout,
		&(struct table_options){.terminal = terminal, .verbose = o->verbose, .by = o->by},
		&s->screen);
}

/* For tests: SPAMTRACE_QUEUE_HOOK=fexit|fanotify|syscalls takes that one or none. 0 or -EINVAL. */
static int choose_queue_hook(struct session *s, struct probe_options *o)
{
	const char *only = getenv("SPAMTRACE_QUEUE_HOOK");

	o->queue_hook = session_late_start;
	o->arg = s;
	if (!only || !*only)
		return 0;
	if (strcmp(only, "fexit") && strcmp(only, "fanotify") && strcmp(only, "syscalls"))
		return log_err(-EINVAL,
			       "SPAMTRACE_QUEUE_HOOK=%s: it is fexit, fanotify or syscalls", only);
	o->no_fexit = strcmp(only, "fexit") != 0;
	o->no_syscalls = strcmp(only, "syscalls") != 0;
	if (strcmp(only, "fanotify"))
		o->queue_hook = NULL;
	return 0;
}

static int load(struct session *s)
{
	struct probe_options o = {
		.ring_bytes = s->options.ring_mib ? (size_t)s->options.ring_mib << 20 : 4096,
		.opens = s->options.opens,
		.no_queue = s->options.no_mta,
	};
	int err = choose_queue_hook(s, &o);

	if (err)
		return err;

	for (const struct mta *const *m = mta_all; *m; m++)
		if (!strcmp((*m)->name, "sendmail") && (!s->options.mta || s->options.mta == *m)) {
			struct mta_queue found[MAX_QUEUES];
			int n = (*m)->discover(s->options.queue_dir, found, MAX_QUEUES);

			o.creates = n > 0 && !s->options.no_mta;
			for (int i = 0; i < n; i++)
				close(found[i].fd);
		}
	return probe_new(&o, &s->probe, &s->exit_status);
}

static void read_vhosts(struct session *s)
{
	struct vhost_table *t = NULL;

	if (servers_read(s->servers, &t))
		return;
	vhost_memo_clear(&s->vhost_memo);
	vhost_table_free(s->vhosts);
	s->vhosts = t;
}

static int session_open(struct session *s)
{
	struct correlate_ops ops;
	struct utsname u;
	int err;

	s->exit_status = 1;
	uname(&u);
	snprintf(s->host, sizeof(s->host), "%s", u.nodename);
	snprintf(s->kernel, sizeof(s->kernel), "%s", u.release);
	s->own_mntns = procfs_own_mntns();
	s->clock_offset = clock_offset_ns();
	s->tally = tally_new();
	if (!s->options.no_mta && logins_open("/", &s->logins))
		return -ENOMEM;
	s->servers = servers_new("/proc");
	s->containers = containers_new();
	if (!s->tally || !s->servers || !s->containers)
		return -ENOMEM;
	err = open_sinks(s);
	if (err)
		return err;
	err = evidence_new(s->options.evidence, s->own_mntns, &s->evidence);
	if (err)
		return err;
	err = load(s);
	if (err)
		return err;
	err = programs_new(s->probe, &s->programs);
	if (!err)
		err = session_find_queues(s);
	if (!err)
		err = programs_scan(s->programs);
	if (err)
		return log_err(err, "the programs of this host could not be found");
	session_callbacks(s, &ops, NULL);
	err = correlate_new(&ops, s->queues, s->queue_count, &s->correlate);
	if (err)
		return err;
	session_watch_queues(s);
	read_vhosts(s);
	if (programs_untrusted_engine(s->programs))
		probe_want_opens(s->probe);
	return probe_attach(s->probe, &s->exit_status);
}

enum { WAKE_RING, WAKE_TICK, WAKE_SIGNAL, WAKE_QUEUE };

static int add(int epoll, int fd, uint32_t id)
{
	/* a queue does not wake again before let_queues_wake() */
	struct epoll_event ev = {.events = id == WAKE_QUEUE ? EPOLLIN | EPOLLONESHOT : EPOLLIN,
				 .data.u32 = id};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* Cannot fail for a descriptor that was added. What is there already wakes at once. */
static void let_queues_wake(struct session *s, int epoll, bool yes)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = WAKE_QUEUE};

	if (session_late_fd(s) < 0)
		probe_let_queues_wake(s->probe, yes);
	else if (yes)
		epoll_ctl(epoll, EPOLL_CTL_MOD, session_late_fd(s), &ev);
}

static int make_timer(void)
{
	struct itimerspec every = {.it_interval = {.tv_nsec = (long)TICK_NS},
				   .it_value = {.tv_nsec = (long)TICK_NS}};
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static int make_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void on_signal(struct session *s, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH) {
			if (s->options.output == OUTPUT_TABLE)
				table_resized(s->screen, 0);
		} else if (info.ssi_signo == SIGTSTP) {
			/* the kernel queues what happens in mail queues without a limit */
			log_warn("not suspended: events would pile up in the kernel; "
				 "Ctrl-C ends tracing");
		} else {
			s->stop = true;
		}
	}
}

/* What happens a few times a second, whether or not anything was traced. */
static void on_tick(struct session *s, int fd, uint64_t *next_sample, uint64_t *next_look)
{
	/* in this order: see correlate_tick() */
	uint64_t lost = correlate_losses(s->correlate), now = clock_boot_ns();
	uint64_t wall = clock_wall_ns(), expirations;

	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_err(errno, "timer");
	session_drain(s);
	if (s->logins)
		logins_read(s->logins);
	correlate_tick(s->correlate, now, lost);
	if (now >= *next_sample) {
		session_sample(s, true);
		*next_sample = now + (uint64_t)(s->options.interval * 1e9);
	}
	if (now >= *next_look) {
		s->clock_offset = clock_offset_ns(); /* the wall clock may have been stepped */
		programs_rescan(s->programs);
		session_watch_queues(s);
		if (servers_changed(s->servers))
			read_vhosts(s);
		*next_look = now + 2000000000ULL;
	}
	if (s->options.duration > 0 &&
	    now - s->started_boot >= (uint64_t)(s->options.duration * 1e9))
		s->stop = true;
	if (s->options.output == OUTPUT_TABLE)
		table_lost(s->screen, session_lost(s));
	session_tick_sinks(s, wall);
}

static void drain(struct session *s, struct pace *pace)
{
	struct correlate_stats stats;

	session_drain(s);
	correlate_stats(s->correlate, &stats);
	pace_judge(pace, stats.commits, stats.brief, clock_boot_ns());
}

/* Records are there. Where they are of the queues, these may have to rest now. */
static void on_records(struct session *s, int epoll, bool of_queue, struct pace *pace)
{
	drain(s, pace);
	if (of_queue)
		let_queues_wake(s, epoll, !pace_woken(pace, clock_boot_ns()));
}

static void on_rested(struct session *s, int epoll, struct pace *pace)
{
	uint64_t commits = pace->commits;

	drain(s, pace);
	if (pace_rests_on(pace, commits, clock_boot_ns()))
		return;
	let_queues_wake(s, epoll, true);
	drain(s, pace); /* what came in between has woken nobody */
}

static int loop(struct session *s, int signals)
{
	_close_ int epoll = epoll_create1(EPOLL_CLOEXEC), timer = make_timer();
	const uint32_t queues = session_late_fd(s) >= 0 ? WAKE_QUEUE : WAKE_RING;
	struct pace pace = {0};
	uint64_t next_sample, next_look;
	int err;

	if (epoll < 0 || timer < 0)
		return -errno;
	err = add(epoll, probe_fd(s->probe), WAKE_RING);
	if (!err)
		err = add(epoll, timer, WAKE_TICK);
	if (!err)
		err = add(epoll, signals, WAKE_SIGNAL);
	if (!err && session_late_fd(s) >= 0)
		err = add(epoll, session_late_fd(s), WAKE_QUEUE);
	if (err)
		return err;
	next_sample = s->started_boot + (uint64_t)(s->options.interval * 1e9);
	next_look = s->started_boot + 2000000000ULL;
	while (!s->stop && !s->reader_gone) {
		struct epoll_event ev[4];
		int n = epoll_wait(epoll, ev, 4, pace_timeout(&pace, clock_boot_ns()));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (pace_rested(&pace, clock_boot_ns()))
			on_rested(s, epoll, &pace);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.u32 == WAKE_RING || ev[i].data.u32 == WAKE_QUEUE)
				on_records(s, epoll, ev[i].data.u32 == queues, &pace);
			else if (ev[i].data.u32 == WAKE_TICK)
				on_tick(s, timer, &next_sample, &next_look);
			else
				on_signal(s, signals);
		}
	}
	log_debug("the queues woke it %llu times, %llu of them to a rest",
		  (unsigned long long)pace.wakes, (unsigned long long)pace.rests);
	return 0;
}

/* Each message that waits for something has its queue file open, and there may be thousands. */
static void allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		log_err(errno, "the limit of open files cannot be raised");
}

int command_trace(int argc, char **argv)
{
	__attribute__((cleanup(session_closep))) struct session *s = calloc(1, sizeof(*s));
	_close_ int signals = -1;
	int err;

	if (!s)
		return 1;
	trace_options_parse(argc, argv, &s->options);
	log_verbose = s->options.verbose;
	signals = make_signals();
	allow_files();
	err = session_open(s);
	if (err)
		return s->exit_status ? s->exit_status : 1;
	if (privilege_drop())
		log_warn("tracing goes on with the privileges that are left");
	s->exit_status = 0;
	s->started_ns = clock_wall_ns();
	s->started_boot = clock_boot_ns();
	session_sample(s, false);
	session_summary(s, ACTION_TRACE_STARTED);
	log_info("tracing");
	err = loop(s, signals);
	session_sample(s, true);
	correlate_flush(s->correlate);
	session_summary(s, ACTION_TRACE_ENDED);
	return err ? 1 : s->exit_status;
}
