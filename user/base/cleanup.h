/* SPDX-License-Identifier: GPL-2.0-only */
/* Cleanup attributes: what a function acquires it releases on every way out. */
#ifndef ST_CLEANUP_H
#define ST_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void st_freep(void *p)
{
	free(*(void **)p);
}

static inline void st_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void st_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void st_closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _free_     __attribute__((cleanup(st_freep)))
#define _close_    __attribute__((cleanup(st_closep)))
#define _fclose_   __attribute__((cleanup(st_fclosep)))
#define _closedir_ __attribute__((cleanup(st_closedirp)))

#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *pp_ = &(p);                                                         \
		__typeof__(p) v_ = *pp_;                                                           \
		*pp_ = NULL;                                                                       \
		v_;                                                                                \
	})

#define take_fd(fd)                                                                                \
	({                                                                                         \
		int *pfd_ = &(fd);                                                                 \
		int v_ = *pfd_;                                                                    \
		*pfd_ = -1;                                                                        \
		v_;                                                                                \
	})

#define array_size(a) (sizeof(a) / sizeof((a)[0]))

#endif
