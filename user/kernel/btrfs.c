// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/btrfs.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* The offset in bytes of a member that is no bit field, or -ENOENT. */
static int64_t offset_of(const struct btf *btf, const char *type, const char *member)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_member *m = t ? btf_members(t) : NULL;

	for (__u32 i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, m[i].name_off), member) &&
		    !btf_member_bitfield_size(t, i) && btf_member_bit_offset(t, i) % 8 == 0)
			return btf_member_bit_offset(t, i) / 8;
	return -ENOENT;
}

static struct st_btrfs layout_in(const struct btf *btf)
{
	int64_t root = offset_of(btf, "btrfs_inode", "root");
	int64_t inode = offset_of(btf, "btrfs_inode", "vfs_inode");
	int64_t anon_dev = offset_of(btf, "btrfs_root", "anon_dev");

	if (root < 0 || inode < 0 || anon_dev < 0)
		return (struct st_btrfs){0};
	return (struct st_btrfs){.root = root - inode, .anon_dev = anon_dev, .known = 1};
}

struct st_btrfs btrfs_layout(struct btf *vmlinux)
{
	struct st_btrfs found = layout_in(vmlinux);
	struct btf *module;

	if (found.known)
		return found;
	module = btf__load_module_btf("btrfs", vmlinux);
	if (module)
		found = layout_in(module);
	btf__free(module);
	return found;
}
