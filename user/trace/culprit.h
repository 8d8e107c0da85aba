/* SPDX-License-Identifier: GPL-2.0-only */
/* The frame to blame: the innermost one outside known mail libraries, with eval()'d code unwrapped
 * to the file that holds it. Pure. */
#ifndef ST_CULPRIT_H
#define ST_CULPRIT_H

#include "trace/event.h"

/* Index of the frame to blame, or -1 when none has a file. `library` is true when every frame is a
 * mail library's: the outermost is given then. */
int culprit_find(const struct frame *frames, size_t count, bool *library);

/*
 * Is this a frame of a mail library (PHPMailer, wp_mail(), SwiftMailer, Symfony Mailer, Laminas,
 * PEAR Mail ...)? `function` is "Class::method" or a function's name; code at the top of a file
 * (NULL) never is: libraries send from their methods.
 */
bool culprit_is_library(const char *file, const char *function);

/*
 * "/a/b.php(12) : eval()'d code" becomes "/a/b.php" and line 12, nested ones down to the file; also
 * "runtime-created function". Returns whether it was such a name. Works in place.
 */
bool culprit_unwrap_eval(char *file, uint32_t *line);

#endif
