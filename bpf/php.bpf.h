/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a PHP worker is doing right now: request, script, stack, read from its own memory while it
 * is `current`. Knows offsets only from the worker's struct st_php_image; trusts request data only
 * while EG(current_execute_data) is set, because a mod_php worker that forks between requests has
 * dangling pointers there. Reads cannot fault pages in: a failed one leaves its string empty and
 * sets ST_O_FAULT.
 */
#ifndef PHP_BPF_H
#define PHP_BPF_H

#include "task.bpf.h"

#define ORIGIN_MASK 4095 /* of all that is sent from a room */
#define STR_LONG    512
#define STR_SHORT   128

/*
 * o.h.size is the cursor into data[] until the record is sent, and frame numbers live in the record
 * too: the verifier does not follow values through this memory, which is what keeps its work
 * linear.
 */
struct origin_record {
	struct st_origin o;
	char data[ORIGIN_MASK + 1 + STR_LONG];
	struct st_str last; /* file name of the frame before */
};

#define user_str(r, max, src, s)                                                                   \
	APPEND_STR(bpf_probe_read_user_str, (r)->data, &(r)->o.h.size, ORIGIN_MASK, max, src, s)

static __always_inline __u64 user_ptr(__u64 addr)
{
	__u64 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (const void *)addr);
	return v;
}

static __always_inline void user_str_at(struct origin_record *r, __u64 src, struct st_str *s)
{
	if (src && !user_str(r, STR_LONG, src, s))
		r->o.flags |= ST_O_FAULT;
}

static __always_inline __u8 php_sapi(const struct st_php_image *img, __u64 base)
{
	char name[16] = {};
	__u64 word;

	bpf_probe_read_user_str(name, sizeof(name),
				(const void *)user_ptr(base + img->sapi_module));
	__builtin_memcpy(&word, name, sizeof(word));
	switch (word) {
	case 0x6832656863617061ULL: /* "apache2h" */
		return ST_SAPI_APACHE2HANDLER;
	case 0x696763662d6d7066ULL: /* "fpm-fcgi" */
		return ST_SAPI_FPM;
	case 0x696763662d696763ULL: /* "cgi-fcgi" */
		return ST_SAPI_CGI;
	case 0x0000000000696c63ULL: /* "cli" */
		return ST_SAPI_CLI;
	}
	return name[0] >= 'a' && name[0] <= 'z' ? ST_SAPI_OTHER : ST_SAPI_NONE;
}

/*
 * One frame into r->o.frame[n]. Branch-free where it can be: failed reads leave zeros, which keeps
 * the verifier's work linear. A file name that is the same zend_string as the last frame's is not
 * read again.
 */
static __always_inline void php_frame(struct origin_record *r, const struct st_php_layout *l,
				      __u64 ex, __u64 func, __u64 *last_file)
{
	struct st_frame *f = &r->o.frame[r->o.frames & (ST_MAX_FRAMES - 1)];
	__u64 name = user_ptr(func + l->fn_name), scope = user_ptr(func + l->fn_scope);
	__u8 type = 0;

	bpf_probe_read_user(&type, sizeof(type), (const void *)(func + l->fn_type));
	f->type = type;
	f->line = 0;
	f->pad[0] = f->pad[1] = f->pad[2] = 0;
	f->file = f->function = f->scope = (struct st_str){};
	if (type == ST_FRAME_USER || type == ST_FRAME_EVAL) {
		__u64 file = user_ptr(func + l->fn_filename);

		bpf_probe_read_user(&f->line, sizeof(f->line),
				    (const void *)(user_ptr(ex + l->ex_opline) + l->op_lineno));
		if (file != *last_file && file) {
			if (!user_str(r, STR_LONG, file + l->str_val, &r->last))
				r->o.flags |= ST_O_FAULT;
			*last_file = file;
		}
		f->file = r->last;
	}
	if (name)
		user_str(r, STR_SHORT, name + l->str_val, &f->function);
	if (scope)
		user_str(r, STR_SHORT, user_ptr(scope + l->ce_name) + l->str_val, &f->scope);
}

static __always_inline void php_stack(struct origin_record *r, const struct st_php_layout *l,
				      __u64 ex)
{
	__u64 last_file = 0;

	r->last = (struct st_str){};
	for (int i = 0; i < ST_MAX_FRAMES + 4; i++) {
		__u64 func;

		if (!ex || r->o.frames >= ST_MAX_FRAMES)
			break;
		func = user_ptr(ex + l->ex_func);
		if (func) {
			php_frame(r, l, ex, func, &last_file);
			r->o.frames++;
		}
		ex = user_ptr(ex + l->ex_prev);
	}
	if (ex)
		r->o.flags |= ST_O_STACK_CUT;
}

#define FCGI_CHAIN 6

/* Value of a FastCGI variable: the hash is cheap to collide, so the whole name is compared. */
static __always_inline __u64 fcgi_value(struct origin_record *r, const struct st_php_layout *l,
					__u64 request, __u32 which)
{
	__u32 hash = fcgi_hash[which], len = fcgi_len[which];
	__u64 bucket = user_ptr(request + l->fcgi_table + (__u64)(hash & 127) * 8);
	__u64 value = 0;

	for (int i = 0; i < FCGI_CHAIN; i++) {
		__u64 word[2] = {};
		__u32 n = 0;

		if (!bucket || value)
			break;
		bpf_probe_read_user(&n, sizeof(n), (const void *)(bucket + l->fcgi_var_len));
		if (n == len) {
			bpf_probe_read_user(word, len & 15,
					    (const void *)user_ptr(bucket + l->fcgi_var));
			if (word[0] == fcgi_word[which * 2] && word[1] == fcgi_word[which * 2 + 1])
				value = user_ptr(bucket + l->fcgi_val);
		}
		bucket = user_ptr(bucket + l->fcgi_next);
	}
	if (!value && bucket)
		r->o.flags |= ST_O_ENV_CUT;
	return value;
}

static __always_inline void php_fcgi(struct origin_record *r, const struct st_php_layout *l,
				     __u64 request)
{
	r->o.flags |= ST_O_FCGI;
	if (!r->o.script.len) {
		user_str_at(r, fcgi_value(r, l, request, FCGI_SCRIPT), &r->o.script);
		if (r->o.script.len)
			r->o.flags |= ST_O_SCRIPT_ENV;
	}
	user_str_at(r, fcgi_value(r, l, request, FCGI_DOCROOT), &r->o.docroot);
	user_str_at(r, fcgi_value(r, l, request, FCGI_CLIENT), &r->o.client);
	user_str_at(r, fcgi_value(r, l, request, FCGI_URI), &r->o.uri);
	user_str_at(r, fcgi_value(r, l, request, FCGI_HOST), &r->o.host);
}

static __always_inline void php_apache(struct origin_record *r, const struct st_php_layout *l,
				       __u64 context)
{
	__u64 req = user_ptr(context + l->apache_request);
	__u64 server = user_ptr(req + l->req_server);

	if (!req)
		return;
	user_str_at(r, user_ptr(server + l->srv_hostname), &r->o.server_name);
	user_str_at(r, user_ptr(req + l->req_useragent_ip), &r->o.client);
	user_str_at(r, user_ptr(req + l->req_filename), &r->o.filename);
	user_str_at(r, user_ptr(req + l->req_unparsed_uri), &r->o.uri);
	user_str_at(r, user_ptr(req + l->req_hostname), &r->o.host);
}

static __always_inline void php_request(struct origin_record *r, const struct st_php_image *img,
					__u64 base, __u64 eg)
{
	const struct st_php_layout *l = &img->layout;
	__u64 sg = base + img->sapi_globals;
	__u64 context = user_ptr(sg + l->sg_server_context);
	__u64 included = eg + l->eg_included_files;
	__u32 used = 0;

	/* without a server context request_info of mod_php dangles */
	if (context || r->o.sapi != ST_SAPI_APACHE2HANDLER) {
		user_str_at(r, user_ptr(sg + l->sg_path_translated), &r->o.script);
		if (r->o.script.len)
			r->o.flags |= ST_O_SCRIPT_SG;
	}
	bpf_probe_read_user(&used, sizeof(used), (const void *)(included + l->ht_used));
	if (used) {
		__u64 key = user_ptr(user_ptr(included + l->ht_data) + l->bucket_key);

		if (key)
			user_str_at(r, key + l->str_val, &r->o.included);
	}
	user_str_at(r, user_ptr(sg + l->sg_method), &r->o.method);
	if (r->o.sapi == ST_SAPI_APACHE2HANDLER && context)
		php_apache(r, l, context);
	else if ((r->o.sapi == ST_SAPI_FPM || r->o.sapi == ST_SAPI_CGI) && context > 1)
		php_fcgi(r, l, context);
	else
		user_str_at(r, user_ptr(sg + l->sg_uri), &r->o.uri);
}

/* The PHP build that runs in `task` and where it is loaded; 0 or -1. `known` is false for a web
 * server not seen yet. */
static __always_inline int php_find(struct task_struct *task, const struct st_program *program,
				    const struct st_inode *exe, const struct st_php_image **img,
				    __u64 *base, __u32 *image, bool *known)
{
	__u32 id = program->image;

	*known = true;
	if (program->role == ST_ROLE_HTTPD) {
		struct st_base_key key = {.exe = *exe, .start_code = READ(task, mm, start_code)};
		struct st_base *b = bpf_map_lookup_elem(&php_bases, &key);

		*known = b;
		if (!b || !b->base)
			return -1;
		*base = b->base;
		id = b->image;
		*img = bpf_map_lookup_elem(&php_images, &id);
	} else {
		*img = bpf_map_lookup_elem(&php_images, &id);
		if (*img)
			*base = READ(task, mm, start_code) - (*img)->text_vaddr;
	}
	*image = id;
	return *img && (*img)->usable ? 0 : -1;
}

/*
 * Is something else loaded there? A server may have loaded another build in the place of the one
 * that is known, and an inode may be another file's now. A page that is not mapped proves nothing.
 */
static __always_inline bool is_another(const struct st_php_image *img, __u64 base)
{
	__u64 id = 0;

	return img->build_id_at &&
	       !bpf_probe_read_user(&id, sizeof(id), (const void *)(base + img->build_id_at)) &&
	       id != img->build_id;
}

/* User space is to look at the program of `task`, which is current, and at the engine in it. */
static __always_inline bool ask_about(struct task_struct *task, const struct st_inode *exe,
				      const struct st_task *self)
{
	struct st_image *i = reserve(sizeof(*i), ST_LOST_RING_LINEAGE);

	if (!i)
		return false;
	fill_header(&i->h, ST_IMAGE, sizeof(*i), self);
	i->exe = *exe;
	i->start_code = READ(task, mm, start_code);
	bpf_ringbuf_submit(i, BPF_RB_FORCE_WAKEUP);
	return true;
}

static __always_inline bool has_own_root(struct task_struct *task)
{
	struct fs_struct *fs = READ(task, fs);
	struct mount *mnt = mount_of(READ(fs, root.mnt));
	struct st_inode id;

	if (!own_root_mount || (__u32)BPF_CORE_READ(mnt, mnt_id) != own_root_mount)
		return false;
	inode_id(READ(fs, root.dentry, d_inode), &id);
	return id.ino == own_root.ino && id.dev == own_root.dev && id.subvol == own_root.subvol;
}

static __always_inline void fill_origin(struct st_origin *o, struct task_struct *task,
					const struct st_inode *exe, __u64 carried, __u32 image,
					__u8 why)
{
	__u64 uids = bpf_get_current_uid_gid();

	__builtin_memset(o, 0, offsetof(struct st_origin, frame));
	o->id = new_id();
	o->parent = carried;
	o->exe = *exe;
	o->uid = (__u32)uids;
	o->gid = (__u32)(uids >> 32);
	o->euid = euid_of(task);
	o->mntns = READ(task, nsproxy, mnt_ns, ns.inum);
	o->image = image;
	o->flags = has_own_root(task) ? ST_O_OWN_ROOT : 0;
	o->why = why;
}

/* o->h.size is the length of what stands behind it. */
static __always_inline void send_origin(struct st_origin *o, const struct st_task *self,
					__u64 wakeup)
{
	__u32 n = o->h.size;

	barrier_var(n);
	n &= ORIGIN_MASK;
	fill_header(&o->h, ST_ORIGIN, (__u32)sizeof(*o) + n, self);
	send(o, sizeof(*o) + n, wakeup, ST_LOST_RING_ORIGIN);
}

#define SMALL_MASK 2047

/* An origin without request and stack. */
struct small_record {
	struct st_origin o;
	char data[SMALL_MASK + 1 + RUNNING_PATH];
};

static __always_inline __u64 send_small(struct small_record *r, struct task_struct *task,
					const struct st_task *self)
{
	__u64 id = r->o.id;

	append_path(task, r->data, &r->o.h.size, SMALL_MASK, &r->o.cwd);
	send_origin(&r->o, self, BPF_RB_NO_WAKEUP);
	return id;
}

/*
 * What can be said of an engine whose memory is not trusted: the script that php_execute_script()
 * was called with (bpf/engine.bpf.c), else one that was opened, and the directory. A web server
 * whose calls are seen and that is in none serves no PHP now.
 */
static __always_inline __u64 unreadable_snapshot(
	struct task_struct *task, const struct st_program *program, const struct st_php_image *img,
	__u64 base, __u32 image, const struct st_inode *exe, const struct st_task *self,
	const struct st_task *child, __u64 carried, __u8 why, enum room room, bool *weak)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct running_script *s = bpf_map_lookup_elem(&running, &thread);
	struct small_record *r;

	if (s && s->opened == OPENED_ONLY)
		s = NULL;
	*weak = !s || s->opened; /* perhaps it serves no PHP request, but starts a CGI program */
	if (!s && img->called && program->role == ST_ROLE_HTTPD)
		return 0;
	r = enter_room(room);
	if (!r)
		return 0;
	fill_origin(&r->o, task, exe, carried, image, why);
	r->o.child = *child;
	r->o.flags |= ST_O_UNREADABLE;
	if (img->sapi_module)
		r->o.sapi = php_sapi(img, base);
	if (s) {
		r->o.flags |= s->opened ? ST_O_SCRIPT_OPEN : ST_O_SCRIPT_CALL;
		APPEND_STR(bpf_probe_read_kernel_str, r->data, &r->o.h.size, SMALL_MASK,
			   RUNNING_PATH, s->path, &r->o.script);
	}
	return send_small(r, task, self);
}

/*
 * Takes the snapshot of `task`, which is current, and sends it. Returns the origin's id, also when
 * the ring was full (counted): it is carried all the same, so that nobody takes the child for a
 * plain user's, and user space finds no record of that number. 0 if the worker
 * serves no request now. `forked`: it is a copy of a worker, whose origin it carries. *weak: it may
 * serve no request at all.
 */
static __always_inline __u64 php_snapshot(struct task_struct *task,
					  const struct st_program *program,
					  const struct st_inode *exe, const struct st_task *self,
					  const struct st_task *child, __u64 carried, bool forked,
					  __u8 why, enum room room, bool *weak)
{
	const struct st_php_image *img = NULL;
	struct origin_record *r;
	__u32 image = 0;
	__u64 base = 0, eg, ex = 0, id;
	bool known;

	*weak = false;

	if (php_find(task, program, exe, &img, &base, &image, &known)) {
		if (!known)
			ask_about(task, exe, self);
		if (!img)
			return 0;
		return unreadable_snapshot(task, program, img, base, image, exe, self, child,
					   carried, why, room, weak);
	}
	eg = base + img->executor_globals;
	if (is_another(img, base) ||
	    bpf_probe_read_user(&ex, sizeof(ex),
				(const void *)(eg + img->layout.eg_current_execute_data))) {
		ask_about(task, exe, self);
		return 0;
	}
	if (!ex)
		return 0;
	id = new_id();
	r = enter_room(room);
	if (!r)
		return 0;
	fill_origin(&r->o, task, exe, carried, image, why);
	r->o.id = id;
	r->o.child = *child;
	r->o.flags |= ST_O_REQUEST;
	r->o.sapi = php_sapi(img, base);
	/* pages of files are not mapped in a fresh copy of a worker: its name is that of the worker
	 * it was forked from */
	if (r->o.sapi == ST_SAPI_NONE)
		r->o.flags |= ST_O_FAULT;
	if (r->o.sapi != ST_SAPI_NONE || forked) {
		php_request(r, img, base, eg);
		php_stack(r, &img->layout, ex);
	}
	append_path(task, r->data, &r->o.h.size, ORIGIN_MASK, &r->o.cwd);
	/*
	 * The adaptive wake-up of the ring works only if every record uses it, so each says which:
	 * of a plain CGI the request is in an environment that is gone when the process is.
	 */
	send_origin(&r->o, self,
		    r->o.sapi == ST_SAPI_CGI && !(r->o.flags & ST_O_FCGI) ? BPF_RB_FORCE_WAKEUP
									  : BPF_RB_NO_WAKEUP);
	return id;
}

#endif
