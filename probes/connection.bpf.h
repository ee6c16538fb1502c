/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Connections to engines through unix sockets. The client's struct sock names one while it lives; the
 * engine's end has the file of the socket that it was accepted from (net/unix/af_unix.c,
 * unix_stream_connect), and so tells an engine's connection from any other.
 */
#if defined(OFF_unix_sock_peer)
#define FOLLOW_CONNECTIONS
#define SEGMENTS_UNDER_WAY 16 /* of one request; its head fits, and what comes after is its body */
#define ANSWERS_HTTP 4 /* with those to requests that were sent before it */
#define ANSWERS_RPC 8 /* settings, acknowledgements, headers, data, trailers */

/* The engine API that listens at a socket, or at the one that it was accepted from; 0 for none. */
static __always_inline u32 api_of(u64 dentry)
{
	u64 inode = dentry ? read_pointer(dentry, OFF_dentry_d_inode) : 0;
	struct socket_file file = {};
	u32 *api;

	if (!inode)
		return 0;
	file.inode = read_pointer(inode, OFF_inode_i_ino);
	file.device = read_u32(read_pointer(inode, OFF_inode_i_sb), OFF_super_block_s_dev);
	api = engine_sockets.lookup(&file);
	return api ? *api : 0;
}

static __always_inline u32 api_at(u64 socket)
{
	return socket ? api_of(read_pointer(socket, OFF_unix_sock_dentry)) : 0;
}

static __always_inline u64 peer_of(u64 socket)
{
	return read_pointer(socket, OFF_unix_sock_peer);
}

static __always_inline u64 file_of(u64 socket)
{
	return socket ? read_pointer(socket, OFF_unix_sock_dentry) : 0;
}

/*
 * Whether the process that listens is an engine of the host's root, whose sockets the agent need not have
 * found yet. A listening socket keeps who listens where a connected one keeps its peer (unix_listen).
 */
static __always_inline bool is_engines(u64 listener)
{
#ifdef OFF_sock_peer_pid
	u64 process = read_pointer(listener, OFF_sock_peer_pid);
	u32 pid = process ? read_u32(process, OFF_pid_numbers + OFF_upid_nr) : 0;
	struct lineage *lineage = pid ? lineages.lookup(&pid) : 0;

	return lineage && lineage->root_pid == pid && lineage->flags & FOUNDER_SERVES &&
	       !lineage->level;
#else
	return false;
#endif
}

/*
 * Who listens where a client's socket is connected to, or at a listening one: both keep the credentials
 * of listen(2) (unix_listen, unix_stream_connect). The path is a text that any process may bind.
 */
static __always_inline void fill_listener(struct record *record, u64 socket)
{
#if defined(OFF_sock_peer_cred) && defined(OFF_sock_peer_pid)
	u64 cred = read_pointer(socket, OFF_sock_peer_cred);
	u64 pid = read_pointer(socket, OFF_sock_peer_pid);

	if (!cred || !pid)
		return;
	record->status = LISTENER_KNOWN | (is_privileged(cred) ? LISTENER_PRIVILEGED : 0);
	record->net_ns = read_u32(cred, OFF_cred_euid);
	record->ipc_ns = read_u32(read_pointer(cred, OFF_cred_user_ns), OFF_user_namespace_inum);
	record->uts_ns = pid_namespace(pid, namespace_level(pid));
#endif
}

/* The connection of a client's socket; 0 when it is not followed, or was another's. */
static __always_inline struct connection *connection_of(u64 client, u64 server)
{
	struct connection *connection = connections.lookup(&client);

	if (!connection)
		connection = connections_of_others.lookup(&client);
	return connection && connection->server == server ? connection : 0;
}

/* A struct sock is some 1,000 bytes long. */
static __always_inline u32 slot_of(u64 client)
{
	return (client >> 6 ^ client >> 18) & (FOLLOWED_SLOTS - 1);
}

/*
 * Whether a socket may be a client's whose requests were seen: what most messages on a host are asked,
 * so it has to cost next to nothing. Of two in one slot the one that asked last counts; a plain
 * user's takes no privileged one's place.
 */
static __always_inline bool may_be_followed(u64 client)
{
	u32 slot = slot_of(client);
	struct followed *found = followed.lookup(&slot);

	return found && (found->client == client || found->client_of_others == client);
}

static __always_inline void mark_followed(u64 client, u64 origin)
{
	u32 slot = slot_of(client);
	struct followed *found = followed.lookup(&slot);

	if (!found)
		return;
	if (origin == ORIGIN_PRIVILEGED)
		found->client = client;
	else
		found->client_of_others = client;
}

/*
 * ``sent``: 0 from its beginning, UNSET_OFFSET later. ``file`` is that of the engine's end, 0 for TCP.
 */
static __always_inline void follow(u64 client, u64 server, u64 file, u32 api, u64 origin, u64 sent)
{
	struct connection connection = {
		.id = bpf_ktime_get_boot_ns() << 8 | (bpf_get_smp_processor_id() & 0xff),
		.sent = sent,
		.received = sent,
		.server = server,
		.file = file,
		.api = api,
		.origin = origin,
		.listener = UNSET,
	};
	int failed;

	if (origin == ORIGIN_PRIVILEGED) {
		connections_of_others.delete(&client);
		failed = connections.update(&client, &connection);
	} else {
		connections.delete(&client);
		failed = connections_of_others.update(&client, &connection);
	}
	if (failed)
		count_failure(FAILED_CONNECTIONS);
}

/* The path that a listener was bound to, as its own process wrote it. */
static __always_inline void append_listener(struct scratch *scratch, u64 socket)
{
	u64 address = read_pointer(socket, OFF_unix_sock_addr);
	u32 offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
	long length =
		address ? bpf_probe_read_kernel_str(&scratch->tail[offset], SOCKET_PATH_LEN - 3,
						    (void *)(address + OFF_unix_address_name + 2))
			: 0;

	if (length <= 0)
		return;
	scratch->record.text_len = length & 127;
	scratch->record.size += length & 127;
}

#ifndef OFF_sock_receive_queue
#define OFF_sock_receive_queue 0
#endif

/* What was queued last at a socket. struct sk_buff_head: next, then prev. */
static __always_inline u64 last_packet(u64 socket)
{
	u64 queue = socket + OFF_sock_receive_queue;
	u64 last = read_pointer(queue, 8);

	return last == queue ? 0 : last;
}
#endif

/*
 * Whether the process itself is an engine, a shim, a monitor or a runtime, and no caller of one. Its
 * name says so, so it counts only where its author could do anything anyway.
 */
static __always_inline bool is_part_of_engine(u64 task, u64 origin)
{
	u32 pid = read_u32(task, OFF_task_struct_tgid);
	struct lineage *lineage = origin == ORIGIN_PRIVILEGED ? lineages.lookup(&pid) : 0;

	return lineage && lineage->root_pid == pid && !(lineage->flags & FOUNDER_ASKS) &&
	       (lineage->kind == LINEAGE_RUNTIME || lineage->kind == LINEAGE_SUPERVISOR);
}
