// SPDX-License-Identifier: GPL-2.0-only
/* Opens a recording: a new or empty regular file of root's own. The lines are the JSON sink's. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "output/json.h"

/*
 * O_NONBLOCK: a FIFO someone put there does not hang the open, and is then refused. No O_TRUNC, no
 * O_EXCL: an empty file made beforehand (by mktemp, with a chosen owner) is welcome.
 */
static int open_recording(const char *path)
{
	_close_ int fd =
		open(path,
		     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		     0600);
	struct stat st;
	int err;

	if (fd < 0 && errno == ELOOP) {
		log_warn("cannot record into %s: it is a symbolic link; name the file itself",
			 path);
		return -ELOOP;
	}
	if (fd < 0 && (errno == ENXIO || errno == EISDIR)) {
		err = -errno;
		log_warn("cannot record into %s: not a regular file", path);
		return err;
	}
	if (fd < 0)
		return log_err(errno, "cannot record into %s", path);
	if (fstat(fd, &st))
		return log_err(errno, "cannot record into %s", path);
	if (!S_ISREG(st.st_mode)) {
		log_warn("cannot record into %s: not a regular file", path);
		return -EINVAL;
	}
	if (st.st_nlink > 1) {
		log_warn("cannot record into %s: it has a second name (hard link)", path);
		return -EMLINK;
	}
	if (st.st_size) {
		log_warn("cannot record into %s: it already holds something; give a new name, or "
			 "remove it first",
			 path);
		return -EEXIST;
	}
	if ((st.st_mode & 0077) && fchmod(fd, 0600))
		return log_err(errno, "cannot make %s readable for its owner only", path);
	return take_fd(fd);
}

int record_sink_new(const char *path, const char *host_name, bool redact, struct sink **ret)
{
	struct redactor redactor;
	_close_ int fd = open_recording(path);
	int err;

	if (fd < 0)
		return fd;
	err = redact ? redactor_init(&redactor) : 0;
	if (err)
		return log_err(err, "no random key to redact %s with", path);
	err = json_sink_create(fd, host_name, redact ? &redactor : NULL, ret);
	if (redact)
		redactor_wipe(&redactor);
	if (!err)
		(void)take_fd(fd);
	return err;
}
