/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who connects to which unix socket. A connect counts once it was let in: cgroup/connect_unix (Linux
 * 6.7) runs before the permission check and only notes the path; the report is made when the
 * connection is queued at its listener. Without a program that sees that, it is made at once, marked as
 * unconfirmed.
 */
#if defined(FOLLOW_CONNECTIONS)
static __always_inline struct connecting *connect_of(u64 *thread)
{
	struct connecting *made = connecting.lookup(thread);

	return made ? made : connecting_of_others.lookup(thread);
}

static __always_inline void end_connect(u64 *thread)
{
	connecting.delete(thread);
	connecting_of_others.delete(thread);
}

static __always_inline bool connect_allowed(u64 task, u64 origin, u32 api, bool engine)
{
	if (api || engine)
		return command_allowed(task, origin, RECORD_API_CONNECT);
	return guess_allowed(origin, RECORD_API_CONNECT, GUESSES_OF_ORIGIN);
}

/* A place of which nothing is known is reported a few times, until a verdict comes. */
static __always_inline void note_contact(struct socket_place *place)
{
	u32 *verdict = socket_verdicts.lookup(place);
	u32 first = 1;

	if (verdict) {
		if (*verdict < SOCKET_PATIENCE)
			__sync_fetch_and_add(verdict, 1);
	} else if (socket_verdicts.update(place, &first)) {
		count_failure(FAILED_VERDICTS);
	}
}

/*
 * ``listener`` has the socket's file and path: the listening socket, or the engine's end. ``made`` is
 * what connect_unix noted, if it did. A connection to what seems to be an engine is followed until the
 * agent knows.
 */
static __always_inline void report_connect(u64 client, u64 listener, u32 api, bool seems,
					   struct connecting *made, u8 flags)
{
	u64 task = bpf_get_current_task();
	u64 origin = origin_of(task);
	u64 server = client ? peer_of(client) : 0;
	struct connection *connection = 0;
	struct scratch *scratch;
	bool urgent = false;
	u32 offset;

	/* What its memory was before is another connection. */
	if (client) {
		connections.delete(&client);
		connections_of_others.delete(&client);
	}
	if (!connect_allowed(task, origin, api, made && made->engine))
		return;
	if ((api || (seems && !is_part_of_engine(task, origin))) && server) {
		follow(client, server, file_of(server), api ? api : API_HTTP, origin, 0);
		connection = connection_of(client, server);
		mark_followed(client, origin);
	}
	scratch = begin(RECORD_API_CONNECT);
	if (!scratch)
		return;
	scratch->record.flags = flags;
	if (connection)
		scratch->record.connection = connection->id;
	fill_identity(scratch, task);
	if (client || listener)
		fill_listener(&scratch->record, client ? client : listener);
	if (api) {
		scratch->record.flags |= FLAG_LISTENER;
		append_listener(scratch, listener);
	} else if (made) {
		offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
		bpf_probe_read_kernel(&scratch->tail[offset], SOCKET_PATH_LEN, made->path);
		scratch->record.text_len = made->length & 127;
		scratch->record.size += made->length & 127;
		if (!made->engine) {
			note_contact(&made->place);
			/* Who lives for a moment must be looked at while it does. */
			urgent = !is_part_of_engine(task, origin);
		}
	}
	fill_argv(scratch, task);
	submit_commands(scratch, origin, RECORD_API_CONNECT, urgent);
}

#ifdef OFF_bpf_sock_addr_kern_uaddr
static __always_inline u64 hash_path(u64 *words)
{
	u64 hash = 0xcbf29ce484222325ULL;
	u32 i;

#pragma unroll
	for (i = 0; i < SOCKET_PATH_LEN / 8; i++)
		hash = (hash ^ words[i]) * 0x100000001b3ULL;
	return hash;
}

/* cgroup/connect_unix. What this program returns is a constant: it allows every connect. */
int on_connect_unix(void *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	u64 address = read_pointer((u64)ctx, OFF_bpf_sock_addr_kern_uaddr);
	struct connecting made = {};
	u32 *verdict;
	long failed;
	long length;

	/* struct sockaddr_un: the family, then up to 108 bytes; an abstract name begins with NUL. */
	length = bpf_probe_read_kernel_str(made.path, SOCKET_PATH_LEN - 3, (void *)(address + 2));
	if (length <= 1)
		return 1;
	made.place.hash = hash_path(made.path);
	made.place.mnt_ns = mount_namespace(bpf_get_current_task());
	verdict = socket_verdicts.lookup(&made.place);
	if (verdict && *verdict == SOCKET_ENGINE)
		made.engine = 1;
	else if (verdict && *verdict >= SOCKET_PATIENCE)
		return 1;
	made.length = length;
	made.socket = read_pointer((u64)ctx, OFF_bpf_sock_addr_kern_sk);
	if (!setting(SETTING_CONFIRMS)) {
		report_connect(0, 0, 0, false, &made, FLAG_UNCONFIRMED);
		return 1;
	}
	if (is_privileged(read_pointer(bpf_get_current_task(), OFF_task_struct_real_cred)))
		failed = connecting.update(&thread, &made);
	else
		failed = connecting_of_others.update(&thread, &made);
	if (failed)
		count_failure(FAILED_CONNECTING);
	return 1;
}
#endif

/* For hosts that allow fexit: the connect as it ended. */
struct socket;
struct sockaddr;

KRETFUNC_PROBE(unix_stream_connect, struct socket *socket, struct sockaddr *address, int length,
	       int flags, int result)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct connecting *made = connect_of(&thread);
	u64 client;
	u64 server;
	u32 api;

	if (!result) {
		client = read_pointer((u64)socket, OFF_socket_sk);
		server = peer_of(client);
		api = api_at(server);
		if (api || made)
			report_connect(client, server, api, made && !api && is_engines(client),
				       made, 0);
	}
	if (made)
		end_connect(&thread);
	return 0;
}
#endif
