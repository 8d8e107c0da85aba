// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queued messages joined with recordings. Ids are used again within seconds, so the last record of
 * an id counts, and only for a message that arrived about when that record says. Memory is bounded
 * by what is in the queue at the end of the recording, not by its length.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "commands/queue.h"
#include "commands/recording.h"

#define MAX_ENTRIES (1u << 20)
#define MAX_SCRIPTS 65536

/* A message may take long to arrive (its time is that of its beginning), and clocks are read at two
 * places. */
#define EARLIER_NS 3600000000000ULL
#define LATER_NS   5000000000ULL

struct entry {
	uint64_t wall_ns; /* 0: removed since */
	struct queue_source source;
	uint64_t hash;
	char key[QUEUE_ID_MAX + 16]; /* "qmail 1114421" */
};

struct queue_join {
	struct entry **slots;
	size_t size, used;
	struct key_table *scripts; /* owns the names */
	uint64_t forgotten;        /* no room */
};

static uint64_t hash_of(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

static struct entry **slot_of(const struct queue_join *j, const char *key, uint64_t hash)
{
	size_t at = hash & (j->size - 1);

	while (j->slots[at] && (j->slots[at]->hash != hash || strcmp(j->slots[at]->key, key) != 0))
		at = (at + 1) & (j->size - 1);
	return &j->slots[at];
}

/* Twice the room when half of what there is still stands; else the same without what was removed.
 */
static bool make_room(struct queue_join *j)
{
	struct entry **old = j->slots;
	size_t old_size = j->size, live = 0;

	if (j->used * 2 < j->size)
		return true;
	for (size_t i = 0; i < old_size; i++)
		live += old[i] && old[i]->wall_ns;
	if (live * 4 > j->size)
		j->size *= 2;
	j->slots = calloc(j->size, sizeof(struct entry *));
	if (!j->slots) {
		j->slots = old;
		j->size = old_size;
		return false;
	}
	j->used = 0;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i] && old[i]->wall_ns) {
			*slot_of(j, old[i]->key, old[i]->hash) = old[i];
			j->used++;
		} else {
			free(old[i]);
		}
	}
	free(old);
	return true;
}

static const char *name_of(struct queue_join *j, const struct mail_event *m)
{
	char other[64];
	const char *name = m->script ? m->script : m->culprit_file;
	const struct key_row *row;

	if (!name) {
		snprintf(other, sizeof(other), "(%s)", source_name(m->source));
		name = other;
	}
	row = key_table_row(j->scripts, name, strlen(name));
	return *row->key ? row->key : NULL;
}

static void take(struct queue_join *j, const struct recording_event *e)
{
	const struct mail_event *m = &e->mail;
	char key[sizeof(((struct entry *)0)->key)];
	struct entry **slot;
	uint64_t hash;

	if ((e->action != ACTION_MAIL_QUEUED && e->action != ACTION_MAIL_REMOVED) || !m->mta ||
	    !m->queue_id ||
	    snprintf(key, sizeof(key), "%s %s", m->mta, m->queue_id) >= (int)sizeof(key))
		return;
	hash = hash_of(key);
	slot = slot_of(j, key, hash);
	if (e->action == ACTION_MAIL_REMOVED) {
		if (*slot)
			(*slot)->wall_ns = 0;
		return;
	}
	if (!*slot) {
		if (j->used >= MAX_ENTRIES || !make_room(j)) {
			j->forgotten++;
			return;
		}
		slot = slot_of(j, key, hash);
		*slot = calloc(1, sizeof(**slot));
		if (!*slot) {
			j->forgotten++;
			return;
		}
		memcpy((*slot)->key, key, sizeof(key));
		(*slot)->hash = hash;
		j->used++;
	}
	(*slot)->wall_ns = e->wall_ns;
	(*slot)->source.script = name_of(j, m);
	(*slot)->source.uid = m->uid;
}

static int read_recording(struct queue_join *j, const char *path)
{
	struct recording_file f;
	uint64_t lines = 0, strange = 0;
	const char *line;
	size_t len;
	int r = recording_open(path, &f);

	if (r < 0)
		return log_err(r, "%s cannot be read", path);
	while ((r = recording_next(&f, &line, &len)) == 1) {
		struct recording_event e;

		lines++;
		if (recording_parse(line, len, &e) < 0) {
			strange++;
			continue;
		}
		take(j, &e);
		recording_event_clear(&e);
	}
	recording_close(&f);
	if (r < 0)
		return log_err(r, "%s cannot be read to its end", path);
	if (lines && strange == lines) {
		log_warn("%s is no recording of spamtrace", path);
		return -EINVAL;
	}
	if (strange)
		log_warn("%s: %" PRIu64 " of %" PRIu64 " lines could not be understood", path,
			 strange, lines);
	return 0;
}

static int fill(struct queue_join *j, char **recordings, size_t n)
{
	j->size = 1024;
	j->slots = calloc(j->size, sizeof(struct entry *));
	j->scripts = key_table_new(MAX_SCRIPTS);
	if (!j->slots || !j->scripts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = read_recording(j, recordings[i]);

		if (r < 0)
			return r;
	}
	if (j->forgotten)
		log_warn("%" PRIu64
			 " messages of the recordings did not fit into memory and are not joined",
			 j->forgotten);
	return 0;
}

int queue_join_new(char **recordings, size_t n, struct queue_join **ret)
{
	struct queue_join *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	r = fill(j, recordings, n);
	if (r < 0)
		queue_join_free(j);
	else
		*ret = j;
	return r;
}

void queue_join_free(struct queue_join *j)
{
	if (!j)
		return;
	for (size_t i = 0; j->slots && i < j->size; i++)
		free(j->slots[i]);
	free(j->slots);
	key_table_free(j->scripts);
	free(j);
}

const struct queue_source *queue_join_find(const struct queue_join *j, const char *mta,
					   const char *id, uint64_t time_ns)
{
	char key[sizeof(((struct entry *)0)->key)];
	const struct entry *e;

	if (snprintf(key, sizeof(key), "%s %s", mta, id) >= (int)sizeof(key))
		return NULL;
	e = *slot_of(j, key, hash_of(key));
	if (!e || !e->wall_ns)
		return NULL;
	if (time_ns && (time_ns > e->wall_ns + LATER_NS || time_ns + EARLIER_NS < e->wall_ns))
		return NULL;
	return &e->source;
}
