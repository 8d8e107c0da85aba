// SPDX-License-Identifier: GPL-2.0-only
/* The web servers that run here: will a message's vhost have a name? */
#include "doctor/doctor.h"

#include <string.h>
#include <unistd.h>

#include "web/servers.h"

#define AREA "web"

void doctor_servers(struct doctor *d)
{
	__attribute__((cleanup(servers_freep))) struct servers *s = servers_new("/proc");
	__attribute__((cleanup(vhost_table_freep))) struct vhost_table *table = NULL;

	if (!s || servers_read(s, &table) != 0) {
		d->no_memory = true;
		return;
	}
	for (size_t i = 0; i < servers_count(s); i++) {
		struct server_info info;

		servers_info(s, i, &info);
		if (info.vhosts < 0)
			doctor_say(d, DOCTOR_WARNING, AREA, "vhosts",
				   geteuid() ? "run as root" : NULL, NULL,
				   "%s (pid %d), %s: %s: its vhosts are told by document root only",
				   info.exe, (int)info.pid, info.config, strerror(-info.vhosts));
		else
			doctor_say(d, DOCTOR_OK, AREA, "vhosts", NULL, NULL,
				   "%s (pid %d): %d vhosts read from %s", info.exe, (int)info.pid,
				   info.vhosts, info.config);
	}
	if (!servers_count(s))
		doctor_say(d, DOCTOR_OK, AREA, "vhosts", NULL, NULL, "no web server runs");
}
