/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vhost's name: the ServerName of the vhost that the server chose, found from where the script
 * ran.
 *
 * Pure logic. Somebody else (user/web) reads the running servers' configuration and the panels'
 * files and fills the table; this file answers "whose directory is this" and says what the answer
 * rests on. It knows no file system: symbolic links are known only as the second form of a
 * directory that the reader adds.
 */
#ifndef ST_TRACE_VHOST_H
#define ST_TRACE_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/event.h"

/* A DNS name and its NUL; longer names are refused, never cut. */
#define VHOST_NAME_SIZE 256

enum vhost_software {
	VHOST_APACHE, /* the first vhost of an address whose ServerName or ServerAlias matches wins
		       */
	VHOST_NGINX,  /* exact names, then *.x, then x.*, then regular expressions */
	VHOST_PANEL,  /* a hosting panel's own files: evidence is the layout, never exact */
};

enum vhost_dir_kind {
	VHOST_DIR_DOCROOT, /* DocumentRoot, nginx root */
	VHOST_DIR_ALIAS,   /* Alias, ScriptAlias, nginx alias */
	VHOST_DIR_USERDIR, /* "/home/" "*" "/public_html" (the star is the user) or "~/public_html"
			    */
	VHOST_DIR_VIRTUAL, /* VirtualDocumentRoot: %0, %2, %-2, %1.1 ... of mod_vhost_alias */
	VHOST_DIR_NGINX,   /* nginx root with variables: "/srv/$host/web" */
};

struct vhost_listen {
	const char *address; /* "*:80", "192.0.2.1:443": compared as text only */
	bool is_default;     /* nginx default_server; Apache's is the first one */
};

struct vhost_spec {
	enum vhost_software software;
	unsigned server; /* number of the running server: its vhosts compete for a Host header */
	uint32_t mntns;  /* inode of that server's mount namespace; 0: unknown */
	const char
		*name;  /* ServerName without scheme and port; NULL: the configuration gives none */
	bool guessed;   /* the name is the machine's, for want of a ServerName */
	bool canonical; /* UseCanonicalName On: VirtualDocumentRoot is filled with the ServerName */
	const char *const *aliases; /* ServerAlias, all names of server_name; *, ?, .x and ~regex */
	size_t alias_count;
	const struct vhost_listen *listens; /* none: any address */
	size_t listen_count;
};

/* Owns a dir on behalf of every vhost of the server. */
#define VHOST_EVERY (-1)

struct vhost_table;

/* NULL when there is no memory. The table copies what it is given. */
struct vhost_table *vhost_table_new(void);
void vhost_table_free(struct vhost_table *t);
static inline void vhost_table_freep(struct vhost_table **t)
{
	vhost_table_free(*t);
}

/*
 * Adds a vhost; the order of calls is the order in the configuration. Returns its number (0
 * upwards), -ENOMEM, or -ENAMETOOLONG for a name that is no DNS name by its length.
 */
int vhost_table_add(struct vhost_table *t, const struct vhost_spec *spec);

/*
 * Says that `path` (absolute; or a pattern, see the kinds) belongs to `vhost`, or to all of
 * `server` with VHOST_EVERY. Call it twice for a directory behind a symbolic link. 0, -EINVAL (not
 * absolute, unknown vhost), -ENOMEM.
 */
int vhost_table_add_dir(struct vhost_table *t, int vhost, unsigned server, enum vhost_dir_kind kind,
			const char *path);

/* The uid that the document root of a vhost belongs to; of several the first counts. */
void vhost_table_set_owner(struct vhost_table *t, int vhost, uint32_t uid);

/* A user's home directory, for "~/..." in VHOST_DIR_USERDIR. 0, -EINVAL or -ENOMEM. */
int vhost_table_add_home(struct vhost_table *t, const char *user, const char *home);

/* Which panels' layouts may be believed on this machine; none by default. A mask of 1 << enum
 * vhost_panel. */
enum vhost_panel {
	VHOST_PLESK,
	VHOST_CPANEL,
	VHOST_DIRECTADMIN,
	VHOST_ISPCONFIG,
	VHOST_VIRTUALMIN,
	VHOST_PANEL_COUNT
};
void vhost_table_use_layouts(struct vhost_table *t, uint32_t panels);

/* How many vhosts there are; for tests and doctor. */
size_t vhost_table_count(const struct vhost_table *t);

/* All optional: NULL, "" and 0 mean unknown. */
struct vhost_query {
	const char *docroot;     /* DOCUMENT_ROOT as the server sent it */
	const char *script;      /* the primary script: absolute path, after any FPM prefix */
	const char *host_script; /* the same file by the host's name, where that is another */
	const char *host_header; /* what the client claimed; may hold a port */
	const char *server_name_from_memory; /* server_rec.server_hostname (mod_php) */
	const char *chroot;  /* of the worker, "/srv/jail": docroot and script may be inside */
	const char *culprit; /* the file to blame, where it is another than the script */
	uint32_t uid;        /* of the worker */
	uint16_t port;       /* SERVER_PORT */
	uint32_t mntns;      /* of the worker */
};

struct vhost_answer {
	char name[VHOST_NAME_SIZE]; /* never empty */
	enum evidence evidence;     /* SERVER_MEMORY, SERVER_CONFIG, LAYOUT or HOST_HEADER */
	bool exact;
	const char *reason; /* why not exact, static text; NULL when exact */
	char user[64];      /* mod_userdir: whose /~user/ it is; "" otherwise */
};

/* 0; -ENOENT when nothing names a vhost; -ENOMEM. `t` may be NULL: then only memory and the Host
 * header count. */
int vhost_resolve(const struct vhost_table *t, const struct vhost_query *q,
		  struct vhost_answer *out);

#endif
