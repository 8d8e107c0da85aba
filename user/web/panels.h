/* SPDX-License-Identifier: GPL-2.0-only */
/* What hosting panels write down about domains and directories, for when no running server's
 * configuration tells. */
#ifndef ST_WEB_PANELS_H
#define ST_WEB_PANELS_H

#include <stdint.h>

#include "trace/vhost.h"
#include "web/rootfs.h"

/* Numbers of "servers" that stand for panels begin here; real servers count from 0. */
#define PANEL_SERVER 1000000U

/* Panels that are installed below this root: 1 << enum vhost_panel. */
uint32_t panels_find(struct rootfs *fs);

/*
 * Adds the domains that the panels' files name and allows their layouts. Returns how many were
 * added, or -ENOMEM. Files that cannot be read are logged (debug) and left out.
 */
int panels_read(struct rootfs *fs, struct vhost_table *table);

#endif
