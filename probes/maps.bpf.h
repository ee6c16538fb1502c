/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Castoff's probes: raw tracepoints that report container starts and what leads to them.
 *
 * sensor/bpf/source.py joins the parts into one text, in this order, since bcc rewrites map
 * operations and handlers in its main text only. OFF_* and SIZE_* macros are byte offsets from the
 * running kernel's BTF, see sensor/bpf/fields.py.
 *
 *   maps.bpf.h      limits and maps
 *   task.bpf.h      fields of a task
 *   budget.bpf.h    whose a task is, and what each may use
 *   fill.bpf.h      building a record and handing it over
 *   lineage.bpf.h   descent from runtimes, and what has started
 *   exec.bpf.c fork.bpf.c exit.bpf.c cgroup.bpf.c oom.bpf.c   raw tracepoints
 *   connection.bpf.h written.bpf.h search.bpf.h   connections, what is sent, what of it may start something
 *   connect.bpf.c request.bpf.c tcp.bpf.c         who asks an engine for what
 *
 * A container's init is recognised by descent and by namespaces, not by its name:
 *   - every watched runtime, shim, monitor or engine founds a lineage at its execve, and so does a
 *     process that makes a cgroup; fork passes the lineage on;
 *   - a member whose execve finds it to be pid 1 of a new pid namespace, or a session leader in a
 *     mount namespace that is not its founder's and that no container has started in, is an init;
 *   - a process outside of every lineage counts as one when it is pid 1 of its namespace and its
 *     cgroup is not its parent's.
 * A lineage ends at the first execve outside of its founder's mount namespace: what a container, a
 * hook inside it or an exec session does later is its own affair. User space decides, from names
 * and cgroups, which of these is a container.
 */
#include <linux/types.h>

#include "record.h"

#define __always_inline inline __attribute__((always_inline))

#define TAIL_LEN 8192
#define TAIL_MASK 4095 /* where a part of the tail may begin; each part is at most 4096 long */
#define CLOCK_SECOND 1000000000ULL
#define NS_PER_TICK 10000000ULL /* procfs gives start times in these */
#define PID_ONE 1
#define LEVELS_MASK 31 /* MAX_PID_NS_LEVEL is 32 */
#define COMMANDS_OF_PARENT 256 /* a second */
#define COMMANDS_OF_ROOTS_PARENT 1024 /* one script can run 130 containers by crun */
#define COMMANDS_OF_ORIGIN 2048
#define REQUESTS_OF_PROCESS 1024 /* a second, of one that is privileged: a kubelet with many pods */
#define GUESSES_OF_ORIGIN 256
#define INITS_OF_ORIGIN 128 /* a second, of origins that are not privileged */
#define LIVE_INITS_OF_ORIGIN 4096
#define FREEZES_OF_ORIGIN 64
#define RING_PARTS 8 /* an origin may hold one of so many parts of a ring, all of them half */
#define CAUSES_WINDOW (10 * CLOCK_SECOND) /* in which what caused a start may have happened */
#define POLLED_WITHIN \
	CLOCK_SECOND /* the agent polls several times in as long, agent/ring_reader.py */
#define FOLLOWED_SLOTS 4096
#define TCP_SLOTS 1024
#define PAGE 4096ULL
/*
 * Of an lru_hash each CPU keeps up to so many free entries for itself (LOCAL_FREE_TARGET in kernel/bpf/bpf_lru_list.c).
 * Where all CPUs could keep the whole map, one more CPU gives its own newest entry away at each new one. Linux 6.16 and
 * the newest of its stable siblings let the CPUs have half of a map at most.
 */
#define LRU_OF_CPU 128
#define LRU_ENTRIES(used) ((used) + LRU_OF_CPU * POSSIBLE_CPUS)
#define from_memory() asm volatile("" ::: "memory")
#define UNSET 0xffffffff
#define UNSET_OFFSET 0xffffffffffffffffULL

struct scratch {
	struct record record;
	u8 tail[TAIL_LEN];
};

struct name {
	char text[NAME_LEN] __attribute__((aligned(8)));
};

/* One connection to an engine, as far as it was followed. */
struct connection {
	u64 id;
	u64 sent; /* bytes from the client; UNSET_OFFSET when not followed from its beginning */
	u64 received; /* bytes from the engine */
	u64 server; /* the engine's end: another one at the same client's address is another connection */
	u64 file; /* of that end, as long as the memory of both is theirs */
	u64 last; /* the client's last eight bytes, the latest lowest */
	u64 origin;
	u32 api;
	u16 scan; /* enum scan, across segments */
	u16 left; /* segments that still go up until the engine answers */
	u16 answers; /* segments of the engine that still go up */
	u16 is_reported; /* its end is worth a record */
	u32 listener; /* of a port: the user who made the socket, UNSET if unknown */
};

/* A connect that has not been let in yet, by the thread that makes it. */
struct connecting {
	u64 socket;
	struct socket_place place;
	u64 path[SOCKET_PATH_LEN / 8];
	u32 length;
	u32 engine;
};

/* A connect over loopback that has not been let in yet. */
struct tcp_connecting {
	u64 task;
	u64 thread;
	u32 api;
	u32 reserved;
};

/* Where a connection to an engine's port is, as its client sees it. */
struct tcp_connection {
	u64 client; /* its socket, 0 while this is written */
	u64 pair; /* see pair_of() */
	u32 net_ns;
	u32 reserved;
	struct tcp_address there;
	struct tcp_address here;
};

/* Those of one slot: what one cannot have is taken from the same one. */
struct tcp_slot {
	struct tcp_connection connection;
	struct tcp_connection connection_of_others;
};

/* Likewise, of unix sockets: the client's. */
struct followed {
	u64 client;
	u64 client_of_others;
};

BPF_RINGBUF_OUTPUT(lifecycle, LIFECYCLE_PAGES);
BPF_RINGBUF_OUTPUT(commands, COMMANDS_PAGES);
BPF_PERCPU_ARRAY(scratches, struct scratch, RECORD_KINDS);
BPF_PERCPU_ARRAY(counters, u64, (RECORD_KINDS * COUNTERS));
BPF_PERCPU_ARRAY(failures, u64, FAILURES);
BPF_PERCPU_ARRAY(sequences, u64, 1);
BPF_HASH(watched, struct name, u32, 256);
/* A plain user's entries never evict those of runtimes and engines. */
BPF_TABLE("lru_hash", u32, struct lineage, lineages, LRU_ENTRIES(16384));
BPF_TABLE("lru_hash", u32, struct lineage, lineages_of_others, LRU_ENTRIES(16384));
BPF_HASH(inits, u32, struct started_init, 65536);
BPF_HASH(started_mounts, u32, struct started_mount, 65536);
BPF_TABLE("lru_hash", u64, u64, shares, LRU_ENTRIES(4096));
BPF_TABLE("lru_hash", struct budget_key, struct budget, budgets, LRU_ENTRIES(8192));
BPF_TABLE("lru_hash", struct socket_place, u32, socket_verdicts, LRU_ENTRIES(8192));
BPF_HASH(engine_sockets, struct socket_file, u32, 1024);
BPF_HASH(listening_ports, struct listening_port, u32, 1024);
BPF_TABLE("lru_hash", u64, struct connection, connections, LRU_ENTRIES(4096));
BPF_TABLE("lru_hash", u64, struct connection, connections_of_others, LRU_ENTRIES(4096));
BPF_ARRAY(followed, struct followed, FOLLOWED_SLOTS); /* by a part of the socket's address */
BPF_ARRAY(tcp_connections, struct tcp_slot, TCP_SLOTS); /* by their ports */
/* Who waits to be let in may wait for long: at a listener whose queue is full. */
BPF_TABLE("lru_hash", u64, struct connecting, connecting, LRU_ENTRIES(1024));
BPF_TABLE("lru_hash", u64, struct connecting, connecting_of_others, LRU_ENTRIES(1024));
BPF_TABLE("lru_hash", u64, struct tcp_connecting, tcp_connecting, LRU_ENTRIES(1024));
BPF_TABLE("lru_hash", u64, struct tcp_connecting, tcp_connecting_of_others, LRU_ENTRIES(1024));
BPF_ARRAY(reported, u64, RECORD_KINDS *COUNTERS); /* counters as of the last report of losses */
BPF_ARRAY(settings, u64, SETTINGS);
BPF_ARRAY(ring_positions, u64, RING_POSITIONS);
BPF_ARRAY(attached, u64,
	  32); /* the loader's: link id << 32 | program id, by the program's number */

static __always_inline void count(u32 kind, u32 what)
{
	u32 index = kind * COUNTERS + what;
	u64 *value = counters.lookup(&index);

	if (value)
		*value += 1;
}

static __always_inline void count_failure(u32 place)
{
	u64 *value = failures.lookup(&place);

	if (value)
		*value += 1;
}

static __always_inline u64 setting(u32 index)
{
	u64 *value = settings.lookup(&index);

	return value ? *value : 0;
}

static __always_inline u64 ring_position(u32 index)
{
	u64 *value = ring_positions.lookup(&index);

	return value ? *value : 0;
}
