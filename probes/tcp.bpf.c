/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * inet_sock_set_state: who connects over loopback to a port that an engine or a relay listens on. The
 * connect begins in the caller's context; that it was let in may be seen in any, so the caller's task
 * is kept from the first to the second.
 */
#if defined(OFF_sock_net) && defined(OFF_sock_dport)
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define STATE_ESTABLISHED 1
#define STATE_SYN_SENT 2
#define LOOPBACK_NET 127

static __always_inline u32 destination_port(u64 socket)
{
	u32 port = read_u32(socket, OFF_sock_dport) & 0xffff;

	return (port & 0xff) << 8 | port >> 8;
}

/* The kernel gives a connect to one of its own addresses that address as its source. */
static __always_inline bool is_local(u64 socket, u32 family)
{
	u32 to = read_u32(socket, OFF_sock_daddr);
#ifdef OFF_sock_v6_daddr
	u64 words[4] = {};

	if (family == FAMILY_INET6) {
		bpf_probe_read_kernel(&words[0], 16, (void *)(socket + OFF_sock_v6_daddr));
		bpf_probe_read_kernel(&words[2], 16, (void *)(socket + OFF_sock_v6_rcv_saddr));
		return words[0] == words[2] && words[1] == words[3];
	}
#endif
	return (to & 0xff) == LOOPBACK_NET || to == read_u32(socket, OFF_sock_rcv_saddr);
}

int on_tcp_state(struct bpf_raw_tracepoint_args *ctx)
{
	u64 socket = ctx->args[0];
	u32 before = ctx->args[1];
	u32 after = ctx->args[2];
	struct tcp_connecting made = {};
	struct tcp_connecting *begun;
	struct listening_port place = {};
	struct scratch *scratch;
	u64 origin;
	u32 family;

	if (after == STATE_SYN_SENT) {
		place.port = destination_port(socket);
		place.net_ns = read_u32(read_pointer(socket, OFF_sock_net), OFF_net_inum);
		if (!listening_ports.lookup(&place))
			return 0;
		made.task = bpf_get_current_task();
		made.thread = bpf_get_current_pid_tgid();
		if (tcp_connecting.update(&socket, &made))
			count_failure(FAILED_CONNECTING);
		return 0;
	}
	if (before != STATE_SYN_SENT)
		return 0;
	begun = tcp_connecting.lookup(&socket);
	if (!begun)
		return 0;
	made = *begun;
	tcp_connecting.delete(&socket);
	family = read_u32(socket, OFF_sock_family) & 0xffff;
	if (after != STATE_ESTABLISHED || !is_local(socket, family) ||
	    read_u32(made.task, OFF_task_struct_tgid) != made.thread >> 32)
		return 0;
	origin = origin_of(made.task);
	if (!command_allowed(made.task, origin, RECORD_API_CONNECT))
		return 0;
	scratch = begin(RECORD_API_CONNECT);
	if (!scratch)
		return 0;
	scratch->record.flags = FLAG_TCP;
	scratch->record.connection = scratch->record.time << 8 | (scratch->record.cpu & 0xff);
	scratch->record.offset =
		(u64)destination_port(socket) << 16 | (read_u32(socket, OFF_sock_num) & 0xffff);
	fill_identity(scratch, made.task);
	if (bpf_get_current_pid_tgid() == made.thread)
		fill_argv(scratch, made.task);
	submit_commands(scratch, origin, RECORD_API_CONNECT, false);
	return 0;
}
#endif
