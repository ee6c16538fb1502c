/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What is asked of an engine, and how it answers: by fentry where the host allows it (the kernel's
 * functions have been the same since 5.5), else by sk_data_ready (Linux 6.3).
 */
#if defined(FOLLOW_CONNECTIONS)

/* Where a side is after a write; behind one of unknown length that is unknown. */
static __always_inline u64 advanced(u64 position, u64 length)
{
	return position == UNSET_OFFSET || !length ? UNSET_OFFSET : position + length;
}

/* Append what was copied of a write. */
static __always_inline void append_payload(struct scratch *scratch, struct written *write)
{
	u32 offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
	u64 copied = write->copied & (RPC_PAYLOAD_LEN - 1);

	if (!copied) {
		count_failure(FAILED_REQUEST_READ);
		return;
	}
	if (bpf_probe_read_kernel(&scratch->tail[offset], copied, write->bytes))
		return;
	scratch->record.payload_len = copied;
	scratch->record.size += copied;
}

/* Whose the engine is that a connection leads to. Of a port's listener a socket has the user alone. */
static __always_inline void fill_server(struct record *record, u64 client,
					struct connection *connection, u32 port)
{
	if (!port) {
		fill_listener(record, client);
	} else if (connection->listener != UNSET) {
		record->status = LISTENER_KNOWN;
		record->net_ns = connection->listener;
	}
}

/* Where the engine listens: the path of a unix socket, or a ``port``. */
static __always_inline void append_place(struct scratch *scratch, u64 server, u32 port)
{
	if (!port) {
		append_listener(scratch, server);
		return;
	}
	scratch->record.flags |= FLAG_TCP;
	scratch->record.reserved = port;
}

static __always_inline void on_request(u64 client, u64 server, u32 api, struct written *write,
				       u32 port)
{
	u64 task = bpf_get_current_task();
	struct connection *connection;
	struct scratch *scratch;
	u64 position;
	u64 origin;

	/* First, with as little as possible that the verifier would have to tell apart. */
	if (api == API_HTTP) {
		resume_search(write, client, server);
		search(write);
	} else {
		write->scan = SCAN_METHOD;
		write->wanted = is_short_or_headers(write);
	}
	from_memory();
	origin = origin_of(task);
	/* What an engine asks of another one, and never of Docker, was asked of it by another. */
	if (api == API_RPC && is_part_of_engine(task, origin))
		return;
	if (!connection_of(client, server))
		follow(client, server, port ? 0 : file_of(server), api, origin, UNSET_OFFSET);
	connection = connection_of(client, server);
	if (!connection)
		return;
	mark_followed(client, connection->origin);
	position = connection->sent;
	connection->sent = advanced(position, write->length);
	if (!is_wanted(write, connection))
		return;
	if (!command_allowed(task, origin, RECORD_API_REQUEST))
		return;
	scratch = begin(RECORD_API_REQUEST);
	if (!scratch)
		return;
	connection->is_reported = 1;
	scratch->record.connection = connection->id;
	scratch->record.offset = position;
	scratch->record.sent = write->length;
	fill_identity(scratch, task);
	fill_server(&scratch->record, client, connection, port);
	append_place(scratch, server, port);
	append_payload(scratch, write);
	fill_argv(scratch, task);
	submit_commands(scratch, origin, RECORD_API_REQUEST, false);
}

static __always_inline void on_answer(struct connection *connection, u64 server,
				      struct written *write, u32 port)
{
	u64 position = connection->received;
	struct scratch *scratch;

	connection->received = advanced(position, write->length);
	if (!connection->answers)
		return;
	connection->answers--;
	if (connection->scan != SCAN_ALL)
		connection->left = 0;
	scratch = begin(RECORD_API_ANSWER);
	if (!scratch)
		return;
	scratch->record.pid = bpf_get_current_pid_tgid() >> 32;
	scratch->record.connection = connection->id;
	scratch->record.offset = position;
	scratch->record.sent = write->length;
	append_place(scratch, server, port);
	append_payload(scratch, write);
	submit_commands(scratch, connection->origin, RECORD_API_ANSWER, false);
}

/* The API of an engine's end, by its file or, as long as the agent does not know that, by its connection. */
static __always_inline u32 api_of_receiver(u64 dentry, u64 client, u64 server)
{
	u32 api = api_of(dentry);
	struct connection *connection;

	if (api || !client || !may_be_followed(client))
		return api;
	connection = connection_of(client, server);
	return connection && connection->file == dentry ? connection->api : 0;
}

/* How much of a write is copied. */
static __always_inline u64 most_of_request(u32 api)
{
	return api == API_RPC ? RPC_PAYLOAD_LEN - 1 : PAYLOAD_LEN - 1;
}

static __always_inline u64 most_of_answer(struct connection *connection)
{
	return connection->answers ? PAYLOAD_LEN - 1 : 0;
}

/*
 * sk_data_ready, for hosts that refuse fentry: in the sender's context, once what it sent is queued at
 * the other end and before who sleeps there is woken. A listening socket is ready when a connect was
 * let in.
 */
#if defined(OFF_sk_buff_data_len)
#define SOCKET_UNIX 1
#define STATE_LISTEN 10 /* TCP_LISTEN, which unix sockets use as well */

static __always_inline void on_let_in(u64 listener)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct connecting *made = connect_of(&thread);
	u32 api = api_at(listener);
	u64 client = 0;
	u64 packet;

	if (!api && !made)
		return;
	if (made) {
		client = made->socket;
	} else {
		/* What waits there is a packet of the engine's end; accept may have taken it. */
		packet = last_packet(listener);
		if (packet)
			client = peer_of(read_pointer(packet, OFF_sk_buff_sk));
	}
	report_connect(client, listener, api, made && !api && is_engines(listener), made, 0);
	if (made)
		end_connect(&thread);
}

int on_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	u64 receiver = ctx->args[0];
	u32 family = read_u32(receiver, OFF_sock_family); /* and the state, from bit 16 on */
	struct connection *connection;
	struct written *write;
	u64 dentry;
	u64 peer;
	u32 api;

	if ((family & 0xffff) != SOCKET_UNIX)
		return 0;
	if ((family >> 16 & 0xff) == STATE_LISTEN) {
		on_let_in(receiver);
		return 0;
	}
	dentry = read_pointer(receiver, OFF_unix_sock_dentry);
	if (dentry) {
		peer = peer_of(receiver);
		api = api_of_receiver(dentry, peer, receiver);
		connection = 0;
		if (!api || api == API_RELAY)
			return 0;
	} else {
		/* Most messages on a host end here. */
		if (!may_be_followed(receiver))
			return 0;
		connection = connections.lookup(&receiver);
		if (!connection)
			connection = connections_of_others.lookup(&receiver);
		if (!connection)
			return 0;
		peer = peer_of(receiver);
		/* The memory of both ends may hold another pair of sockets by now. */
		if (connection->server != peer || connection->file != file_of(peer))
			return 0;
	}
	write = work_on_write();
	if (!write)
		return 0;
	take_write(write, receiver, peer,
		   connection ? most_of_answer(connection) : most_of_request(api));
	if (connection)
		on_answer(connection, peer, write, 0);
	else
		on_request(peer, receiver, api, write, 0);
	return 0;
}
#endif

#if defined(ENUM_ITER_IOVEC)
/* The user address of what is sent, and how much of it lies there in one piece; 0 for none. */
static __always_inline u64 first_bytes(u64 message, u64 length, u64 *usable)
{
	u64 iter = message + OFF_msghdr_msg_iter;
	u64 offset = read_pointer(iter, OFF_iov_iter_iov_offset);
	u64 vector;
	u64 here;
	u32 type;

#ifdef OFF_iov_iter_iter_type
	type = read_u32(iter, OFF_iov_iter_iter_type) & 0xff;
#else
	/* Before 5.14 the type is a bit of a word that holds the direction, too. */
	type = read_u32(iter, OFF_iov_iter_type) & ~1U;
#endif
#ifdef ENUM_ITER_UBUF
	if (type == ENUM_ITER_UBUF) {
		*usable = length;
		return read_pointer(iter, OFF_iov_iter_ubuf) + offset;
	}
#endif
	if (type != ENUM_ITER_IOVEC)
		return 0;
	vector = read_pointer(iter, OFF_iov_iter_iov);
	here = read_pointer(vector, 8);
	here = here > offset ? here - offset : 0;
	*usable = length < here ? length : here;
	return read_pointer(vector, 0) + offset;
}

struct msghdr;

/* Before the bytes are queued: of a send that ends early, the rest is sent and reported again. */
KFUNC_PROBE(unix_stream_sendmsg, struct socket *socket, struct msghdr *message, u64 length)
{
	u64 sender = read_pointer((u64)socket, OFF_socket_sk);
	u64 receiver = peer_of(sender);
	struct connection *connection = 0;
	struct written *write;
	u64 usable = 0;
	u64 bytes;
	u64 dentry = file_of(receiver);
	u32 api = dentry ? api_of_receiver(dentry, sender, receiver) : 0;

	if (api == API_RELAY)
		return 0;
	if (!api) {
		connection = may_be_followed(receiver) ? connection_of(receiver, sender) : 0;
		/* The memory of both ends may hold another pair of sockets by now. */
		if (!connection || connection->file != file_of(sender))
			return 0;
	}
	write = work_on_write();
	if (!write)
		return 0;
	write->length = length;
	bytes = first_bytes((u64)message, length, &usable);
	usable = within(usable, connection ? most_of_answer(connection) : most_of_request(api));
	if (bytes && !bpf_probe_read_user(write->bytes, usable, (void *)bytes))
		write->copied = usable;
	from_memory();
	if (connection)
		on_answer(connection, sender, write, 0);
	else
		on_request(sender, receiver, api, write, 0);
	return 0;
}

/* Either end is closed. */
KFUNC_PROBE(unix_release, struct socket *socket)
{
	u64 here = read_pointer((u64)socket, OFF_socket_sk);
	u64 there = here ? peer_of(here) : 0;
	struct connection *connection;
	struct scratch *scratch;
	u64 client = here;

	if (!there)
		return 0;
	connection = connection_of(here, there);
	if (!connection) {
		client = there;
		connection = connection_of(there, here);
	}
	if (!connection)
		return 0;
	scratch = connection->is_reported ? begin(RECORD_API_CLOSE) : 0;
	if (scratch) {
		scratch->record.pid = bpf_get_current_pid_tgid() >> 32;
		scratch->record.connection = connection->id;
		submit_commands(scratch, connection->origin, RECORD_API_CLOSE, false);
	}
	connections.delete(&client);
	connections_of_others.delete(&client);
	return 0;
}
#endif
#endif
