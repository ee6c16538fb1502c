/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the probes hand to user space. sensor/bpf/record.py mirrors this file; a test compiles
 * it and compares every offset. Fields have fixed sizes and no padding.
 */
#pragma once

#define CASTOFF_LAYOUT 2

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
#define ARGV_LEN 4096

enum record_kind {
	RECORD_INIT_EXEC = 1, /* lifecycle: a container's init ran its first execve */
	RECORD_INIT_EXIT = 2, /* lifecycle: a container's init ended */
	RECORD_COMMAND_EXEC = 3, /* commands: a watched program was executed */
	RECORD_COMMAND_EXIT = 4, /* commands: a watched runtime's or client's own process ended */
	RECORD_CGROUP_BIRTH = 5, /* commands: a possible runtime made a cgroup */
	RECORD_API_CONNECT = 6, /* commands: connect(2) to a unix socket that may be an engine's */
	RECORD_API_REQUEST = 7, /* commands: the first bytes of a request to an engine's socket */
	RECORD_KINDS = 8,
};

enum record_counter {
	COUNT_SUBMITTED = 0,
	COUNT_DROPPED = 1, /* the ring was full */
	COUNT_LIMITED = 2, /* the rate limit held it back */
	COUNTERS = 3,
};

enum watched_role {
	ROLE_NONE = 0,
	ROLE_RUNTIME = 1,
	ROLE_SHIM = 2,
	ROLE_MONITOR = 3,
	ROLE_ENGINE = 4,
	ROLE_CLIENT = 5,
};

enum lineage_kind {
	LINEAGE_NONE = 0,
	LINEAGE_RUNTIME = 1,
	LINEAGE_SUPERVISOR = 2,
	LINEAGE_CGROUP_MAKER = 3,
	LINEAGE_CGROUP = 4,
	LINEAGE_CLIENT =
		5, /* a container client itself; not inherited, only its end is of interest */
};

enum record_flag {
	FLAG_STARTED = 1, /* RECORD_INIT_EXIT: it had executed its entrypoint */
	FLAG_OOM_KILLED = 2, /* RECORD_INIT_EXIT: the kernel's OOM killer chose it */
	FLAG_CAUSES_LOST = 32, /* RECORD_INIT_EXEC: commands before it were held back or dropped */
	FLAG_LISTENER = 16, /* RECORD_API_CONNECT: the path is the engine's own, not the caller's */
	FLAG_NAMED_BY_COMM = 8, /* RECORD_COMMAND_EXEC: a script or link, matched by its own name */
	FLAG_ARGV_TRUNCATED = 4, /* the command line was longer than ARGV_LEN */
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
 * directory, innermost first; API_*: the socket's path), the payload (API_REQUEST), and argv
 * (NUL-separated).
 */
struct record {
	u32 size; /* of record and tail, in bytes */
	u16 kind;
	u16 layout;
	u64 time; /* ns since boot */
	u32 cpu;
	u32 status; /* of an exit, as wait(2) gives it */
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
};

/* Descent from a runtime, a supervisor or a cgroup maker, inherited over fork. */
struct lineage {
	u64 root_start_time;
	u32 root_pid;
	u32 mnt_ns; /* the root's, at the time it became one */
	u32 level; /* of the root's pid namespace, and QUIET_EXIT */
	u32 kind;
};

struct started_init {
	u64 start_time;
	u32 mnt_ns;
	u32 oom_killed;
};

/* A unix socket's file. device: as the kernel codes it, major << 20 | minor. */
struct socket_file {
	u64 inode;
	u32 device;
	u32 reserved;
};

enum socket_api {
	API_HTTP = 1, /* only sends that begin with POST are of interest */
	API_RPC = 2, /* gRPC, ttrpc: short messages that may name a container */
};

struct budget {
	u64 window_start;
	u64 used;
};

/* A unix socket's path as a mount namespace sees it. hash: see hash_path() in castoff.bpf.c. */
struct socket_place {
	u64 hash;
	u32 mnt_ns;
	u32 reserved;
};

/*
 * Below SOCKET_PATIENCE: so many connects were reported and nobody has told what the socket is. Then
 * the place falls silent until somebody does, so that it cannot fill the ring of an absent agent.
 */
enum socket_verdict {
	SOCKET_PATIENCE = 16,
	SOCKET_ENGINE = 100,
	SOCKET_OTHER = 101,
};
