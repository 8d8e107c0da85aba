// SPDX-License-Identifier: GPL-2.0-only
#include "evidence/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sha2.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "evidence/keep.h"
#include "evidence/lookup.h"

#define VIEWERS 256 /* processes whose view is remembered */

static const char too_many[] = "too many new files in this second: left out";
static const char link_note[] = "a symbolic link: not followed";
static const char odd_note[] = "not a regular file";
static const char forbidden_note[] = "the process that named it may not read it";
static const char gone_note[] = "its process has ended, and its file system with it";
static const char ended_note[] = "its process has ended: the file of that name on this host";
static const char large_note[] = "too large to be copied";
static const char unread_note[] = "could not be read";

/* What a path is unique in; uthash takes it and the path behind it as one key. */
struct place {
	uint64_t dev, ino; /* of the viewer's root */
	uint32_t mntns, uid;
};

/* ctime tells of a change that touch(1) hides. */
struct identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct entry {
	UT_hash_handle hh;
	struct identity identity;
	struct file_facts facts; /* strings: sha256[], real_path, static notes */
	char *real_path;
	uint64_t checked, first_wall_ns; /* boot, wall ns */
	bool retry;                      /* left out before: read it when there is room */
	bool unindexed;
	char sha256[SHA256_DIGEST_STRING_LENGTH];
	struct place place;
	char path[];
};

_Static_assert(offsetof(struct entry, path) == offsetof(struct entry, place) + sizeof(struct place),
	       "place and path are one key");

struct evidence_locker {
	struct entry *entries; /* least recently looked at first */
	size_t memory;
	struct keep *keep; /* NULL: no copies */
	int root;
	uint32_t own_mntns;
	struct viewer viewer[VIEWERS];
	uint64_t second; /* of the counts below */
	unsigned files;
	uint64_t bytes;
	struct evidence_stats stats;
	bool told;
};

int evidence_new(const char *dir, uint32_t own_mntns, struct evidence_locker **out)
{
	_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct evidence_locker *l;
	struct keep *keep = NULL;
	int err;

	if (root < 0)
		return -errno;
	err = dir ? keep_open(dir, &keep) : 0;
	if (err)
		return err;
	l = calloc(1, sizeof(*l));
	if (!l) {
		keep_close(keep);
		return -ENOMEM;
	}
	l->own_mntns = own_mntns;
	l->root = take_fd(root);
	l->keep = keep;
	*out = l;
	return 0;
}

static size_t entry_memory(const struct entry *e)
{
	return sizeof(*e) + strlen(e->path) + 1 + (e->real_path ? strlen(e->real_path) : 0);
}

static void index_entry(struct evidence_locker *l, struct entry *e, const char *queue_id)
{
	if (!e->unindexed || !l->keep)
		return;
	keep_index(l->keep, e->path, &e->facts, e->first_wall_ns, queue_id);
	e->unindexed = false;
}

/* One that is in the table no more. */
static void release(struct evidence_locker *l, struct entry *e)
{
	index_entry(l, e, NULL);
	l->memory -= entry_memory(e);
	free(e->real_path);
	free(e);
}

void evidence_free(struct evidence_locker *l)
{
	struct entry *e, *next;

	if (!l)
		return;
	HASH_ITER(hh, l->entries, e, next)
	{
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the last one empties the table */
		HASH_DEL(l->entries, e);
		release(l, e);
	}
	if (l->stats.left_out)
		log_warn("facts of %" PRIu64
			 " script files were left out: too many new ones a second",
			 l->stats.left_out);
	if (l->stats.unkept)
		log_warn("%" PRIu64
			 " script files were not copied; their events and the index say why",
			 l->stats.unkept);
	keep_close(l->keep);
	close(l->root);
	free(l);
}

void evidence_stats(const struct evidence_locker *l, struct evidence_stats *out)
{
	*out = l->stats;
	out->cached = HASH_COUNT(l->entries);
}

/* ---- bounds ---- */

static bool room_for(struct evidence_locker *l, uint64_t boot_ns, uint64_t bytes)
{
	uint64_t second = boot_ns / 1000000000U;

	if (second != l->second) {
		l->second = second;
		l->files = 0;
		l->bytes = 0;
	}
	if (l->files < EVIDENCE_FILES && l->bytes + bytes <= EVIDENCE_BYTES)
		return true;
	l->stats.left_out++;
	if (!l->told)
		log_warn("more new script files than are looked at in a second: facts of some are "
			 "left out");
	l->told = true;
	return false;
}

/* ---- reading ---- */

static struct identity identity_of(const struct stat *st)
{
	struct identity i;

	memset(&i, 0, sizeof(i)); /* compared bytewise */
	i.dev = st->st_dev;
	i.ino = st->st_ino;
	i.size = st->st_size;
	i.mtime = st->st_mtim;
	i.ctime = st->st_ctim;
	return i;
}

static void unknown(struct file_facts *f, const char *note)
{
	*f = (struct file_facts){.owner = COUNT_UNKNOWN,
				 .size = COUNT_UNKNOWN,
				 .inode = COUNT_UNKNOWN,
				 .note = note};
}

static void set_stat(struct entry *e, const struct stat *st)
{
	unknown(&e->facts, NULL);
	e->facts.known = true;
	e->facts.owner = st->st_uid;
	e->facts.size = st->st_size;
	e->facts.inode = (int64_t)st->st_ino;
	e->facts.mtime_ns =
		(uint64_t)st->st_mtim.tv_sec * 1000000000U + (uint64_t)st->st_mtim.tv_nsec;
	e->facts.real_path = e->real_path;
}

/* At most `size` bytes; how many, or -errno. */
static ssize_t read_start(int fd, char *buf, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, buf + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Hashes and copies one reading, so that the two are of the same bytes. */
static void read_contents(struct evidence_locker *l, struct entry *e, const struct found *f)
{
	bool cut = f->st.st_size > (off_t)EVIDENCE_FILE_MAX;
	size_t size = cut ? EVIDENCE_FILE_MAX : (size_t)f->st.st_size;
	_close_ int fd = open_found(f);
	_free_ char *data = fd < 0 ? NULL : malloc(size + 1);
	ssize_t n = data ? read_start(fd, data, size) : -1;
	SHA2_CTX sha;

	if (n < 0) {
		e->facts.note = unread_note;
		return;
	}
	l->stats.hashed++;
	l->bytes += (uint64_t)n;
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)data, (size_t)n);
	SHA256End(&sha, e->sha256);
	e->facts.sha256 = e->sha256;
	e->facts.sha256_cut = cut;
	if (!l->keep)
		return;
	if (cut)
		e->facts.note = large_note;
	else
		e->facts.kept = !keep_copy(l->keep, e->sha256, e->path, data, (size_t)n);
	l->stats.kept += e->facts.kept;
	l->stats.unkept += !e->facts.kept;
	e->unindexed = true;
}

static void examine(struct evidence_locker *l, struct entry *e, const struct viewer *v,
		    const struct found *f)
{
	free(take_ptr(e->real_path));
	e->real_path = real_name(v, f, e->path);
	e->identity = identity_of(&f->st);
	e->retry = false;
	set_stat(e, &f->st);
	e->facts.deleted = f->deleted;
	if (!S_ISREG(f->st.st_mode)) {
		unknown(&e->facts, S_ISLNK(f->st.st_mode) ? link_note : odd_note);
		e->facts.real_path = e->real_path;
	} else if (!may_read(v, f)) {
		e->facts.note = forbidden_note;
	} else {
		if (!v->alive)
			e->facts.note = ended_note;
		read_contents(l, e, f);
	}
}

/* What there is to say of a file that was not found; what was known of it stays: it is what sent.
 */
static void miss(struct evidence_locker *l, struct entry *e, int err, bool fresh)
{
	l->files += fresh;
	if (fresh)
		unknown(&e->facts, err == -ESRCH ? gone_note : unread_note);
	if (err != -ENOENT)
		return;
	if (fresh)
		e->facts.note = NULL;
	e->facts.known = e->facts.deleted = true;
}

/* Looks at the file of an entry, for the first time or again. */
static void look(struct evidence_locker *l, struct entry *e, const struct viewer *v,
		 const struct evidence_occasion *when, bool fresh)
{
	_found_ struct found f = FOUND_NONE;
	struct identity now;
	uint64_t size;
	int err = find_by_name(v, l->root, e->path, &f);

	if (err == -ENOENT && fresh) {
		found_close(&f);
		f = FOUND_NONE;
		err = find_deleted(v, e->path, &f);
	}
	if (err) {
		miss(l, e, err, fresh);
		return;
	}
	now = identity_of(&f.st);
	if (!fresh && !e->retry && !memcmp(&now, &e->identity, sizeof(now))) {
		e->facts.deleted = false; /* it was moved away and back */
		return;
	}
	index_entry(l, e, NULL); /* of what it was */
	size = S_ISREG(f.st.st_mode) ? (uint64_t)f.st.st_size : 0;
	if (!room_for(l, when->boot_ns, size < EVIDENCE_FILE_MAX ? size : EVIDENCE_FILE_MAX)) {
		free(take_ptr(e->real_path));
		unknown(&e->facts, too_many);
		e->retry = true;
		return;
	}
	l->files++;
	e->first_wall_ns = when->wall_ns;
	examine(l, e, v, &f);
}

/* ---- the cache ---- */

static int view(struct evidence_locker *l, const struct evidence_subject *s, struct viewer *out)
{
	struct viewer *v = &l->viewer[s->worker.tgid % VIEWERS];
	int err;

	if (v->alive && v->task.tgid == s->worker.tgid && v->task.start == s->worker.start &&
	    v->uid == s->uid && v->gid == s->gid) {
		*out = *v;
		return 0;
	}
	err = viewer_of(&s->worker, s->uid, s->gid, s->mntns, l->own_mntns, l->root, out);
	if (!err)
		*v = *out;
	return err;
}

static struct entry *find_entry(struct evidence_locker *l, const struct place *place,
				const char *path)
{
	char key[sizeof(*place) + 4096];
	size_t len = strlen(path);
	struct entry *e = NULL;

	memcpy(key, place, sizeof(*place));
	memcpy(key + sizeof(*place), path, len);
	HASH_FIND(hh, l->entries, key, sizeof(*place) + len, e);
	return e;
}

static void insert(struct evidence_locker *l, struct entry *e)
{
	HASH_ADD_KEYPTR(hh, l->entries, &e->place, sizeof(e->place) + strlen(e->path), e);
	l->memory += entry_memory(e);
}

/* Makes room in memory, least recently looked at first. */
static void forget_old(struct evidence_locker *l, const struct entry *newest)
{
	struct entry *e, *next;

	HASH_ITER(hh, l->entries, e, next)
	{
		if (l->memory <= EVIDENCE_CACHE || e == newest)
			return;
		HASH_DEL(l->entries, e);
		release(l, e);
	}
}

static struct entry *new_entry(const struct place *place, const char *path)
{
	size_t len = strlen(path);
	struct entry *e = calloc(1, sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	e->place = *place;
	memcpy(e->path, path, len + 1);
	return e;
}

/* The entry of a file, looked at within EVIDENCE_RECHECK. NULL: there is none, *note says why. */
static struct entry *current(struct evidence_locker *l, const struct evidence_subject *s,
			     const struct evidence_occasion *when, const char **note)
{
	struct place place = {.mntns = s->mntns, .uid = s->uid};
	struct viewer v;
	struct entry *e;
	bool fresh;

	if (view(l, s, &v)) {
		*note = gone_note;
		return NULL;
	}
	place.dev = v.root_dev;
	place.ino = v.root_ino;
	e = find_entry(l, &place, s->path);
	fresh = !e;
	if (e && when->boot_ns < e->checked + EVIDENCE_RECHECK)
		return e;
	if (fresh) {
		if (!room_for(l, when->boot_ns, 0)) {
			*note = too_many;
			return NULL;
		}
		e = new_entry(&place, s->path);
		if (!e)
			return NULL;
	} else {
		HASH_DEL(l->entries, e); /* the most recent is the last */
		l->memory -= entry_memory(e);
	}
	look(l, e, &v, when, fresh);
	e->checked = when->boot_ns;
	insert(l, e);
	forget_old(l, e);
	return e;
}

void evidence_look(struct evidence_locker *l, const struct evidence_subject *subject,
		   const struct evidence_occasion *when, struct file_facts *facts)
{
	const char *note = NULL;
	struct entry *e = NULL;

	if (subject->path && subject->path[0] == '/' && strlen(subject->path) < 4096)
		e = current(l, subject, when, &note);
	if (!e) {
		unknown(facts, note);
		return;
	}
	*facts = e->facts;
	if (when->last)
		index_entry(l, e, when->queue_id);
}
