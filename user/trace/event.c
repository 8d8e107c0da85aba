// SPDX-License-Identifier: GPL-2.0-only
/* The names that the JSON and the options use; each table is indexed by its enum. */
#include "trace/event.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const actions[ACTION_COUNT] = {
	[ACTION_TRACE_STARTED] = "trace-started",   [ACTION_MAIL_QUEUED] = "mail-queued",
	[ACTION_MAIL_ATTEMPTED] = "mail-attempted", [ACTION_SMTP_CONNECTED] = "smtp-connected",
	[ACTION_MAIL_REMOVED] = "mail-removed",     [ACTION_QUEUE_SAMPLED] = "queue-sampled",
	[ACTION_TRACE_ENDED] = "trace-ended",
};

static const char *const sources[SOURCE_COUNT] = {
	[SOURCE_UNKNOWN] = "unknown", [SOURCE_SCRIPT] = "script",
	[SOURCE_CLI] = "cli",         [SOURCE_USER] = "user",
	[SOURCE_SMTP] = "smtp",       [SOURCE_SMTP_AUTH] = "smtp-auth",
	[SOURCE_BOUNCE] = "bounce",   [SOURCE_FORWARD] = "forward",
};

static const char *const attributions[ATTRIBUTION_COUNT] = {
	[ATTRIBUTION_NONE] = "none",
	[ATTRIBUTION_INFERRED] = "inferred",
	[ATTRIBUTION_EXACT] = "exact",
};

static const char *const evidences[EVIDENCE_COUNT] = {
	[EVIDENCE_PHP_MEMORY] = "php-memory",
	[EVIDENCE_FORK_TREE] = "fork-tree",
	[EVIDENCE_EXEC] = "exec",
	[EVIDENCE_QUEUE_COMMIT] = "queue-commit",
	[EVIDENCE_SMTP_REPLY] = "smtp-reply",
	[EVIDENCE_SMTP_PORT] = "smtp-port",
	[EVIDENCE_SERVER_MEMORY] = "server-memory",
	[EVIDENCE_SERVER_CONFIG] = "server-config",
	[EVIDENCE_LAYOUT] = "layout",
	[EVIDENCE_HOST_HEADER] = "host-header",
	[EVIDENCE_ARGV] = "argv",
	[EVIDENCE_FILE_OPENS] = "file-opens",
	[EVIDENCE_CWD] = "cwd",
	[EVIDENCE_ENVIRONMENT] = "environment",
	[EVIDENCE_QUEUE_FILE] = "queue-file",
	[EVIDENCE_MAIL_LOG] = "mail-log",
	[EVIDENCE_PHP_CALL] = "php-call",
};

static const char *const bys[BY_COUNT] = {
	[BY_SCRIPT] = "script", [BY_UID] = "uid",       [BY_VHOST] = "vhost",
	[BY_CLIENT] = "client", [BY_SOURCE] = "source",
};

static const char *name_of(const char *const *names, size_t n, unsigned value)
{
	return value < n ? names[value] : "unknown";
}

static int index_of(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -EINVAL;
}

const char *action_name(enum action a)
{
	return name_of(actions, array_size(actions), (unsigned)a);
}

const char *source_name(enum source s)
{
	return name_of(sources, array_size(sources), (unsigned)s);
}

const char *attribution_name(enum attribution a)
{
	return name_of(attributions, array_size(attributions), (unsigned)a);
}

const char *evidence_name(enum evidence e)
{
	return name_of(evidences, array_size(evidences), (unsigned)e);
}

const char *tally_by_name(enum tally_by by)
{
	return name_of(bys, array_size(bys), (unsigned)by);
}

int source_parse(const char *name, enum source *out)
{
	int i = index_of(sources, array_size(sources), name);

	if (i < 0)
		return i;
	*out = (enum source)i;
	return 0;
}

int attribution_parse(const char *name, enum attribution *out)
{
	int i = index_of(attributions, array_size(attributions), name);

	if (i < 0)
		return i;
	*out = (enum attribution)i;
	return 0;
}

int tally_by_parse(const char *name, enum tally_by *out)
{
	int i = index_of(bys, array_size(bys), name);

	if (i < 0)
		return i;
	*out = (enum tally_by)i;
	return 0;
}
