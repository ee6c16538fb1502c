/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Connections over loopback to ports that an engine or a relay listens on. inet_sock_set_state shows who
 * connects: the connect begins in the caller's context; that it was let in may be seen in any, so the
 * caller's task is kept from the first to the second. sock_send_length (Linux 6.3) ends each send, in the
 * sender's context: it shows what is asked of an engine, and how that answers.
 */
#if defined(OFF_sock_net) && defined(OFF_sock_dport) && OFF_sock_num == OFF_sock_dport + 2
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define STATE_ESTABLISHED 1
#define STATE_SYN_SENT 2
#define STATE_SYN_RECV 3
#define STATE_CLOSE 7
#define LOOPBACK_NET 127
#define MAPPED 0xffff0000U /* the third word of ::ffff:0:0, as it lies in memory */

static __always_inline u32 swapped(u32 port)
{
	return (port & 0xff) << 8 | (port >> 8 & 0xff);
}

static __always_inline u32 destination_port(u64 socket)
{
	return swapped(read_u32(socket, OFF_sock_dport));
}

/* One of version 4 becomes the one of version 6 that it is mapped to. */
static __always_inline void read_addresses(u64 socket, u32 family, struct tcp_address *there,
					   struct tcp_address *here)
{
#ifdef OFF_sock_v6_daddr
	if (family == FAMILY_INET6) {
		bpf_probe_read_kernel(there, sizeof(*there), (void *)(socket + OFF_sock_v6_daddr));
		bpf_probe_read_kernel(here, sizeof(*here),
				      (void *)(socket + OFF_sock_v6_rcv_saddr));
		return;
	}
#endif
	__builtin_memset(there, 0, sizeof(*there));
	there->words[2] = MAPPED;
	*here = *there;
	there->words[3] = read_u32(socket, OFF_sock_daddr);
	here->words[3] = read_u32(socket, OFF_sock_rcv_saddr);
}

static __always_inline bool is_mapped(struct tcp_address *address)
{
	return !address->words[0] && !address->words[1] && address->words[2] == MAPPED;
}

static __always_inline bool are_equal(struct tcp_address *one, struct tcp_address *other)
{
	return one->words[0] == other->words[0] && one->words[1] == other->words[1] &&
	       one->words[2] == other->words[2] && one->words[3] == other->words[3];
}

/* The kernel gives a connect to one of its own addresses that address as its source. */
static __always_inline bool is_local(struct tcp_address *there, struct tcp_address *here)
{
	if (is_mapped(there) && (there->words[3] & 0xff) == LOOPBACK_NET)
		return true;
	return are_equal(there, here);
}

/*
 * What listens at the port that a socket connects to, at the address that it connects to: on another
 * address of this host any other process may listen at the same port.
 */
static __always_inline u32 api_of_port(u64 socket, u32 family)
{
	struct listening_port place = {};
	struct tcp_address here;
	u32 *api;

	place.port = destination_port(socket);
	place.net_ns = read_u32(read_pointer(socket, OFF_sock_net), OFF_net_inum);
	__builtin_memset(&place.address, 0xff, sizeof(place.address));
	api = listening_ports.lookup(&place);
	/* Nearly all connects end here. */
	if (!api || *api)
		return api ? *api : 0;
	read_addresses(socket, family, &place.address, &here);
	api = listening_ports.lookup(&place);
	if (api)
		return *api;
	if (is_mapped(&place.address)) {
		place.address.words[3] = 0;
		api = listening_ports.lookup(&place);
		if (api)
			return *api;
	}
	__builtin_memset(&place.address, 0, sizeof(place.address));
	api = listening_ports.lookup(&place);
	return api ? *api : 0;
}

/* What names a connection in place of the engine's socket, which the client's side does not know. */
static __always_inline u64 pair_of(u32 engine, u32 client)
{
	return (u64)engine << 16 | client;
}

static __always_inline struct tcp_slot *tcp_slot(u32 one, u32 other)
{
	u32 slot = (one ^ other) & (TCP_SLOTS - 1);

	return tcp_connections.lookup(&slot);
}

/* Of two in one slot the one that connected last counts; a plain user's takes no privileged one's place. */
static __always_inline struct connection *follow_port(u64 socket, u32 family, u64 origin)
{
	u32 engine = destination_port(socket);
	u32 client = read_u32(socket, OFF_sock_num) & 0xffff;
	struct tcp_slot *slot = tcp_slot(engine, client);
	struct tcp_connection *made;

	if (!slot)
		return 0;
	made = origin == ORIGIN_PRIVILEGED ? &slot->connection : &slot->connection_of_others;
	made->client = 0;
	made->pair = pair_of(engine, client);
	made->net_ns = read_u32(read_pointer(socket, OFF_sock_net), OFF_net_inum);
	read_addresses(socket, family, &made->there, &made->here);
	made->client = socket;
	follow(socket, made->pair, 0, API_HTTP, origin, 0);
	return connection_of(socket, made->pair);
}

#ifdef READ_SENDERS
/* Whether a socket is the engine's end of a connection, by both its ports and both its addresses. */
static __always_inline bool is_other_end(struct tcp_connection *connection, u64 socket, u32 family)
{
	struct tcp_address there;
	struct tcp_address here;

	if (read_u32(read_pointer(socket, OFF_sock_net), OFF_net_inum) != connection->net_ns)
		return false;
	read_addresses(socket, family, &there, &here);
	return are_equal(&there, &connection->here) && are_equal(&here, &connection->there);
}

/* Whether a socket is either end of a connection. ``here`` is its own port. */
static __always_inline bool is_end(struct tcp_connection *connection, u64 socket, u32 family,
				   u32 here, u32 there)
{
	if (connection->client == socket)
		return connection->pair == pair_of(there, here);
	return connection->client && connection->pair == pair_of(here, there) &&
	       is_other_end(connection, socket, family);
}

/* The connection of a slot that a socket is an end of; 0 for none. */
static __always_inline struct tcp_connection *connection_in(struct tcp_slot *slot, u64 socket,
							    u32 family, u32 here, u32 there)
{
	if (is_end(&slot->connection, socket, family, here, there))
		return &slot->connection;
	if (is_end(&slot->connection_of_others, socket, family, here, there))
		return &slot->connection_of_others;
	return 0;
}

/*
 * The engine's end is made, after the client's: it has the user of the socket that listens. Another user
 * may listen at a port that an engine has left.
 */
static __always_inline void note_listener(u64 socket, u32 family)
{
#ifdef OFF_sock_uid
	u32 there = destination_port(socket);
	u32 here = read_u32(socket, OFF_sock_num) & 0xffff;
	struct tcp_slot *slot = tcp_slot(here, there);
	struct tcp_connection *found = slot ? connection_in(slot, socket, family, here, there) : 0;
	struct connection *connection;

	if (!found || found->client == socket)
		return;
	connection = connection_of(found->client, found->pair);
	if (connection)
		connection->listener = read_u32(socket, OFF_sock_uid);
#endif
}

/* The client's end is closed for good: half of it may be closed long before. */
static __always_inline void end_of_port(u64 socket)
{
	struct connection *connection;
	struct scratch *scratch;

	if (!may_be_followed(socket))
		return;
	connection = connections.lookup(&socket);
	if (!connection)
		connection = connections_of_others.lookup(&socket);
	if (!connection || connection->file)
		return;
	scratch = connection->is_reported ? begin(RECORD_API_CLOSE) : 0;
	if (scratch) {
		scratch->record.pid = bpf_get_current_pid_tgid() >> 32;
		scratch->record.connection = connection->id;
		submit_commands(scratch, connection->origin, RECORD_API_CLOSE, false);
	}
	connections.delete(&socket);
	connections_of_others.delete(&socket);
}
#endif

int on_tcp_state(struct bpf_raw_tracepoint_args *ctx)
{
	u64 socket = ctx->args[0];
	u32 before = ctx->args[1];
	u32 after = ctx->args[2];
	u32 family = read_u32(socket, OFF_sock_family) & 0xffff;
	struct tcp_connecting made = {};
	struct connection *connection = 0;
	struct tcp_connecting *begun;
	struct tcp_address there;
	struct tcp_address here;
	struct scratch *scratch;
	u64 origin;
	long failed;

	if (after == STATE_SYN_SENT) {
		made.api = api_of_port(socket, family);
		if (!made.api)
			return 0;
		made.task = bpf_get_current_task();
		made.thread = bpf_get_current_pid_tgid();
		if (is_privileged(read_pointer(made.task, OFF_task_struct_real_cred)))
			failed = tcp_connecting.update(&socket, &made);
		else
			failed = tcp_connecting_of_others.update(&socket, &made);
		if (failed)
			count_failure(FAILED_CONNECTING);
		return 0;
	}
#ifdef READ_SENDERS
	if (after == STATE_CLOSE)
		end_of_port(socket);
	if (before == STATE_SYN_RECV && after == STATE_ESTABLISHED)
		note_listener(socket, family);
#endif
	if (before != STATE_SYN_SENT)
		return 0;
	begun = tcp_connecting.lookup(&socket);
	if (!begun)
		begun = tcp_connecting_of_others.lookup(&socket);
	if (!begun)
		return 0;
	made = *begun;
	tcp_connecting.delete(&socket);
	tcp_connecting_of_others.delete(&socket);
	read_addresses(socket, family, &there, &here);
	if (after != STATE_ESTABLISHED || !is_local(&there, &here) ||
	    read_u32(made.task, OFF_task_struct_tgid) != made.thread >> 32)
		return 0;
	origin = origin_of(made.task);
	if (!command_allowed(made.task, origin, RECORD_API_CONNECT))
		return 0;
#ifdef READ_SENDERS
	if (made.api == API_HTTP)
		connection = follow_port(socket, family, origin);
#endif
	scratch = begin(RECORD_API_CONNECT);
	if (!scratch)
		return 0;
	scratch->record.flags = FLAG_TCP;
	scratch->record.connection =
		connection ? connection->id
			   : scratch->record.time << 8 | (scratch->record.cpu & 0xff);
	scratch->record.offset =
		(u64)destination_port(socket) << 16 | (read_u32(socket, OFF_sock_num) & 0xffff);
	fill_identity(scratch, made.task);
	if (bpf_get_current_pid_tgid() == made.thread)
		fill_argv(scratch, made.task);
	submit_commands(scratch, origin, RECORD_API_CONNECT, false);
	return 0;
}

#ifdef READ_SENDERS
/*
 * Sends of all sockets come here, and most of them end at the slot: that costs two reads and one look.
 * The bytes are the sender's own, see written.bpf.h.
 */
int on_sent(struct bpf_raw_tracepoint_args *ctx)
{
	u64 socket = ctx->args[0];
	int length = ctx->args[1];
	u32 family = read_u32(socket, OFF_sock_family) & 0xffff;
	struct connection *connection;
	struct tcp_connection *found;
	struct written *write;
	struct tcp_slot *slot;
	u32 ports;
	u32 there;
	u32 here;

	if ((family != FAMILY_INET && family != FAMILY_INET6) || length <= 0)
		return 0;
	ports = read_u32(socket, OFF_sock_dport); /* and the own one, from bit 16 on */
	there = swapped(ports);
	here = ports >> 16;
	slot = tcp_slot(here, there);
	if (!slot || !(slot->connection.client | slot->connection_of_others.client))
		return 0;
	found = connection_in(slot, socket, family, here, there);
	if (!found)
		return 0;
	write = work_on_write();
	if (!write)
		return 0;
	write->length = length;
	if (found->client == socket) {
		copy_senders(write, PAYLOAD_LEN - 1, 0, true);
		on_request(socket, found->pair, API_HTTP, write, there);
		return 0;
	}
	connection = connection_of(found->client, found->pair);
	if (!connection)
		return 0;
	/* It overtook the request, whose send has not ended yet: the engine may run on another processor. */
	if (!connection->sent && !connection->received)
		connection->answers = 1;
	copy_senders(write, most_of_answer(connection), 0, true);
	on_answer(connection, found->pair, write, here);
	return 0;
}
#endif
#endif
