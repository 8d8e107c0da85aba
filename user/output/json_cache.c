// SPDX-License-Identifier: GPL-2.0-only
#include "output/json_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "output/json_build.h"

#define LINES   256  /* kept, about 2 KiB each */
#define KEY_MAX 8192 /* longer ones are not kept */
#define TEXT_MAX                                                                                   \
	1024 /* of a text that is filled in; far below the limit at which strings are cut */

/* What differs between the events of one script, in the order of struct mail_event. */
enum slot {
	SLOT_ID, /* event.id, which holds the sequence, too */
	SLOT_SEQUENCE,
	SLOT_TIME,
	/* texts */
	SLOT_URL_PATH,
	SLOT_CLIENT_IP,
	SLOT_QUEUE_ID,
	SLOT_SENDER,
	SLOT_FROM,
	SLOT_SUBJECT,
	SLOT_MESSAGE_ID,
	/* counts */
	SLOT_PID,
	SLOT_PARENT_PID,
	SLOT_RECIPIENTS,
	SLOT_BYTES,
	SLOT_COUNT
};

#define FIRST_TEXT  SLOT_URL_PATH
#define FIRST_COUNT SLOT_PID

/* Marks: values that stand in for a slot's. Should an event's own text hold one, the line is not
 * kept. */
#define MARK_NUMBER  9007199254740000
#define MARK_TIME_NS 1

struct place {
	enum slot slot;
	size_t at, len; /* of the mark */
};

struct line {
	uint64_t hash; /* 0: unused */
	bool unfit;    /* it cannot be kept */
	char *key;     /* NULL: was seen once, or is unfit */
	size_t key_len;
	char *text;
	size_t len;
	struct place place[SLOT_COUNT];
	size_t places;
};

struct json_cache {
	struct line line[LINES];
	size_t hits;
	size_t key_len;
	char key[KEY_MAX];
	char *made; /* the line of json_mail_line() */
	char out[JSON_LINE_MAX];
};

/* Every string of an event that may be a slot's. */
static const char *text_of(const struct mail_event *e, enum slot slot)
{
	const char *const texts[] = {e->url_path, e->client_ip, e->queue_id,  e->sender,
				     e->from,     e->subject,   e->message_id};
	const char *text = texts[slot - FIRST_TEXT];

	return text && *text ? text : NULL;
}

static int64_t count_of(const struct mail_event *e, enum slot slot)
{
	const int64_t counts[] = {e->pid, e->parent_pid, e->recipients, e->bytes};

	return counts[slot - FIRST_COUNT];
}

static bool has_slot(const struct mail_event *e, enum slot slot)
{
	if (slot < FIRST_TEXT)
		return true;
	return slot < FIRST_COUNT ? text_of(e, slot) != NULL : count_of(e, slot) >= 0;
}

/* ---- keys: all that is no slot ---- */

static void add_bytes(struct json_cache *k, const void *bytes, size_t len)
{
	if (len <= KEY_MAX - k->key_len)
		memcpy(k->key + k->key_len, bytes, len);
	k->key_len += len <= KEY_MAX - k->key_len ? len : KEY_MAX + 1 - k->key_len;
}

static void add_text(struct json_cache *k, const char *text)
{
	if (k->key_len <= KEY_MAX)
		add_bytes(k, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void add_number(struct json_cache *k, uint64_t n)
{
	if (k->key_len <= KEY_MAX)
		add_bytes(k, &n, sizeof(n));
}

_Static_assert(sizeof(void *) != 8 || sizeof(struct mail_event) == 448,
	       "a member of struct mail_event is new: it belongs into make_key() or is a slot");

/* False: too long. */
static bool make_key(struct json_cache *k, const struct mail_event *e)
{
	const struct file_facts *f = &e->culprit;
	const uint64_t numbers[] = {
		(uint64_t)e->action | (uint64_t)e->source << 8 | (uint64_t)e->attribution << 16 |
			(uint64_t)e->stack_cut << 24 | (uint64_t)f->known << 25 |
			(uint64_t)f->deleted << 26 | (uint64_t)f->sha256_cut << 27 |
			(uint64_t)f->kept << 28,
		(uint64_t)e->evidence << 32 | e->culprit_line,
		(uint64_t)f->owner,
		(uint64_t)f->size,
		(uint64_t)f->inode,
		f->mtime_ns,
		e->frame_count,
		(uint64_t)e->uid,
		(uint64_t)e->euid,
		e->args_len,
		(uint64_t)e->destination_port << 16 | e->client_port,
		(uint64_t)(uint32_t)e->exit_code << 32 | (uint32_t)e->exit_signal,
	};
	const char *const texts[] = {e->reason,
				     e->script,
				     e->culprit_file,
				     e->culprit_function,
				     f->sha256,
				     f->real_path,
				     f->note,
				     e->php_version,
				     e->php_sapi,
				     e->vhost,
				     e->method,
				     e->host_header,
				     e->docroot,
				     e->user_name,
				     e->executable,
				     e->working_directory,
				     e->parent_executable,
				     e->container,
				     e->terminal,
				     e->mta,
				     e->parent_queue_id,
				     e->auth_user,
				     e->destination_ip,
				     e->remover,
				     e->unfollowed};
	uint64_t slots = 0;

	k->key_len = 0;
	for (enum slot s = 0; s < SLOT_COUNT; s++)
		slots |= (uint64_t)has_slot(e, s) << s;
	add_number(k, slots);
	add_bytes(k, numbers, sizeof(numbers));
	for (size_t i = 0; i < array_size(texts); i++)
		add_text(k, texts[i]);
	for (size_t i = 0; i < e->frame_count && i < EVENT_MAX_FRAMES; i++) {
		add_number(k, (uint64_t)e->frames[i].line << 1 | e->frames[i].eval);
		add_text(k, e->frames[i].file);
		add_text(k, e->frames[i].function);
	}
	if (k->key_len <= KEY_MAX && e->args)
		add_bytes(k, e->args, e->args_len);
	return k->key_len <= KEY_MAX;
}

static uint64_t hash_of(const char *bytes, size_t len)
{
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ len, word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, bytes, len);
	h = (h ^ word) * 0xff51afd7ed558ccdULL;
	return (h ^ h >> 32) | 1;
}

/* ---- a line with marks ---- */

#define MARK_SIZE 64

static void mark_text(enum slot slot, char out[MARK_SIZE / 2])
{
	snprintf(out, MARK_SIZE / 2, "@@%d@@", (int)slot);
}

/* How a slot's mark shows in the line. */
static void mark_of(enum slot slot, char out[MARK_SIZE])
{
	char inner[MARK_SIZE / 2];

	if (slot == SLOT_ID)
		snprintf(out, MARK_SIZE, "-%" PRIu64 "\"", (uint64_t)MARK_NUMBER);
	else if (slot == SLOT_SEQUENCE)
		snprintf(out, MARK_SIZE, ":%" PRIu64, (uint64_t)MARK_NUMBER);
	else if (slot >= FIRST_COUNT)
		snprintf(out, MARK_SIZE, ":%" PRIu64, (uint64_t)MARK_NUMBER + slot);
	else {
		if (slot == SLOT_TIME)
			clock_rfc3339(inner, MARK_TIME_NS);
		else
			mark_text(slot, inner);
		snprintf(out, MARK_SIZE, "\"%s\"", inner);
	}
}

static struct mail_event with_marks(const struct mail_event *e,
				    char texts[SLOT_COUNT][MARK_SIZE / 2])
{
	struct mail_event m = *e;
	const char **const text[] = {&m.url_path, &m.client_ip, &m.queue_id,  &m.sender,
				     &m.from,     &m.subject,   &m.message_id};
	int64_t *const count[] = {&m.pid, &m.parent_pid, &m.recipients, &m.bytes};

	m.sequence = MARK_NUMBER;
	m.wall_ns = MARK_TIME_NS;
	for (enum slot s = FIRST_TEXT; s < FIRST_COUNT; s++) {
		mark_text(s, texts[s]);
		if (has_slot(e, s))
			*text[s - FIRST_TEXT] = texts[s];
	}
	for (enum slot s = FIRST_COUNT; s < SLOT_COUNT; s++)
		if (has_slot(e, s))
			*count[s - FIRST_COUNT] = MARK_NUMBER + (int64_t)s;
	return m;
}

static int by_position(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Where each mark of the event is; false unless each is there once. */
static bool find_places(struct line *l, const struct mail_event *e)
{
	l->places = 0;
	for (enum slot s = 0; s < SLOT_COUNT; s++) {
		char mark[MARK_SIZE];
		const char *found;

		if (!has_slot(e, s))
			continue;
		mark_of(s, mark);
		found = strstr(l->text, mark);
		if (!found || strstr(found + 1, mark))
			return false;
		l->place[l->places++] = (struct place){
			.slot = s, .at = (size_t)(found - l->text), .len = strlen(mark)};
	}
	qsort(l->place, l->places, sizeof(l->place[0]), by_position);
	return true;
}

static void drop(struct line *l)
{
	free(l->key);
	free(l->text);
	*l = (struct line){0};
}

/* Keeps the line of events with the key that was just made. That it cannot be kept is no failure.
 */
static void keep(struct json_cache *k, struct line *l, const struct json_context *c,
		 const struct mail_event *e)
{
	char texts[SLOT_COUNT][MARK_SIZE / 2];
	struct mail_event marked = with_marks(e, texts);

	l->unfit = json_mail_line(c, &marked, &l->text, &l->len) || !find_places(l, e);
	if (l->unfit)
		return;
	l->key = malloc(k->key_len);
	if (!l->key)
		return;
	memcpy(l->key, k->key, k->key_len);
	l->key_len = k->key_len;
}

/* ---- filling in ---- */

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return false;
	return true;
}

static int encode(const char *text, size_t len, char *out, size_t size)
{
	struct json_builder b = {.limit = TEXT_MAX};
	json_auto_t *value = json_text(&b, "", text, len);
	char json[6 * TEXT_MAX + 2];
	size_t n = value ? json_dumpb(value, json, sizeof(json), JSON_ENCODE_ANY) : 0;
	_free_ char *line = NULL;

	if (!n || n > sizeof(json))
		return -EINVAL;
	line = text_json_line(json, n, &n);
	if (!line || n > size)
		return -EMSGSIZE;
	memcpy(out, line, n - 1); /* without the line feed */
	return (int)n - 1;
}

/* What a slot holds, as JSON, with what its mark has around it. Bytes, or -errno: made anew. */
static int fill(const struct mail_event *e, enum slot slot, char *out, size_t size)
{
	char time[CLOCK_RFC3339_SIZE];
	const char *text = time;
	size_t len;

	if (slot == SLOT_ID)
		return snprintf(out, size, "-%" PRIu64 "\"", e->sequence);
	if (slot == SLOT_SEQUENCE)
		return snprintf(out, size, ":%" PRIu64, e->sequence);
	if (slot >= FIRST_COUNT)
		return snprintf(out, size, ":%" PRId64, count_of(e, slot));
	if (slot == SLOT_TIME)
		clock_rfc3339(time, e->wall_ns);
	else
		text = text_of(e, slot);
	len = strlen(text);
	if (len > TEXT_MAX || len + 2 > size)
		return -EINVAL;
	if (!is_plain(text, len))
		return encode(text, len, out, size);
	out[0] = '"';
	memcpy(out + 1, text, len);
	out[len + 1] = '"';
	return (int)len + 2;
}

static int put_together(struct json_cache *k, const struct line *l, const struct mail_event *e,
			size_t *len)
{
	size_t from = 0, at = 0;

	if (e->sequence > INT64_MAX)
		return -EINVAL;
	for (size_t i = 0; i <= l->places; i++) {
		size_t to = i < l->places ? l->place[i].at : l->len;
		int n;

		if (to - from > sizeof(k->out) - at)
			return -EMSGSIZE;
		memcpy(k->out + at, l->text + from, to - from);
		at += to - from;
		if (i == l->places)
			break;
		n = fill(e, l->place[i].slot, k->out + at, sizeof(k->out) - at);
		if (n < 0 || (size_t)n >= sizeof(k->out) - at)
			return -EMSGSIZE;
		at += (size_t)n;
		from = to + l->place[i].len;
	}
	*len = at;
	return 0;
}

/* ---- the cache ---- */

int json_cache_new(struct json_cache **out)
{
	struct json_cache *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	*out = k;
	return 0;
}

void json_cache_free(struct json_cache *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < LINES; i++)
		drop(&k->line[i]);
	free(k->made);
	free(k);
}

size_t json_cache_hits(const struct json_cache *k)
{
	return k->hits;
}

/* The kept line for this event, or NULL. One that is asked for a second time is kept. */
static const struct line *look_up(struct json_cache *k, const struct json_context *c,
				  const struct mail_event *e)
{
	struct line *l;
	uint64_t hash;

	if (c->redactor || c->unwritten || !make_key(k, e))
		return NULL;
	hash = hash_of(k->key, k->key_len);
	l = &k->line[hash / 2 % LINES];
	if (l->hash != hash) {
		drop(l);
		l->hash = hash;
		return NULL;
	}
	if (!l->key && !l->unfit) {
		free(l->text);
		l->text = NULL;
		keep(k, l, c, e);
	}
	return l->key && l->key_len == k->key_len && !memcmp(l->key, k->key, k->key_len) ? l : NULL;
}

int json_cache_mail_line(struct json_cache *k, const struct json_context *c,
			 const struct mail_event *e, const char **line, size_t *len)
{
	const struct line *kept = look_up(k, c, e);
	char *made = NULL;
	int err;

	if (kept && !put_together(k, kept, e, len)) {
		k->hits++;
		*line = k->out;
		return 0;
	}
	err = json_mail_line(c, e, &made, len);
	if (err)
		return err;
	free(k->made);
	*line = k->made = made;
	return 0;
}
