/* SPDX-License-Identifier: GPL-2.0-only */
/* What the JSON sink and a recording share. */
#ifndef ST_JSON_H
#define ST_JSON_H

#include "output/redact.h"
#include "output/sink.h"

/* Like json_sink_new(); `redactor` NULL or copied. On failure the descriptor stays the caller's. */
int json_sink_create(int fd, const char *host_name, const struct redactor *redactor,
		     struct sink **ret);

#endif
