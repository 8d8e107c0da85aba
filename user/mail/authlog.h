/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line of a mail log: who logged in to send mail, from where, and which message that was. Pure:
 * a line goes in, a struct comes out; no file, no clock, no table. Lines are hostile (clients
 * choose HELO names, senders and user names): fields are taken where the program that wrote the
 * line puts them, never by the first text that looks like one.
 */
#ifndef ST_AUTHLOG_H
#define ST_AUTHLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum auth_kind {
	AUTH_NONE,      /* nothing about authenticated mail */
	AUTH_LOGIN,     /* a client logged in to send */
	AUTH_FAILED,    /* a client tried to */
	AUTH_MESSAGE,   /* a message of a user who is named on this line */
	AUTH_SUBMITTED, /* a message whose user is named on an earlier line: same host and queue id
			   (Postfix) or pid and client (Sendmail) */
};

enum auth_source {
	AUTH_SOURCE_NONE,
	AUTH_PLESK,    /* qmail with Plesk's smtp_auth, plesk_saslauthd */
	AUTH_VPOPMAIL, /* qmail with vchkpw */
	AUTH_POSTFIX,
	AUTH_EXIM,
	AUTH_SENDMAIL,
	AUTH_DOVECOT, /* submission-login */
};

struct auth_event {
	enum auth_kind kind;
	enum auth_source source;
	int64_t time;       /* seconds since 1970; 0: no time stamp that can be read */
	char user[256];     /* as logged, hostile bytes; "": not named */
	uint8_t client[16]; /* IPv6, or IPv4 mapped into it */
	bool has_client;
	bool authenticated; /* AUTH_SUBMITTED: the line itself says that a login came before it */
	bool cut;           /* the user's name was longer than `user`, and is cut */
	char id[32];        /* queue id, "": none */
	uint32_t pid;       /* 0: not logged */
	uint64_t host;      /* a hash of the logging host's name */
	int64_t recipients; /* -1: not logged */
	uint32_t attempts;  /* AUTH_FAILED: how many the line stands for */
};

/*
 * What a time stamp needs to become a time. Syslog's have no year and no zone: the year is the
 * latest one that does not put the line more than a day after `reference` (the file's last change);
 * the zone is this process's.
 */
struct auth_clock {
	int64_t reference;
	int year;         /* of `reference`, local */
	int64_t hour_key; /* the local hour converted last, and its time */
	int64_t hour_time;
};

void auth_clock_init(struct auth_clock *clock, int64_t reference);

/* Reads a line of `len` bytes (no newline needed, NUL bytes allowed). Always fills *out; kind
 * AUTH_NONE: nothing of interest. */
void authlog_parse(const char *line, size_t len, struct auth_clock *clock, struct auth_event *out);

/*
 * Time stamp at the start of text: "Nov 21 18:55:23", RFC 3339, or Exim's "2026-11-21 18:55:23.123
 * +0100". Stores the time and how many bytes it took (spaces after it included); returns false if
 * there is none. Also reads what --since takes.
 */
bool authlog_stamp(const char *text, size_t len, struct auth_clock *clock, int64_t *time,
		   size_t *used);

const char *auth_source_name(enum auth_source source);

#endif
