// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections to mail ports. inet_sock_set_state fires in connect() itself, with the caller as
 * current, before a source port is chosen; the port is known when the connection is established, in
 * whatever context that happens, so the socket carries what was learned. Costs nobody anything but
 * one branch per TCP state change.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "php.bpf.h"

#define TCP_SYN_SENT 2
#define TCP_CLOSE    7

static __always_inline bool mail_port(__u16 port)
{
	return port == 25 || port == 465 || port == 587 || port == 2525;
}

static __always_inline bool to_loopback(struct sock *sk, __u16 family)
{
	__u8 addr[16] = {};

	if (family == AF_INET)
		return (BPF_CORE_READ(sk, __sk_common.skc_daddr) & 0xff) == 127;
	BPF_CORE_READ_INTO(&addr, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	return !addr[0] && addr[15] == 1;
}

static __always_inline void send_connect(struct sock *sk, __u64 sock, const struct sock_state *s,
					 __u8 state)
{
	struct st_connect *c = reserve(sizeof(*c), ST_LOST_RING_CONNECT);

	if (!c)
		return;
	__builtin_memset(c, 0, sizeof(*c));
	fill_header(&c->h, ST_CONNECT, sizeof(*c), &s->task);
	c->origin = s->origin;
	c->injection = s->injection;
	c->sock = sock;
	c->uid = s->uid;
	c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	c->sport = BPF_CORE_READ(sk, __sk_common.skc_num);
	c->dport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	c->state = state;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		__u32 a = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		__u32 b = BPF_CORE_READ(sk, __sk_common.skc_daddr);

		c->family = 4;
		__builtin_memcpy(c->saddr, &a, sizeof(a));
		__builtin_memcpy(c->daddr, &b, sizeof(b));
	} else {
		c->family = 6;
		BPF_CORE_READ_INTO(&c->saddr, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&c->daddr, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	}
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_sock_state, struct sock *sk, int oldstate, int newstate)
{
	struct sock_state *found, state = {};
	struct task_state *carried;
	struct st_program *program;
	struct task_struct *task;
	__u64 sock = (__u64)sk;
	struct st_inode exe;
	__u16 family;

	if (newstate != TCP_SYN_SENT) {
		found = bpf_map_lookup_elem(&socks, &sock);
		if (!found)
			return 0;
		if (newstate == TCP_ESTABLISHED || newstate == TCP_CLOSE) {
			state = *found;
			if (newstate == TCP_CLOSE)
				bpf_map_delete_elem(&socks, &sock);
			send_connect(sk, sock, &state, (__u8)newstate);
		}
		return 0;
	}
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) ||
	    !mail_port(bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))))
		return 0;
	task = current_task();
	exe_id(task, &exe);
	program = bpf_map_lookup_elem(&programs, &exe);
	task_key(task, &state.task);
	carried = bpf_map_lookup_elem(&tasks, &state.task);
	if (carried) {
		state.origin = carried->origin;
		state.injection = carried->injection;
	}
	if (program && (program->role == ST_ROLE_PHP || program->role == ST_ROLE_HTTPD)) {
		struct st_task none = {};
		bool weak;
		__u64 id = php_snapshot(task, program, &exe, &state.task, &none, state.origin,
					carried && carried->forked, ST_BY_CONNECT, ROOM_CONNECT,
					&weak);

		if (id)
			state.origin = id;
	}
	/*
	 * An MTA's own deliveries go to these ports too. Of its programs only an injector that
	 * hands its message to the local daemon (Sendmail) is reported; of others, what a script
	 * started.
	 */
	if (program && (program->role == ST_ROLE_MTA || program->role == ST_ROLE_INJECTOR ||
			program->role == ST_ROLE_SMTPD)) {
		if (program->role != ST_ROLE_INJECTOR || !state.injection ||
		    !to_loopback(sk, family))
			return 0;
	} else if (!state.origin) {
		return 0;
	}
	state.uid = (__u32)bpf_get_current_uid_gid();
	if (bpf_map_update_elem(&socks, &sock, &state, BPF_ANY)) {
		count_lost(ST_LOST_SOCK_MAP);
		return 0;
	}
	send_connect(sk, sock, &state, TCP_SYN_SENT);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
