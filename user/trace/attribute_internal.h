/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of attribute share. */
#ifndef ST_ATTRIBUTE_INTERNAL_H
#define ST_ATTRIBUTE_INTERNAL_H

#include "trace/attribute.h"

#define HAS(e) (1u << (e))

/* No better than `to`; the first reason stays. */
void attribute_weaken(struct mail_event *e, enum attribution to, const char *reason);
/* `to` with a copy of `from`, cut to its size; NULL of NULL and of "". */
const char *attribute_copy(char *to, size_t size, const char *from);

/* attribute_origin.c: what an engine's memory, a CGI environment or their lack says, of an origin
 * that attribute_speaker() gave. */
void attribute_origin(const struct attribute_ops *ops, const struct origin *o,
		      struct attribution_room *room, struct mail_event *e);

/* `o`, or the nearest before it, that serves a request or runs a script: a helper that a web server
 * started does neither. One whose environment's record was lost may be either: it is given as it
 * is. NULL: none. */
const struct origin *attribute_speaker(const struct attribute_ops *ops, const struct origin *o);
/* Says of what such a program injected, or brought over a connection, that nobody is known. */
void attribute_no_speaker(struct mail_event *e);

/* attribute_injection.c: the injection's process, and its origin. */
void attribute_injection(const struct attribute_ops *ops, const struct injection *i,
			 struct attribution_room *room, struct mail_event *e);

#endif
