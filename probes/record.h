/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the probes hand to user space, and what user space writes into their maps. sensor/bpf/layout.py
 * mirrors this file; a test compiles it and compares every offset. Fields have fixed sizes and no
 * padding.
 */
#pragma once

#define CASTOFF_LAYOUT 3

#define COMM_LEN 16
#define NAME_LEN 32
#define TTY_LEN 16
#define NS_LEVELS 8
#define MAX_ANCESTORS 8
#define CGROUP_DEPTH 12
#define CGROUP_NAME_LEN 128
#define CGROUP_LEN 1024
#define CWD_DEPTH 24
#define CWD_LEN 384
#define SOCKET_PATH_LEN 112
#define PAYLOAD_LEN 512
#define RPC_PAYLOAD_LEN 2048 /* of a write in gRPC or ttrpc */
#define ARGV_LEN 4096

enum record_kind {
	RECORD_INIT_EXEC = 1, /* lifecycle: a container's init ran its first execve */
	RECORD_INIT_EXIT = 2, /* lifecycle: a container's init ended */
	RECORD_COMMAND_EXEC = 3, /* commands: a watched program was executed */
	RECORD_COMMAND_EXIT = 4, /* commands: a watched runtime's or client's own process ended */
	RECORD_CGROUP_BIRTH = 5, /* commands: a possible runtime made a cgroup */
	RECORD_API_CONNECT = 6, /* commands: a process connected to what may be an engine */
	RECORD_API_REQUEST = 7, /* commands: bytes of a request to an engine */
	RECORD_API_ANSWER = 8, /* commands: the first bytes that an engine sent back */
	RECORD_API_CLOSE = 9, /* commands: a connection to an engine was closed */
	RECORD_CGROUP_FROZEN = 10, /* commands: a cgroup was frozen or thawed */
	RECORD_KINDS = 11,
};

enum record_counter {
	COUNT_SUBMITTED = 0,
	COUNT_DROPPED = 1, /* the ring was full */
	COUNT_LIMITED = 2, /* the rate limit held it back */
	COUNTERS = 3,
};

/* Where something failed that no record can report. */
enum failure {
	FAILED_INITS = 0, /* an update of this map */
	FAILED_STARTED_MOUNTS = 1,
	FAILED_LINEAGES = 2,
	FAILED_BUDGETS = 3,
	FAILED_SHARES = 4,
	FAILED_CONNECTIONS = 5,
	FAILED_CONNECTING = 6,
	FAILED_VERDICTS = 7,
	FAILED_REQUEST_READ = 8, /* the receiver took the bytes first */
	FAILURES = 9,
};

enum setting {
	SETTING_LOADED_AT = 0, /* by the loader, ns since boot */
	SETTING_REPORTED_AT = 1, /* by the agent: when it reported losses last */
	SETTING_HANDLED = 2, /* by the agent: time of the newest record that it handled */
	SETTING_COMMAND_LOST = 3, /* when a possible cause was lost last */
	SETTING_CONFIRMS = 4, /* by the loader: a program sees connects that were let in */
	SETTING_SEEN_AT = 5, /* by the agent: when it ran last */
	SETTINGS = 8,
};

/* Bytes put into a ring since it was made, and bytes that the agent gave back. */
enum ring_position {
	LIFECYCLE_PRODUCED = 0,
	LIFECYCLE_RELEASED = 1,
	COMMANDS_PRODUCED = 2,
	COMMANDS_RELEASED = 3,
	RING_POSITIONS = 4,
};

enum watched_role {
	ROLE_NONE = 0,
	ROLE_RUNTIME = 1,
	ROLE_SHIM = 2,
	ROLE_MONITOR = 3,
	ROLE_ENGINE = 4,
	ROLE_CLIENT = 5,
	ROLE_ORCHESTRATOR = 6,
};

enum lineage_kind {
	LINEAGE_NONE = 0,
	LINEAGE_RUNTIME = 1,
	LINEAGE_SUPERVISOR = 2,
	LINEAGE_CGROUP_MAKER = 3,
	LINEAGE_CGROUP = 4,
	LINEAGE_CLIENT = 5, /* a client itself; not inherited, only its end is of interest */
};

enum lineage_flag {
	FOUNDER_QUIET = 1, /* its root's end is not reported */
	FOUNDER_PRIVILEGED = 2, /* its root could do anything on this host */
	FOUNDER_ASKS =
		4, /* its root is no part of an engine: its requests and its end are reported */
	FOUNDER_SERVES = 8, /* its root may listen as an engine does */
};

enum record_flag {
	FLAG_STARTED = 1, /* INIT_EXIT: it had executed its entrypoint */
	FLAG_OOM_KILLED = 2, /* INIT_EXIT: the kernel's OOM killer chose it */
	FLAG_ARGV_TRUNCATED = 4, /* the command line was longer than ARGV_LEN */
	FLAG_NAMED_BY_COMM = 8, /* COMMAND_EXEC: a script or link, matched by its own name */
	FLAG_LISTENER = 16, /* API_*: the path is the engine's own, not the caller's */
	FLAG_CAUSES_LOST = 32, /* INIT_EXEC: commands before it were held back or dropped */
	FLAG_UNCONFIRMED = 64, /* API_CONNECT: it may still be refused */
	/*
	 * API_*: over loopback. API_CONNECT: offset is port << 16 | the caller's port. API_REQUEST,
	 * API_ANSWER: reserved is the engine's port.
	 */
	FLAG_TCP = 128,
};

/*
 * Bits of ``status`` of an API_CONNECT or API_REQUEST. Of a listener that is known, net_ns is its
 * effective user, ipc_ns its user namespace and uts_ns its pid namespace, as of its listen(2). Of a port
 * only the user is known.
 */
enum listener_bit {
	LISTENER_KNOWN = 1,
	LISTENER_PRIVILEGED = 2, /* it could do anything on this host */
};

/* Bits of ``status`` of a CGROUP_FROZEN. */
enum freezing {
	FREEZING_FROZEN = 1, /* frozen, else thawed */
	FREEZING_SETTLED = 2, /* all its tasks are, else it was asked for */
};

struct ancestor {
	u32 pid;
	u32 reserved;
	u64 start_time;
	char comm[COMM_LEN];
	char exe[NAME_LEN];
};

/*
 * Followed by the tail, in this order: ancestors[ancestor_count], the cgroup's names in v1 and
 * then in v2 (each NUL-terminated, leaf first), the text (COMMAND_EXEC: the names of the working
 * directory, innermost first; API_*: the socket's path), the payload (API_REQUEST, API_ANSWER), and
 * argv (NUL-separated). Up to ``reserved`` it is what layout 2 was.
 */
struct record {
	u32 size; /* of record and tail, in bytes */
	u16 kind;
	u16 layout;
	u64 time; /* ns since boot */
	u32 cpu;
	u32 status; /* of an exit, as wait(2) gives it, else bits of its kind */
	u64 sequence; /* per cpu */

	u64 start_time; /* ns since boot */
	u32 pid;
	u32 uid;
	u32 gid;
	u32 loginuid;
	u32 session;
	u32 pid_ns;
	u32 mnt_ns;
	u32 cgroup_ns;
	u32 ns_pids[NS_LEVELS]; /* outermost first */
	char comm[COMM_LEN];
	char exe[NAME_LEN];
	char tty[TTY_LEN];

	u64 root_start_time;
	u32 root_pid;
	u8 lineage;
	u8 role;
	u8 flags;
	u8 ns_levels;

	u16 ancestor_count;
	u16 cgroup_v1_len;
	u16 cgroup_v2_len;
	u16 argv_len;
	u16 text_len;
	u16 payload_len;
	u32 reserved;

	u32 euid;
	u32 user_ns;
	u32 net_ns; /* of an INIT_EXEC, API_*: see enum listener_bit */
	u32 ipc_ns;
	u32 uts_ns;
	u32 sent; /* API_REQUEST, API_ANSWER: bytes of the write */
	u64 connection; /* API_*: names the pair of sockets while it lives, 0 if unknown */
	u64 offset; /* API_REQUEST, API_ANSWER: of the payload in what this side sent */
};

/* Descent from a runtime, a supervisor or a cgroup maker, inherited over fork. */
struct lineage {
	u64 root_start_time;
	u32 root_pid;
	u32 mnt_ns; /* the root's, at the time it became one */
	u32 level; /* of the root's pid namespace */
	u16 kind;
	u16 flags;
};

/* An init that ran its first execve, or a process that a seeded mount namespace belongs to. */
struct started_init {
	u64 start_time; /* of a seeded one rounded down to 10 ms, as procfs has it */
	u64 origin;
	u32 mnt_ns;
	u8 oom_killed;
	u8 seeded;
	u8 holder; /* not an init: it only holds a mount namespace */
	u8 reserved;
};

/* A mount namespace that something has started in. Its number is used again, its identity is not. */
struct started_mount {
	u64 identity; /* 0 if unknown: the number counts until pid ends */
	u32 pid;
	u32 reserved;
};

/* A unix socket's file. device: as the kernel codes it, major << 20 | minor. */
struct socket_file {
	u64 inode;
	u32 device;
	u32 reserved;
};

enum socket_api {
	API_HTTP = 1, /* requests that may start something are of interest */
	API_RPC = 2, /* gRPC, ttrpc: short messages that may name a container */
	API_RELAY = 3, /* passes requests on to an engine: only connects are of interest */
};

/* What a key may use in one window; which, struct budget_key says. */
struct budget {
	u64 since; /* when the window began: a time, or a position in a ring */
	u32 used;
	u32 before; /* in the window before: of rings, whose records may still wait */
};

struct budget_key {
	u64 origin;
	u32 whose; /* a pid, or enum budget_of */
	u32 kind;
};

enum budget_of {
	BUDGET_ORIGIN = 0xffffffff,
	BUDGET_GUESSES = 0xfffffffe,
	BUDGET_LIFECYCLE_RING = 0xfffffffd,
	BUDGET_COMMANDS_RING = 0xfffffffc,
};

/* A unix socket's path as a mount namespace sees it. hash: see hash_path() in connect.bpf.c. */
struct socket_place {
	u64 hash;
	u32 mnt_ns;
	u32 reserved;
};

/*
 * Below SOCKET_PATIENCE: so many connects were reported and no verdict has come. Then the place falls
 * silent until one does, so that it cannot fill the ring of an absent agent.
 */
enum socket_verdict {
	SOCKET_PATIENCE = 16,
	SOCKET_ENGINE = 100,
	SOCKET_OTHER = 101,
};

/* Of version 6 or mapped to it (::ffff:0:0/96), as it lies in memory. */
struct tcp_address {
	u32 words[4];
};

/*
 * A loopback port that an engine or a relay listens on, and at which address. All bits set stand for any:
 * the entry holds the API of what listens at all of them, or 0 where other entries have the addresses.
 */
struct listening_port {
	u32 net_ns;
	u32 port;
	struct tcp_address address;
};
