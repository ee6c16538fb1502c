/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What of the bytes of a connection may ask an engine to start something: of HTTP a POST whose path has a
 * word that starts containers, of gRPC and ttrpc what is short and what headers may be in.
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
 * Search a write for what may ask to start something: of the four requests of a docker run three do
 * not. The path of a POST has to have "start" or a word like it in it, wherever the POST begins. A path
 * with an escaped letter, one that goes on in the next write, and bytes that could not be read count as
 * what may.
 */
static __always_inline void search(struct written *write)
{
	u64 last = write->last;
	u64 in_path = write->scan & SCAN_PATH;
	u64 found = 0;
	u64 ends;
	u64 all = 0;
	u64 hit;
	bool begins;
	u32 i;

	write->wanted = 1;
	if (write->scan == SCAN_ALL || !write->copied)
		return;
	begins = !last && write->scan == SCAN_METHOD;
#pragma nounroll
	for (i = 0; i < PAYLOAD_LEN - 1; i++) {
		u64 letter = write->bytes[i];

		/* From memory, or the verifier would go on with each length that it may end at. */
		from_memory();
		if (i >= write->copied)
			break;
		last = last << 8 | letter;
		hit = in_path & (equal(letter, '%') | names_start(last & LAST_FIVE));
		ends = equal(letter, ' ') | equal(letter, '?');
		all |= equal(last, PREFACE);
		found |= hit;
		in_path = (in_path & ~(hit | ends) & 1) | equal(last & LAST_FIVE, METHOD_POST);
	}
	write->wanted = found | all;
	write->scan = all ? SCAN_ALL : in_path ? SCAN_PATH : SCAN_METHOD;
	write->last = last;
	from_memory();
	if (write->scan == SCAN_PATH || begins_method(last))
		write->wanted = 1;
	/* What begins like no request may be one that is encrypted. */
	if (begins && (write->bytes[0] < 'A' || write->bytes[0] > 'Z'))
		write->wanted = 1;
	/* Of a path of more than 500 letters the rest is not looked at. */
	if (write->scan == SCAN_PATH && write->length > write->copied)
		write->scan = SCAN_METHOD;
}

/* Whether user space wants a write of gRPC or ttrpc: what is short, and what may be headers. */
static __always_inline bool is_short_or_headers(struct written *write)
{
	u32 head = *(u32 *)write->bytes;

	if (write->length <= RPC_MESSAGE_MAX)
		return true;
	if (write->copied < sizeof(head))
		return false;
	if (head == PREFACE_HEAD)
		return true;
	/* The type of a frame is behind the 24 bits of its length. */
	head >>= 24;
	return head < 16 && (RPC_BEFORE_HEADERS >> head & 1);
}

/* Go on where the search of a connection stands. */
static __always_inline void resume_search(struct written *write, u64 client, u64 server)
{
	struct connection *connection = connection_of(client, server);

	write->scan = connection ? connection->scan : SCAN_METHOD;
	write->last = connection ? connection->last : 0;
}

static __always_inline bool is_wanted(struct written *write, struct connection *connection)
{
	from_memory();
	connection->scan = write->scan;
	connection->last = write->last;
	if (connection->api == API_RPC) {
		if (write->wanted)
			connection->answers = ANSWERS_RPC;
		return write->wanted;
	}
	if (write->wanted) {
		connection->left = SEGMENTS_UNDER_WAY;
		connection->answers = ANSWERS_HTTP;
		return true;
	}
	if (!connection->left)
		return false;
	connection->left--;
	return true;
}
#endif
