// SPDX-License-Identifier: GPL-2.0-only
#include "output/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"

#define NS_PER_SEC 1000000000ULL

void words_count(char out[WORDS_COUNT_SIZE], int64_t n, bool sign)
{
	uint64_t magnitude = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, magnitude), used = 0;

	if (n < 0)
		out[used++] = '-';
	else if (sign)
		out[used++] = '+';
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
}

void words_number(char *out, size_t size, uint64_t n, const char *one, const char *many)
{
	char count[WORDS_COUNT_SIZE];

	words_count(count, n > INT64_MAX ? INT64_MAX : (int64_t)n, false);
	snprintf(out, size, "%s %s", count, n == 1 ? one : many);
}

void words_duration(char out[WORDS_TIME_SIZE], double seconds)
{
	unsigned long s = seconds > 0 ? (unsigned long)(seconds + 0.5) : 0;

	if (s >= 3600)
		snprintf(out, WORDS_TIME_SIZE, "%lu h %lu min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, WORDS_TIME_SIZE, "%lu min %lu s", s / 60, s % 60);
	else
		snprintf(out, WORDS_TIME_SIZE, "%lu s", s);
}

void words_time(char out[WORDS_TIME_SIZE], uint64_t wall_ns, bool date)
{
	time_t sec = (time_t)(wall_ns / NS_PER_SEC);
	struct tm tm = {0};

	localtime_r(&sec, &tm);
	if (!strftime(out, WORDS_TIME_SIZE, date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm))
		snprintf(out, WORDS_TIME_SIZE, "-");
}

char words_mark(enum attribution a)
{
	return a == ATTRIBUTION_EXACT ? '=' : a == ATTRIBUTION_INFERRED ? '~' : '?';
}

/* Appends to `out`; hostile bytes escaped. */
static void append(char *out, size_t size, const char *text)
{
	size_t used = strlen(out);

	text_for_terminal(out + used, size - used, text, strlen(text));
}

static const char *nonempty(const char *s)
{
	return s && *s ? s : NULL;
}

/* The part of a path that names the file, should it be longer than any terminal. */
static const char *path_end(const char *path)
{
	size_t len = strlen(path);

	return len > WORDS_PATH_MAX ? path + len - WORDS_PATH_MAX : path;
}

/* A message that no script is known for. */
static void origin_without_script(char *out, size_t size, const struct mail_event *e)
{
	const char *what = NULL, *more = NULL;

	switch (e->source) {
	case SOURCE_SMTP_AUTH:
		what = "smtp-auth ";
		more = nonempty(e->auth_user);
		break;
	case SOURCE_SMTP:
		what = "smtp ";
		more = nonempty(e->client_ip);
		break;
	case SOURCE_BOUNCE:
		what = e->parent_queue_id ? "bounce of " : "bounce";
		more = e->parent_queue_id;
		break;
	case SOURCE_FORWARD:
		what = e->parent_queue_id ? "forward of " : "forward";
		more = e->parent_queue_id;
		break;
	default:
		what = nonempty(e->executable);
		what = what ? what : "unknown origin";
		more = nonempty(e->terminal);
		append(out, size, what);
		if (more)
			append(out, size, " on ");
		what = "";
	}
	append(out, size, what);
	if (more)
		append(out, size, more);
}

void words_origin(char *out, size_t size, const struct mail_event *e)
{
	const char *file = nonempty(e->culprit_file);
	char line[16];

	if (!size)
		return;
	out[0] = '\0';
	if (file) {
		append(out, size, path_end(file));
		snprintf(line, sizeof(line), ":%u", e->culprit_line);
		if (e->culprit_line)
			append(out, size, line);
	} else if (nonempty(e->script)) {
		append(out, size, path_end(e->script));
	} else {
		origin_without_script(out, size, e);
	}
}

static const struct {
	const char *reason, *meaning, *advice;
} losses[] = {
	{"ring-origin", "the ring was full: who started an injection is unknown for some messages",
	 "give the tracer a faster terminal or -o json to a file, or fewer hooks"},
	{"ring-lineage",
	 "the ring was full: some ends of processes were missed, so attempts may be missing",
	 "totals of messages are not touched"},
	{"ring-exec", "the ring was full: arguments and directory of some injectors are unknown",
	 "attribution to script and uid is not touched"},
	{"ring-queue", "the ring was full: some messages or removals are not listed",
	 "see UNEXPLAINED in the queue's books for how many; write to a file with -w instead of a "
	 "slow terminal"},
	{"ring-connect", "the ring was full: some connects to mail ports are not listed",
	 "write to a file with -w instead of a slow terminal"},
	{"ring-open", "the ring was full: some script opens, second-class evidence, were missed",
	 "messages marked = are not touched"},
	{"task-map", "more processes carried an origin at once than the table holds",
	 "messages of the processes that did not fit are marked ?"},
	{"call-map", "more queue operations were under way at once than the table holds",
	 "see UNEXPLAINED in the queue's books for how many messages that hides"},
	{"sock-map", "more mail connections were open at once than the table holds",
	 "messages sent over them may be marked ?"},
	{"program-skipped",
	 "the kernel skipped hooks while others ran: at most so many events were missed",
	 "the server is overloaded; what was missed has no origin or is unexplained in the "
	 "balance"},
	{"script-map", "more script files were opened than the table holds",
	 "messages marked = are not touched"},
	{"recording-unwritten", "events could not be written to the recording (disk full?)",
	 "free some space; what the terminal showed held them, a report of the recording does not"},
	{"output-unwritten",
	 "events could not be written to the output (its reader stopped or went away)",
	 "totals are not touched; -w keeps every event"},
	{"undecoded", "records from the kernel were not understood",
	 "totals of messages may be too low; please report this with spamtrace -v's output"},
	{"inconsistent", "records from the kernel contradicted each other",
	 "the messages concerned are marked ?"},
	{"memory", "there was no memory for some processes, connections or messages",
	 "messages may be missing, or marked ?: see UNEXPLAINED in the queue's books"},
	{"origin-missing", "an injection's origin was announced and never came",
	 "the messages concerned are marked ?"},
	{"first-ids", "more messages waited for the MTA to run than are remembered",
	 "start the MTA; those that did not fit are listed a second time then, marked ?"},
	{"connections", "more connections of scripts to mail ports were there than are remembered",
	 "the messages that came over them, or may have, are marked ?"},
	{"orphans", "killed processes left more files in the queue than are remembered",
	 "they are no messages; when the MTA removes one, it is listed as one that left"},
	{"program-map", "more programs were executed than the kernel side has room for",
	 "room is made; one seen for the first time meanwhile may not have been known"},
	{"uid-map", "more users injected than the kernel side counts",
	 "the kernel's totals by uid are too low"},
	{"read", "a name or an argument could not be read from a process",
	 "the fields concerned are absent in their events"},
};

void words_loss(const char *reason, const char **meaning, const char **advice)
{
	*meaning = "events of this kind were lost";
	*advice = "read the totals as a lower bound";
	for (size_t i = 0; i < array_size(losses); i++) {
		if (reason && !strcmp(losses[i].reason, reason)) {
			*meaning = losses[i].meaning;
			*advice = losses[i].advice;
		}
	}
}
