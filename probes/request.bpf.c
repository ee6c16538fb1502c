/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What is asked of an engine, and how it answers: by fentry where the host allows it (the kernel's
 * functions have been the same since 5.5), else by sk_data_ready (Linux 6.3).
 */
#if defined(FOLLOW_CONNECTIONS)
#define RPC_MESSAGE_MAX 1024
/* Types of frames that headers may be behind, RFC 9113 6: HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE */
#define RPC_BEFORE_HEADERS (1 << 1 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 8)
#define LAST_FIVE 0xffffffffffULL
#define METHOD_POST 0x504f535420ULL /* "POST ", the last byte lowest */
#define LETTERS_START 0x7374617274ULL /* "start" */
/* What starts containers that it does not name: builds, services, pods of a manifest, plugins. */
#define LETTERS_BUILD 0x6275696c64ULL /* "build" */
#define LETTERS_SERVICES 0x7365727669ULL /* "servi" */
#define LETTERS_KUBE 0x2f6b756265ULL /* "/kube" */
#define LETTERS_ENABLE 0x6e61626c65ULL /* "nable" */
#define PREFACE 0x505249202a204854ULL /* "PRI * HT", RFC 9113 3.4 */
#define PREFACE_HEAD 0x20495250U /* "PRI ", the first byte lowest */

/* What the head of an HTTP connection is searched for, across segments. */
enum scan {
	SCAN_METHOD = 0, /* a POST */
	SCAN_PATH = 1, /* "start" or a word like it in the path of one */
	SCAN_ALL = 2, /* HTTP/2: user space reads all of it */
};

/* ``packet`` is what the bytes lie in, 0 when they are the sender's own. */
static __always_inline long read_bytes(void *into, u64 length, u64 packet, u64 bytes)
{
	if (packet)
		return bpf_probe_read_kernel(into, length, (void *)bytes);
	return bpf_probe_read_user(into, length, (void *)bytes);
}

static __always_inline u64 within_payload(u64 usable)
{
	if (usable > PAYLOAD_LEN - 1)
		usable = PAYLOAD_LEN - 1;
	return usable & (PAYLOAD_LEN - 1);
}

/* A kubelet puts requests behind each other into one write: what is not copied hides their headers. */
static __always_inline u64 within_rpc(u64 usable)
{
	if (usable > RPC_PAYLOAD_LEN - 1)
		usable = RPC_PAYLOAD_LEN - 1;
	return usable & (RPC_PAYLOAD_LEN - 1);
}

/* Whether the last bytes begin the word "POST " and more is to come. */
static __always_inline bool begins_method(u64 last)
{
	return (last & 0xff) == 'P' || (last & 0xffff) == 0x504f || (last & 0xffffff) == 0x504f53 ||
	       (last & 0xffffffff) == 0x504f5354;
}

/* 1 or 0, without a branch: the verifier would follow both ways of each in every turn of a loop. */
static __always_inline u64 equal(u64 one, u64 other)
{
	u64 difference = one ^ other;
	u64 negative = -difference;

	asm volatile("" : "+r"(negative));
	return ((difference | negative) >> 63) ^ 1;
}

static __always_inline u64 names_start(u64 letters)
{
	return equal(letters, LETTERS_START) | equal(letters, LETTERS_BUILD) |
	       equal(letters, LETTERS_SERVICES) | equal(letters, LETTERS_KUBE) |
	       equal(letters, LETTERS_ENABLE);
}

/*
 * Search a segment for what may ask to start something: of the four requests of a docker run three do
 * not. The path of a POST has to have "start" or a word like it in it, wherever the POST begins. A path
 * with an escaped letter, and one that goes on in the next segment, counts as one that may. The work
 * space's ``reserved`` is enum scan, ``offset`` the letters before, and ``status`` what was found.
 */
static __always_inline void search(struct scratch *space, u64 length, u64 packet, u64 bytes,
				   u64 usable)
{
	u64 last = space->record.offset;
	u64 in_path = space->record.reserved & SCAN_PATH;
	u64 found = 0;
	u64 ends;
	u64 all = 0;
	u64 hit;
	u32 i;

	usable = within_payload(usable);
	space->record.status = 1;
	if (space->record.reserved == SCAN_ALL || !usable ||
	    read_bytes(space->tail, usable, packet, bytes))
		return;
	space->record.payload_len = usable;
#pragma nounroll
	for (i = 0; i < PAYLOAD_LEN - 1; i++) {
		u64 letter = space->tail[i];

		/* From memory, or the verifier would go on with each length that it may end at. */
		from_memory();
		if (i >= space->record.payload_len)
			break;
		last = last << 8 | letter;
		hit = in_path & (equal(letter, '%') | names_start(last & LAST_FIVE));
		ends = equal(letter, ' ') | equal(letter, '?');
		all |= equal(last, PREFACE);
		found |= hit;
		in_path = (in_path & ~(hit | ends) & 1) | equal(last & LAST_FIVE, METHOD_POST);
	}
	space->record.status = found | all;
	space->record.reserved = all ? SCAN_ALL : in_path ? SCAN_PATH : SCAN_METHOD;
	space->record.offset = last;
	from_memory();
	if (space->record.reserved == SCAN_PATH || begins_method(last))
		space->record.status = 1;
	/* Of a path of more than 500 letters the rest is not looked at. */
	if (space->record.reserved == SCAN_PATH && length > usable)
		space->record.reserved = SCAN_METHOD;
}

/* Whether user space wants a segment of gRPC or ttrpc: what is short, and what may be headers. */
static __always_inline bool is_short_or_headers(u64 length, u64 packet, u64 bytes, u64 usable)
{
	u32 head = 0;

	if (length <= RPC_MESSAGE_MAX)
		return true;
	if (usable < sizeof(head) || read_bytes(&head, sizeof(head), packet, bytes))
		return false;
	if (head == PREFACE_HEAD)
		return true;
	/* The type of a frame is behind the 24 bits of its length. */
	head >>= 24;
	return head < 16 && (RPC_BEFORE_HEADERS >> head & 1);
}

/* Put where the search of a connection stands into the work space. */
static __always_inline void resume_search(struct scratch *space, u64 client, u64 server)
{
	struct connection *connection = connection_of(client, server);

	space->record.reserved = connection ? connection->scan : SCAN_METHOD;
	space->record.offset = connection ? connection->last : 0;
}

static __always_inline bool is_wanted(struct scratch *space, struct connection *connection)
{
	from_memory();
	connection->scan = space->record.reserved;
	connection->last = space->record.offset;
	if (connection->api == API_RPC) {
		if (space->record.status)
			connection->answers = ANSWERS_RPC;
		return space->record.status;
	}
	if (space->record.status) {
		connection->left = SEGMENTS_UNDER_WAY;
		connection->answers = ANSWERS_HTTP;
		return true;
	}
	if (!connection->left)
		return false;
	connection->left--;
	return true;
}

/* ``length`` bytes were sent, ``usable`` of them lie in one piece at ``bytes``. */
static __always_inline void on_request(u64 client, u64 server, u32 api, u64 length, u64 packet,
				       u64 bytes, u64 usable)
{
	struct scratch *space = work_space();
	u64 task = bpf_get_current_task();
	struct connection *connection;
	struct scratch *scratch;
	u64 position;
	u64 origin;
	u32 offset;

	if (!space || api == API_RELAY)
		return;
	/* First, with as little as possible that the verifier would have to tell apart. */
	if (api == API_HTTP) {
		resume_search(space, client, server);
		search(space, length, packet, bytes, usable);
	} else {
		space->record.reserved = SCAN_METHOD;
		space->record.status = is_short_or_headers(length, packet, bytes, usable);
	}
	from_memory();
	origin = origin_of(task);
	/* What an engine asks of another one, and never of Docker, was asked of it by another. */
	if (api == API_RPC && is_part_of_engine(task, origin))
		return;
	if (!connection_of(client, server))
		follow(client, server, api, origin, UNSET_OFFSET);
	connection = connection_of(client, server);
	if (!connection)
		return;
	mark_followed(client);
	position = connection->sent;
	if (position != UNSET_OFFSET)
		connection->sent += length;
	if (!is_wanted(space, connection))
		return;
	if (!command_allowed(task, origin, RECORD_API_REQUEST))
		return;
	scratch = begin(RECORD_API_REQUEST);
	if (!scratch)
		return;
	connection->is_reported = 1;
	scratch->record.connection = connection->id;
	scratch->record.offset = position;
	scratch->record.sent = length;
	fill_identity(scratch, task);
	append_listener(scratch, server);
	usable = api == API_RPC ? within_rpc(usable) : within_payload(usable);
	offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
	if (usable && (read_bytes(&scratch->tail[offset], usable, packet, bytes) ||
		       (packet && last_packet(server) != packet))) {
		count_failure(FAILED_REQUEST_READ);
		usable = 0;
	}
	scratch->record.payload_len = usable;
	scratch->record.size += usable;
	fill_argv(scratch, task);
	submit_commands(scratch, origin, RECORD_API_REQUEST, false);
}

static __always_inline void on_answer(struct connection *connection, u64 server, u64 length,
				      u64 packet, u64 bytes, u64 usable)
{
	u64 position = connection->received;
	struct scratch *scratch;
	u32 offset;

	if (position != UNSET_OFFSET)
		connection->received += length;
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
	scratch->record.sent = length;
	append_listener(scratch, server);
	usable = within_payload(usable);
	offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
	if (read_bytes(&scratch->tail[offset], usable, packet, bytes)) {
		count_failure(FAILED_REQUEST_READ);
		usable = 0;
	}
	scratch->record.payload_len = usable;
	scratch->record.size += usable;
	submit_commands(scratch, connection->origin, RECORD_API_ANSWER, false);
}

/*
 * sk_data_ready, for hosts that refuse fentry: in the sender's context, once what it sent is queued at
 * the other end and before who sleeps there is woken. A receiver that did not sleep may have taken it:
 * the record has no bytes then. What is still there after it was read was there all the time. A
 * listening socket is ready when a connect was let in.
 */
#if defined(OFF_sk_buff_data_len)
#define SOCKET_UNIX 1
#define STATE_LISTEN 10 /* TCP_LISTEN, which unix sockets use as well */

static __always_inline void on_let_in(u64 listener)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct connecting *made = connecting.lookup(&thread);
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
	report_connect(client, listener, api, made, 0);
	if (made)
		connecting.delete(&thread);
}

int on_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	u64 receiver = ctx->args[0];
	u32 family = read_u32(receiver, OFF_sock_family); /* and the state, from bit 16 on */
	struct connection *connection;
	u64 packet;
	u64 length = 0;
	u64 usable = 0;
	u64 bytes = 0;
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
		api = api_of(dentry);
		connection = 0;
		if (!api)
			return 0;
		peer = peer_of(receiver);
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
		if (connection->server != peer)
			return 0;
	}
	packet = last_packet(receiver);
	if (packet) {
		bytes = read_pointer(packet, OFF_sk_buff_data);
		length = read_u32(packet, OFF_sk_buff_len);
		usable = length - read_u32(packet, OFF_sk_buff_data_len);
	} else {
		count_failure(FAILED_REQUEST_READ);
	}
	if (connection)
		on_answer(connection, peer, length, packet, bytes, usable);
	else
		on_request(peer, receiver, api, length, packet, bytes, usable);
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
	u64 usable = 0;
	u64 bytes;
	u32 api = api_at(receiver);

	if (!api) {
		connection = may_be_followed(receiver) ? connection_of(receiver, sender) : 0;
		if (!connection)
			return 0;
	}
	bytes = first_bytes((u64)message, length, &usable);
	if (!bytes)
		usable = 0;
	if (connection)
		on_answer(connection, sender, length, 0, bytes, usable);
	else
		on_request(sender, receiver, api, length, 0, bytes, usable);
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
