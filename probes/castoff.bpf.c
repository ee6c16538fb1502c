/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Castoff's probes: raw tracepoints that report container starts and what leads to them.
 *
 * A container's init is told by descent and by namespaces, not by its name:
 *   - every watched runtime, shim, monitor or engine founds a lineage at its execve, and so does a
 *     process that makes a cgroup; fork passes the lineage on;
 *   - a member whose execve finds it to be pid 1 of a new pid namespace, or a session leader in a
 *     mount namespace that is not its founder's and that no container has started in, is an init;
 *   - a process outside of every lineage counts as one when it is pid 1 of its namespace and its
 *     cgroup is not its parent's.
 * A lineage ends at the first execve outside of its founder's mount namespace: what a container, a
 * hook inside it or an exec session does later is its own affair. User space decides, from names
 * and cgroups, which of these is a container.
 *
 * OFF_* and SIZE_* macros are byte offsets from the running kernel's BTF, see sensor/bpf/fields.py.
 */
#include <linux/types.h>

#include "record.h"

#define __always_inline inline __attribute__((always_inline))

#define TAIL_LEN 8192
#define TAIL_MASK 4095
#define CLOCK_SECOND 1000000000ULL
#define PARENT_COMMANDS_PER_SECOND 256
#define USER_COMMANDS_PER_SECOND 2048
#define USER_GUESSES_PER_SECOND 256
#define CAUSES_WINDOW (10 * CLOCK_SECOND) /* in which what caused a start may have happened */
#define LOOKED_FOR CLOCK_SECOND /* ring_reader.py polls several times in as long */
#define VERB_WITHIN 512
#define WORD_CREATE 0x0063726561746500ULL /* "\0create\0" */
#define WORD_RESTORE 0x726573746f726500ULL /* "restore\0" */
#define WORD_START 0x00737461727400ULL /* "\0start\0" */
#define WORD_RUN 0x0072756e00ULL /* "\0run\0" */
#define WORD_PAUSE 0x00706175736500ULL /* "\0pause\0" */
#define WORD_RESUME 0x00726573756d6500ULL /* "\0resume\0" */
#define QUIET_EXIT 0x80000000U /* beside the level in struct lineage: its root's end is not told */
#define SIGNAL_GROUP_EXIT 4
#define UNSET 0xffffffff

struct scratch {
	struct record record;
	u8 tail[TAIL_LEN];
};

struct name {
	char text[NAME_LEN];
};

BPF_RINGBUF_OUTPUT(lifecycle, LIFECYCLE_PAGES);
BPF_RINGBUF_OUTPUT(commands, COMMANDS_PAGES);
BPF_PERCPU_ARRAY(scratches, struct scratch, RECORD_KINDS);
BPF_PERCPU_ARRAY(counters, u64, (RECORD_KINDS * COUNTERS));
BPF_PERCPU_ARRAY(sequences, u64, 1);
BPF_HASH(watched, struct name, u32, 256);
BPF_TABLE("lru_hash", u32, struct lineage, lineages, 16384);
BPF_HASH(inits, u32, struct started_init, 65536);
BPF_HASH(started_mounts, u32, u32, 65536);
BPF_TABLE("lru_hash", u64, struct budget, budgets, 8192);
BPF_TABLE("lru_hash", struct socket_place, u32, socket_verdicts, 8192);
BPF_HASH(engine_sockets, struct socket_file, u32, 1024);
BPF_ARRAY(told, u64, RECORD_KINDS *COUNTERS); /* counters as of the last report of losses */
BPF_ARRAY(settings, u64, 4); /* 0 to 2 are the agent's own notes */
#define SETTING_COMMAND_LOST 3

static __always_inline u64 read_pointer(u64 base, u64 offset)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)(base + offset));
	return value;
}

static __always_inline u32 read_u32(u64 base, u64 offset)
{
	u32 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)(base + offset));
	return value;
}

static __always_inline void count(u32 kind, u32 what)
{
	u32 index = kind * COUNTERS + what;
	u64 *value = counters.lookup(&index);

	if (value)
		*value += 1;
}

/* Who looks for a cause by elimination must know that some may be missing. */
static __always_inline void note_lost_command(void)
{
	u32 index = SETTING_COMMAND_LOST;
	u64 *time = settings.lookup(&index);

	if (time)
		*time = bpf_ktime_get_boot_ns();
}

static __always_inline bool causes_may_be_lost(void)
{
	u32 index = SETTING_COMMAND_LOST;
	u64 *time = settings.lookup(&index);

	return time && *time && bpf_ktime_get_boot_ns() - *time < CAUSES_WINDOW;
}

static __always_inline u32 mount_namespace(u64 task)
{
	u64 proxy = read_pointer(task, OFF_task_struct_nsproxy);

	return read_u32(read_pointer(proxy, OFF_nsproxy_mnt_ns), OFF_mnt_namespace_inum);
}

static __always_inline u32 namespace_level(u64 pid)
{
	return read_u32(pid, OFF_pid_level);
}

static __always_inline u32 innermost_pid(u64 pid, u32 level)
{
	return read_u32(pid, OFF_pid_numbers + (u64)(level & 31) * SIZE_upid + OFF_upid_nr);
}

static __always_inline bool is_session_leader(u64 task, u64 pid)
{
	u64 signal = read_pointer(task, OFF_task_struct_signal);

	return read_pointer(signal, OFF_signal_struct_pids + 8 * ENUM_PIDTYPE_SID) == pid;
}

/* The v1 cgroup that runtimes put containers in, or the v2 one where v1 does not hold pids. */
static __always_inline u64 pids_cgroup(u64 task)
{
	u64 set = read_pointer(task, OFF_task_struct_cgroups);

	return read_pointer(read_pointer(set, OFF_css_set_subsys + 8 * ENUM_pids_cgrp_id),
			    OFF_cgroup_subsys_state_cgroup);
}

static __always_inline u64 default_cgroup(u64 task)
{
	return read_pointer(read_pointer(task, OFF_task_struct_cgroups), OFF_css_set_dfl_cgrp);
}

static __always_inline void read_executable(u64 task, char *name)
{
	u64 mm = read_pointer(task, OFF_task_struct_mm);
	u64 file = mm ? read_pointer(mm, OFF_mm_struct_exe_file) : 0;
	u64 dentry = file ? read_pointer(file, OFF_file_dentry) : 0;

	if (dentry)
		bpf_probe_read_kernel_str(name, NAME_LEN,
					  (void *)read_pointer(dentry, OFF_dentry_name));
}

static __always_inline u32 role_of(struct name *name)
{
	struct name prefix = {};
	u32 *role = watched.lookup(name);

	if (role)
		return *role;
	if (!name->text[COMM_LEN - 1])
		return ROLE_NONE;
	__builtin_memcpy(prefix.text, name->text, COMM_LEN - 1);
	role = watched.lookup(&prefix);
	return role ? *role : ROLE_NONE;
}

/* One step of a fixed one-second window; false when the key has used its share. */
static __always_inline bool within_budget(u64 key, u64 now, u64 limit)
{
	struct budget fresh = { .window_start = now, .used = 1 };
	struct budget *budget = budgets.lookup(&key);

	if (!budget) {
		budgets.update(&key, &fresh);
		return true;
	}
	if (now - budget->window_start >= CLOCK_SECOND) {
		budget->window_start = now;
		budget->used = 1;
		return true;
	}
	if (budget->used >= limit)
		return false;
	__sync_fetch_and_add(&budget->used, 1);
	return true;
}

static __always_inline u32 effective_user(u64 task)
{
	return read_u32(read_pointer(task, OFF_task_struct_real_cred), OFF_cred_uid);
}

/* Commands, connects and requests have budgets of their own: a flood of one hides none of the others. */
static __always_inline u64 budget_of(u64 user, u32 whose, u32 kind)
{
	u32 sort = kind == RECORD_API_CONNECT ? 1 : kind == RECORD_API_REQUEST ? 2 : 0;

	/* A pid has 22 bits (PID_MAX_LIMIT). */
	return (user << 32) | (whose ^ (sort << 28));
}

/* An attacker can execute a file called runc in a loop: first its parent's share, then its user's. */
static __always_inline bool command_allowed(u64 task, u32 kind)
{
	u64 now = bpf_ktime_get_boot_ns();
	u64 user = effective_user(task);
	u64 parent =
		read_u32(read_pointer(task, OFF_task_struct_real_parent), OFF_task_struct_tgid);

	if (within_budget(budget_of(user, parent, kind), now, PARENT_COMMANDS_PER_SECOND) &&
	    within_budget(budget_of(user, UNSET, kind), now, USER_COMMANDS_PER_SECOND))
		return true;
	note_lost_command();
	count(kind, COUNT_LIMITED);
	return false;
}

/* Of what may be a runtime's or an engine's, and mostly is not. */
static __always_inline bool guess_allowed(u64 task, u32 kind)
{
	u64 key = budget_of(effective_user(task), UNSET - 1, kind);

	if (within_budget(key, bpf_ktime_get_boot_ns(), USER_GUESSES_PER_SECOND))
		return true;
	note_lost_command();
	count(kind, COUNT_LIMITED);
	return false;
}

static __always_inline struct scratch *begin(u32 kind)
{
	struct scratch *scratch = scratches.lookup(&kind);
	struct record *record;
	u32 zero = 0;
	u64 *sequence = sequences.lookup(&zero);

	if (!scratch || !sequence)
		return 0;
	record = &scratch->record;
	__builtin_memset(record, 0, sizeof(*record));
	*sequence += 1;
	record->sequence = *sequence;
	record->cpu = bpf_get_smp_processor_id();
	record->kind = kind;
	record->layout = CASTOFF_LAYOUT;
	record->time = bpf_ktime_get_boot_ns();
	record->size = sizeof(*record);
	record->loginuid = UNSET;
	record->session = UNSET;
	return scratch;
}

static __always_inline void set_root(struct record *record, struct lineage *lineage, u32 kind)
{
	record->lineage = kind;
	if (lineage) {
		record->root_pid = lineage->root_pid;
		record->root_start_time = lineage->root_start_time;
	}
}

static __always_inline void fill_process(struct record *record, u64 task)
{
	u64 cred = read_pointer(task, OFF_task_struct_real_cred);
	u64 proxy = read_pointer(task, OFF_task_struct_nsproxy);
	u64 pid = read_pointer(task, OFF_task_struct_thread_pid);
	u64 tty = read_pointer(read_pointer(task, OFF_task_struct_signal), OFF_signal_struct_tty);
	u32 level = namespace_level(pid);
	u32 i;

	record->pid = read_u32(task, OFF_task_struct_tgid);
	record->start_time = read_pointer(read_pointer(task, OFF_task_struct_group_leader),
					  OFF_task_struct_start_time);
	record->uid = read_u32(cred, OFF_cred_uid);
	record->gid = read_u32(cred, OFF_cred_gid);
#ifdef OFF_task_struct_loginuid
	record->loginuid = read_u32(task, OFF_task_struct_loginuid);
#endif
#ifdef OFF_task_struct_sessionid
	record->session = read_u32(task, OFF_task_struct_sessionid);
#endif
	record->mnt_ns = read_u32(read_pointer(proxy, OFF_nsproxy_mnt_ns), OFF_mnt_namespace_inum);
	record->cgroup_ns =
		read_u32(read_pointer(proxy, OFF_nsproxy_cgroup_ns), OFF_cgroup_namespace_inum);
	record->pid_ns = read_u32(
		read_pointer(pid, OFF_pid_numbers + (u64)(level & 31) * SIZE_upid + OFF_upid_ns),
		OFF_pid_namespace_inum);
	record->ns_levels = level + 1;
#pragma unroll
	for (i = 0; i < NS_LEVELS; i++)
		if (i <= level)
			record->ns_pids[i] =
				read_u32(pid, OFF_pid_numbers + (u64)i * SIZE_upid + OFF_upid_nr);
	bpf_probe_read_kernel_str(record->comm, COMM_LEN, (void *)(task + OFF_task_struct_comm));
	read_executable(task, record->exe);
	if (tty)
		bpf_probe_read_kernel_str(record->tty, TTY_LEN,
					  (void *)(tty + OFF_tty_struct_name));
}

static __always_inline void fill_ancestors(struct scratch *scratch, u64 task)
{
	struct record *record = &scratch->record;
	struct ancestor *ancestors = (struct ancestor *)scratch->tail;
	u64 current = task;
	u32 i;

#pragma nounroll
	for (i = 0; i < MAX_ANCESTORS; i++) {
		struct ancestor *ancestor = &ancestors[i];
		u64 parent = read_pointer(read_pointer(current, OFF_task_struct_group_leader),
					  OFF_task_struct_real_parent);
		u64 leader = parent ? read_pointer(parent, OFF_task_struct_group_leader) : 0;

		if (!leader)
			break;
		__builtin_memset(ancestor, 0, sizeof(*ancestor));
		ancestor->pid = read_u32(leader, OFF_task_struct_tgid);
		if (!ancestor->pid)
			break;
		ancestor->start_time = read_pointer(leader, OFF_task_struct_start_time);
		bpf_probe_read_kernel_str(ancestor->comm, COMM_LEN,
					  (void *)(leader + OFF_task_struct_comm));
		read_executable(leader, ancestor->exe);
		record->ancestor_count = i + 1;
		current = leader;
	}
	record->size += record->ancestor_count * sizeof(struct ancestor);
}

/* Append a cgroup's names, leaf first; returns their length with the NULs. */
static __always_inline u32 append_cgroup(struct scratch *scratch, u64 cgroup)
{
	u64 node = cgroup ? read_pointer(cgroup, OFF_cgroup_kn) : 0;
	u32 begin = scratch->record.size - sizeof(struct record);
	u32 offset = begin;
	u32 i;

#pragma nounroll
	for (i = 0; i < CGROUP_DEPTH; i++) {
		u64 parent = node ? read_pointer(node, OFF_kernfs_node_parent) : 0;
		long length;

		if (!parent || offset - begin > CGROUP_LEN)
			break;
		length = bpf_probe_read_kernel_str(
			&scratch->tail[offset & TAIL_MASK], CGROUP_NAME_LEN,
			(void *)read_pointer(node, OFF_kernfs_node_name));
		if (length < 0)
			break;
		offset += length & (2 * CGROUP_NAME_LEN - 1);
		node = parent;
	}
	scratch->record.size += offset - begin;
	return offset - begin;
}

static __always_inline void fill_cgroups(struct scratch *scratch, u64 task)
{
	u64 v2 = default_cgroup(task);
	u64 v1 = pids_cgroup(task);

	if (v1 && v1 != v2 &&
	    read_pointer(v1, OFF_cgroup_root) != read_pointer(v2, OFF_cgroup_root))
		scratch->record.cgroup_v1_len = append_cgroup(scratch, v1);
	scratch->record.cgroup_v2_len = append_cgroup(scratch, v2);
}

/*
 * Append the names of the working directory, innermost first. A mount's root is left through its
 * mount point; the walk ends at the root of the process's mount namespace.
 */
static __always_inline void fill_cwd(struct scratch *scratch, u64 task)
{
	u64 fs = read_pointer(task, OFF_task_struct_fs);
	u64 dentry = fs ? read_pointer(fs, OFF_fs_struct_pwd_dentry) : 0;
	u64 mount = fs ? read_pointer(fs, OFF_fs_struct_pwd_mnt) - OFF_mount_mnt : 0;
	u32 begin = scratch->record.size - sizeof(struct record);
	u32 offset = begin;
	u32 i;

#pragma nounroll
	for (i = 0; i < CWD_DEPTH; i++) {
		u64 parent = dentry ? read_pointer(dentry, OFF_dentry_d_parent) : 0;
		u64 root = read_pointer(mount, OFF_mount_mnt + OFF_vfsmount_mnt_root);
		long length;

		if (!parent || offset - begin > CWD_LEN)
			break;
		if (dentry == root || dentry == parent) {
			u64 outer = read_pointer(mount, OFF_mount_mnt_parent);

			if (!outer || outer == mount)
				break;
			dentry = read_pointer(mount, OFF_mount_mnt_mountpoint);
			mount = outer;
			continue;
		}
		length = bpf_probe_read_kernel_str(&scratch->tail[offset & TAIL_MASK],
						   CGROUP_NAME_LEN,
						   (void *)read_pointer(dentry, OFF_dentry_name));
		if (length < 0)
			break;
		offset += length & (2 * CGROUP_NAME_LEN - 1);
		dentry = parent;
	}
	scratch->record.size += offset - begin;
	scratch->record.text_len = offset - begin;
}

static __always_inline void fill_argv(struct scratch *scratch, u64 task)
{
	struct record *record = &scratch->record;
	u64 mm = read_pointer(task, OFF_task_struct_mm);
	u64 start = mm ? read_pointer(mm, OFF_mm_struct_arg_start) : 0;
	u64 end = mm ? read_pointer(mm, OFF_mm_struct_arg_end) : 0;
	u32 offset = (record->size - sizeof(struct record)) & TAIL_MASK;
	u64 length = end > start ? end - start : 0;

	if (length > ARGV_LEN - 1) {
		length = ARGV_LEN - 1;
		record->flags |= FLAG_ARGV_TRUNCATED;
	}
	length &= ARGV_LEN - 1;
	if (!length || bpf_probe_read_user(&scratch->tail[offset], length, (void *)start) < 0)
		return;
	record->argv_len = length;
	record->size += length;
}

static __always_inline void fill_identity(struct scratch *scratch, u64 task)
{
	fill_process(&scratch->record, task);
	fill_ancestors(scratch, task);
	fill_cgroups(scratch, task);
}

static __always_inline u64 used_length(struct scratch *scratch)
{
	u64 length = scratch->record.size;

	return length > sizeof(struct scratch) ? sizeof(struct scratch) : length;
}

static __always_inline void submit_lifecycle(struct scratch *scratch, u32 kind, bool urgent)
{
	u64 wakeup = urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	bool lost = lifecycle.ringbuf_output(scratch, used_length(scratch), wakeup) < 0;

	count(kind, lost ? COUNT_DROPPED : COUNT_SUBMITTED);
}

/*
 * The agent is woken by what must be acted on at once: a runtime that is about to make or start a
 * container, an engine that begins, and whatever may be a runtime. The rest is background that it
 * finds when it looks.
 */
static __always_inline void submit_commands(struct scratch *scratch, u32 kind, bool urgent)
{
	u64 wakeup = urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	bool lost = commands.ringbuf_output(scratch, used_length(scratch), wakeup) < 0;

	if (lost)
		note_lost_command();
	count(kind, lost ? COUNT_DROPPED : COUNT_SUBMITTED);
}

static __always_inline bool has_started(u32 pid, u64 start_time)
{
	struct started_init *init = inits.lookup(&pid);

	/* Zero: seeded at load time from procfs, which does not tell nanoseconds. */
	return init && (!init->start_time || init->start_time == start_time);
}

/* Whether a member of a lineage is what its founder meant to become a container's init. */
static __always_inline bool is_init(struct lineage *lineage, u64 task, u32 mnt_ns)
{
	u64 pid = read_pointer(task, OFF_task_struct_thread_pid);
	u32 level = namespace_level(pid);

	if (level > (lineage->level & ~QUIET_EXIT) && innermost_pid(pid, level) == 1)
		return true;
	return mnt_ns != lineage->mnt_ns && !started_mounts.lookup(&mnt_ns) &&
	       is_session_leader(task, pid);
}

/* Whether a process outside of every lineage looks like an init: lxc, nspawn, an unknown runtime. */
static __always_inline bool is_foreign_init(u64 task)
{
	u64 pid = read_pointer(task, OFF_task_struct_thread_pid);
	u32 level = namespace_level(pid);

	if (!level || innermost_pid(pid, level) != 1)
		return false;
	return read_pointer(task, OFF_task_struct_cgroups) !=
	       read_pointer(read_pointer(task, OFF_task_struct_real_parent),
			    OFF_task_struct_cgroups);
}

static __always_inline void report_init(u64 task, u32 pid, u64 start_time, u32 mnt_ns,
					struct lineage *lineage, u32 kind)
{
	struct started_init init = { .start_time = start_time, .mnt_ns = mnt_ns };
	struct scratch *scratch;

	inits.update(&pid, &init);
	started_mounts.update(&mnt_ns, &pid);
	scratch = begin(RECORD_INIT_EXEC);
	if (!scratch)
		return;
	if (causes_may_be_lost())
		scratch->record.flags |= FLAG_CAUSES_LOST;
	set_root(&scratch->record, lineage, kind);
	fill_identity(scratch, task);
	fill_argv(scratch, task);
	submit_lifecycle(scratch, RECORD_INIT_EXEC, true);
}

/* What a runtime's command line asks for, as far as it matters here. */
enum work {
	WORK_BACKGROUND, /* delete, state, kill, exec, ... */
	WORK_STARTS, /* the init's execve is about to come */
	WORK_INTERRUPTS, /* pause, resume: done when the command ends well */
	WORK_CREATES, /* create, run, restore: the agent has to look at once, and at the end */
};

/*
 * Find the verb of an OCI runtime (the runtime-spec's operations, and runc's others) among the words
 * of a command line. A verb beyond what is looked at counts as the one that matters most.
 */
static __always_inline enum work work_of(struct scratch *scratch)
{
	u32 offset = scratch->record.size - scratch->record.argv_len - sizeof(struct record);
	u32 length = scratch->record.argv_len;
	u64 last = 0; /* the last eight bytes, the latest lowest */
	u32 i;

#pragma nounroll
	for (i = 0; i < VERB_WITHIN; i++) {
		if (i >= length)
			return WORK_BACKGROUND;
		last = last << 8 | (u8)scratch->tail[(offset + i) & TAIL_MASK];
		if (last == WORD_CREATE || last == WORD_RESTORE ||
		    (last & 0xffffffffffULL) == WORD_RUN)
			return WORK_CREATES;
		if ((last & 0xffffffffffffffULL) == WORD_START)
			return WORK_STARTS;
		if (last == WORD_RESUME || (last & 0xffffffffffffffULL) == WORD_PAUSE)
			return WORK_INTERRUPTS;
	}
	return WORK_CREATES;
}

static __always_inline enum work report_command(u64 task, u32 role, u8 flags,
						struct lineage *lineage)
{
	enum work work = WORK_CREATES;
	struct scratch *scratch;

	if (!command_allowed(task, RECORD_COMMAND_EXEC))
		return work;
	scratch = begin(RECORD_COMMAND_EXEC);
	if (!scratch)
		return work;
	scratch->record.role = role;
	scratch->record.flags = flags;
	set_root(&scratch->record, lineage, lineage ? lineage->kind : LINEAGE_NONE);
	fill_identity(scratch, task);
	fill_cwd(scratch, task);
	fill_argv(scratch, task);
	if (role == ROLE_RUNTIME)
		work = work_of(scratch);
	submit_commands(scratch, RECORD_COMMAND_EXEC,
			role == ROLE_RUNTIME ? work == WORK_CREATES || work == WORK_STARTS
					     : role == ROLE_ENGINE && !lineage);
	return work;
}

/* ``quiet``: QUIET_EXIT when nobody needs to know how the command ends. */
static __always_inline void found_lineage(u64 task, u32 pid, u64 start_time, u32 mnt_ns, u32 kind,
					  u32 quiet)
{
	struct lineage lineage = {
		.root_start_time = start_time,
		.root_pid = pid,
		.mnt_ns = mnt_ns,
		.level = namespace_level(read_pointer(task, OFF_task_struct_thread_pid)) | quiet,
		.kind = kind,
	};

	lineages.update(&pid, &lineage);
}

int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[0];
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct name executable = {};
	struct name comm = {};
	struct lineage *lineage = lineages.lookup(&pid);
	enum work work;
	u64 start_time;
	u32 mnt_ns;
	u32 role;
	u8 flags = 0;

	read_executable(task, executable.text);
	role = role_of(&executable);
	if (!role) {
		bpf_get_current_comm(comm.text, COMM_LEN);
		role = role_of(&comm);
		flags = FLAG_NAMED_BY_COMM;
	}
	if (lineage && lineage->kind == LINEAGE_CLIENT)
		lineage = 0;
	if (!role && !lineage && !is_foreign_init(task))
		return 0;

	start_time = read_pointer(read_pointer(task, OFF_task_struct_group_leader),
				  OFF_task_struct_start_time);
	mnt_ns = mount_namespace(task);

	if (!has_started(pid, start_time)) {
		if (!lineage) {
			if (is_foreign_init(task) && guess_allowed(task, RECORD_INIT_EXEC))
				report_init(task, pid, start_time, mnt_ns, 0, LINEAGE_CGROUP);
		} else if (is_init(lineage, task, mnt_ns)) {
			if (lineage->kind != LINEAGE_CGROUP_MAKER ||
			    guess_allowed(task, RECORD_INIT_EXEC))
				report_init(task, pid, start_time, mnt_ns, lineage, lineage->kind);
			lineages.delete(&pid);
			lineage = 0;
		} else if (mnt_ns != lineage->mnt_ns) {
			lineages.delete(&pid);
			lineage = 0;
		}
	}
	if (!role)
		return 0;
	/*
	 * runc executes itself as "runc init", and hooks may call runtimes or, as Docker's does to set
	 * up the network, the engine: their founder speaks for them.
	 */
	if ((role == ROLE_RUNTIME || role == ROLE_ENGINE) && lineage &&
	    lineage->kind == LINEAGE_RUNTIME && lineage->root_pid != pid)
		return 0;
	work = report_command(task, role, flags, lineage);
	if (role == ROLE_RUNTIME)
		found_lineage(task, pid, start_time, mnt_ns, LINEAGE_RUNTIME,
			      work < WORK_INTERRUPTS ? QUIET_EXIT : 0);
	else if (role != ROLE_CLIENT)
		found_lineage(task, pid, start_time, mnt_ns, LINEAGE_SUPERVISOR, 0);
	else if (!lineage)
		found_lineage(task, pid, start_time, mnt_ns, LINEAGE_CLIENT, 0);
	return 0;
}

int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u64 child = ctx->args[1];
	u32 parent_pid = bpf_get_current_pid_tgid() >> 32;
	struct lineage *lineage = lineages.lookup(&parent_pid);
	struct lineage copy;
	u32 pid;

	if (!lineage || lineage->kind == LINEAGE_CLIENT)
		return 0;
	pid = read_u32(child, OFF_task_struct_tgid);
	if (pid == parent_pid)
		return 0;
	copy = *lineage;
	lineages.update(&pid, &copy);
	return 0;
}

static __always_inline u32 exit_status(u64 task, u64 signal)
{
	if (read_u32(signal, OFF_signal_struct_flags) & SIGNAL_GROUP_EXIT)
		return read_u32(signal, OFF_signal_struct_group_exit_code);
	return read_u32(read_pointer(task, OFF_task_struct_group_leader),
			OFF_task_struct_exit_code);
}

static __always_inline void report_init_exit(u64 task, u64 signal, struct lineage *lineage,
					     u8 flags)
{
	struct scratch *scratch = begin(RECORD_INIT_EXIT);

	if (!scratch)
		return;
	scratch->record.status = exit_status(task, signal);
	scratch->record.flags = flags;
	set_root(&scratch->record, lineage, lineage ? lineage->kind : LINEAGE_NONE);
	fill_process(&scratch->record, task);
	fill_cgroups(scratch, task);
	/* Soon after a start the agent looks by itself. */
	submit_lifecycle(scratch, RECORD_INIT_EXIT,
			 !(flags & FLAG_STARTED) ||
				 scratch->record.time - scratch->record.start_time > LOOKED_FOR);
}

static __always_inline void report_command_exit(u64 task, u64 signal, struct lineage *lineage)
{
	struct scratch *scratch = begin(RECORD_COMMAND_EXIT);

	if (!scratch)
		return;
	scratch->record.status = exit_status(task, signal);
	scratch->record.pid = lineage->root_pid;
	scratch->record.start_time = lineage->root_start_time;
	submit_commands(scratch, RECORD_COMMAND_EXIT, false);
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[0];
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct started_init *init = inits.lookup(&pid);
	struct lineage *lineage = init ? 0 : lineages.lookup(&pid);
	u64 signal;
	u32 mnt_ns;

	if (!init && !lineage)
		return 0;
	signal = read_pointer(task, OFF_task_struct_signal);
	if (read_u32(signal, OFF_signal_struct_live))
		return 0;

	if (init) {
		u8 flags = FLAG_STARTED | (init->oom_killed ? FLAG_OOM_KILLED : 0);

		mnt_ns = init->mnt_ns;
		/* Two last threads may both find nobody alive; only one of them deletes the entry. */
		if (inits.delete(&pid))
			return 0;
		started_mounts.delete(&mnt_ns);
		lineages.delete(&pid);
		report_init_exit(task, signal, 0, flags);
		return 0;
	}
	if (lineage->kind == LINEAGE_RUNTIME || lineage->kind == LINEAGE_SUPERVISOR ||
	    lineage->kind == LINEAGE_CLIENT) {
		struct lineage copy = *lineage;

		if (lineages.delete(&pid))
			return 0;
		mnt_ns = mount_namespace(task);
		if (copy.root_pid == pid) {
			if (copy.kind != LINEAGE_SUPERVISOR && !(copy.level & QUIET_EXIT) &&
			    command_allowed(task, RECORD_COMMAND_EXIT))
				report_command_exit(task, signal, &copy);
		} else if (is_init(&copy, read_pointer(task, OFF_task_struct_group_leader),
				   mnt_ns)) {
			/* The last thread to end need not be the leader: "runc init" is a Go program. */
			report_init_exit(task, signal, &copy, 0);
		}
		return 0;
	}
	lineages.delete(&pid);
	return 0;
}

int on_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	u64 cgroup = ctx->args[0];
	u64 task = bpf_get_current_task();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 thread_pid = read_pointer(task, OFF_task_struct_thread_pid);
	struct lineage *lineage;
	struct scratch *scratch;
	u32 kind;

	/* Once for a container, not once for each v1 hierarchy. */
	if (read_pointer(cgroup, OFF_cgroup_root) !=
	    read_pointer(pids_cgroup(task), OFF_cgroup_root))
		return 0;
	lineage = lineages.lookup(&pid);
	if (!lineage) {
		/* An init system makes a cgroup for each of its services. */
		if (innermost_pid(thread_pid, namespace_level(thread_pid)) == 1)
			return 0;
		found_lineage(task, pid,
			      read_pointer(read_pointer(task, OFF_task_struct_group_leader),
					   OFF_task_struct_start_time),
			      mount_namespace(task), LINEAGE_CGROUP_MAKER, 0);
		lineage = lineages.lookup(&pid);
		if (!lineage)
			return 0;
	}
	/* A known runtime has told its container by its command line already. */
	kind = lineage->kind;
	if (kind == LINEAGE_RUNTIME || !guess_allowed(task, RECORD_CGROUP_BIRTH))
		return 0;
	scratch = begin(RECORD_CGROUP_BIRTH);
	if (!scratch)
		return 0;
	set_root(&scratch->record, lineage, kind);
	fill_process(&scratch->record, task);
	fill_ancestors(scratch, task);
	scratch->record.cgroup_v1_len = append_cgroup(scratch, cgroup);
	fill_argv(scratch, task);
	submit_commands(scratch, RECORD_CGROUP_BIRTH, true);
	return 0;
}

/*
 * A runtime forks the init first and makes its cgroup then: the lineage of a runtime that is told by
 * its cgroup reaches the init when it is moved there. With CLONE_INTO_CGROUP fork does it.
 */
int on_cgroup_attach(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[2];
	u32 maker = bpf_get_current_pid_tgid() >> 32;
	struct lineage *lineage = lineages.lookup(&maker);
	struct lineage copy;
	u32 pid;

	if (!lineage || lineage->kind != LINEAGE_CGROUP_MAKER)
		return 0;
	pid = read_u32(task, OFF_task_struct_tgid);
	if (pid == maker || lineages.lookup(&pid))
		return 0;
	copy = *lineage;
	lineages.update(&pid, &copy);
	return 0;
}

/* Up to 6.8 the argument is the victim's pid, later its task_struct. */
int on_oom_victim(struct bpf_raw_tracepoint_args *ctx)
{
	u64 victim = ctx->args[0];
	u32 pid = victim < 0x80000000ULL ? (u32)victim : read_u32(victim, OFF_task_struct_tgid);
	struct started_init *init = inits.lookup(&pid);

	if (init)
		init->oom_killed = 1;
	return 0;
}

/* Whether the process itself is an engine, a shim, a monitor or a runtime, and no caller of one. */
static __always_inline bool is_part_of_engine(u64 task)
{
	u32 pid = read_u32(task, OFF_task_struct_tgid);
	struct lineage *lineage = lineages.lookup(&pid);

	return lineage && lineage->root_pid == pid &&
	       (lineage->kind == LINEAGE_RUNTIME || lineage->kind == LINEAGE_SUPERVISOR);
}

#ifdef OFF_bpf_sock_addr_kern_uaddr
struct socket_path {
	u64 words[SOCKET_PATH_LEN / 8];
};

static __always_inline u64 hash_path(struct socket_path *path)
{
	u64 hash = 0xcbf29ce484222325ULL;
	u32 i;

#pragma unroll
	for (i = 0; i < SOCKET_PATH_LEN / 8; i++)
		hash = (hash ^ path->words[i]) * 0x100000001b3ULL;
	return hash;
}

/*
 * cgroup/connect_unix, since Linux 6.7: who connects to which unix socket, at no cost to anything
 * else. The first connect to each path of each mount namespace goes up; user space looks whether an
 * engine listens there and writes its verdict into socket_verdicts. What this program returns is a
 * constant: it allows every connect.
 */
int on_connect_unix(void *ctx)
{
	u64 task = bpf_get_current_task();
	u64 address = read_pointer((u64)ctx, OFF_bpf_sock_addr_kern_uaddr);
	struct socket_path path = {};
	struct socket_place place = {};
	struct scratch *scratch;
	bool urgent = false;
	u32 first = 1;
	u32 *verdict;
	u32 offset;
	long length;

	/* struct sockaddr_un: the family, then up to 108 bytes; an abstract name begins with NUL. */
	length = bpf_probe_read_kernel_str(&path, SOCKET_PATH_LEN - 3, (void *)(address + 2));
	if (length <= 1)
		return 1;
	place.hash = hash_path(&path);
	place.mnt_ns = mount_namespace(task);
	verdict = socket_verdicts.lookup(&place);
	if (verdict && *verdict == SOCKET_ENGINE) {
		if (!command_allowed(task, RECORD_API_CONNECT))
			return 1;
	} else if (verdict && *verdict >= SOCKET_PATIENCE) {
		return 1;
	} else if (!guess_allowed(task, RECORD_API_CONNECT)) {
		return 1;
	} else {
		/* Who lives for a moment must be looked at while it does. */
		urgent = !is_part_of_engine(task);
		if (verdict)
			__sync_fetch_and_add(verdict, 1);
		else
			socket_verdicts.update(&place, &first);
	}
	scratch = begin(RECORD_API_CONNECT);
	if (!scratch)
		return 1;
	fill_identity(scratch, task);
	offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
	bpf_probe_read_kernel(&scratch->tail[offset], SOCKET_PATH_LEN, &path);
	scratch->record.text_len = length & 127;
	scratch->record.size += length & 127;
	fill_argv(scratch, task);
	submit_commands(scratch, RECORD_API_CONNECT, urgent);
	return 1;
}
#endif

/*
 * Optional: who asks an engine for what, with the first bytes of the request. fentry and fexit need
 * rights that not every host gives; the kernel's own functions have been the same since 5.5.
 */
#if defined(OFF_unix_sock_peer) && defined(ENUM_ITER_IOVEC)
#define RPC_MESSAGE_MAX 1024
#define POST 0x54534f50U
#define METHOD_LEN 5 /* "POST " */
#define LETTERS_START 0x7374617274ULL /* "start" */

/* The engine API that listens at a socket, or at the one that it was accepted from; 0 for none. */
static __always_inline u32 api_at(u64 socket)
{
	u64 dentry = socket ? read_pointer(socket, OFF_unix_sock_dentry) : 0;
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

/* The same of the socket that this one is connected to. */
static __always_inline u32 engine_api(u64 socket, u64 *peer)
{
	*peer = read_pointer(socket, OFF_unix_sock_peer);
	return api_at(*peer);
}

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

static __always_inline void append_listener(struct scratch *scratch, u64 peer)
{
	u64 address = read_pointer(peer, OFF_unix_sock_addr);
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

/* struct sk_buff_head: next, then prev. */
static __always_inline u64 last_packet(u64 peer)
{
	u64 queue = peer + OFF_sock_receive_queue;
	u64 last = read_pointer(queue, 8);

	return last == queue ? 0 : last;
}

/* ``packet`` is what the bytes lie in, 0 when they are the sender's own. */
static __always_inline long read_request(void *into, u64 length, u64 packet, u64 bytes)
{
	if (packet)
		return bpf_probe_read_kernel(into, length, (void *)bytes);
	return bpf_probe_read_user(into, length, (void *)bytes);
}

/*
 * Whether the path of an HTTP request may end in start or restart: of the four requests of a docker
 * run three do not. A path with an escaped letter, and one that does not end in what is looked at,
 * counts as one that may.
 */
static __always_inline bool may_start(u64 packet, u64 bytes, u64 usable)
{
	u32 kind = RECORD_API_REQUEST;
	struct scratch *scratch = scratches.lookup(&kind);
	u64 last = 0; /* the last eight bytes, the latest lowest */
	u32 i;

	if (!scratch)
		return true;
	if (usable > PAYLOAD_LEN - 1)
		usable = PAYLOAD_LEN - 1;
	usable &= PAYLOAD_LEN - 1;
	if (usable <= METHOD_LEN || read_request(scratch->tail, usable, packet, bytes))
		return true;
#pragma nounroll
	for (i = METHOD_LEN; i < PAYLOAD_LEN; i++) {
		u8 letter = scratch->tail[i & TAIL_MASK];

		if (i >= usable || letter == '%')
			return true;
		if (letter == ' ' || letter == '?')
			return false;
		last = last << 8 | letter;
		if ((last & 0xffffffffffULL) == LETTERS_START)
			return true;
	}
	return true;
}

static __always_inline void report_request(u32 api, u64 peer, u64 packet, u64 bytes, u64 usable)
{
	u64 task = bpf_get_current_task();
	struct scratch *scratch;
	u32 offset;

	/* What an engine asks of another one, and never of Docker, was asked of it by somebody. */
	if (api == API_RPC ? is_part_of_engine(task) : !may_start(packet, bytes, usable))
		return;
	if (!command_allowed(task, RECORD_API_REQUEST))
		return;
	scratch = begin(RECORD_API_REQUEST);
	if (!scratch)
		return;
	fill_identity(scratch, task);
	append_listener(scratch, peer);
	if (usable > PAYLOAD_LEN - 1)
		usable = PAYLOAD_LEN - 1;
	usable &= PAYLOAD_LEN - 1;
	offset = (scratch->record.size - sizeof(struct record)) & TAIL_MASK;
	if (read_request(&scratch->tail[offset], usable, packet, bytes) ||
	    (packet && last_packet(peer) != packet))
		return;
	scratch->record.payload_len = usable;
	scratch->record.size += usable;
	fill_argv(scratch, task);
	submit_commands(scratch, RECORD_API_REQUEST, false);
}

/*
 * sk_data_ready, since Linux 6.3, for hosts that refuse fentry: in the sender's context, once what it
 * sent is queued at the other end and before who sleeps there is woken. A receiver that did not
 * sleep may have taken it: nothing is told then. What is still there after it was read was there all
 * the time.
 */
#if defined(OFF_sk_buff_data_len)
#define SOCKET_UNIX 1

int on_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	u64 receiver = ctx->args[0];
	u64 packet;
	u64 bytes;
	u64 usable;
	u32 head = 0;
	u32 api;

	if ((read_u32(receiver, OFF_sock_family) & 0xffff) != SOCKET_UNIX)
		return 0;
	api = api_at(receiver);
	packet = api ? last_packet(receiver) : 0;
	if (!packet)
		return 0;
	bytes = read_pointer(packet, OFF_sk_buff_data);
	usable = read_u32(packet, OFF_sk_buff_len);
	if (api == API_RPC && usable > RPC_MESSAGE_MAX)
		return 0;
	usable -= read_u32(packet, OFF_sk_buff_data_len);
	if (usable < sizeof(head) || bpf_probe_read_kernel(&head, sizeof(head), (void *)bytes) < 0)
		return 0;
	if (api == API_HTTP && head != POST)
		return 0;
	report_request(api, receiver, packet, bytes, usable);
	return 0;
}
#endif

struct socket;
struct msghdr;
struct sockaddr;

KFUNC_PROBE(unix_stream_sendmsg, struct socket *socket, struct msghdr *message, u64 length)
{
	u64 peer;
	u32 api = engine_api(read_pointer((u64)socket, OFF_socket_sk), &peer);
	u64 usable = 0;
	u32 head = 0;
	u64 bytes;

	if (!api || (api == API_RPC && length > RPC_MESSAGE_MAX))
		return 0;
	bytes = first_bytes((u64)message, length, &usable);
	if (!bytes || usable < sizeof(head) ||
	    bpf_probe_read_user(&head, sizeof(head), (void *)bytes) < 0)
		return 0;
	if (api == API_HTTP && head != POST)
		return 0;
	report_request(api, peer, 0, bytes, usable);
	return 0;
}

/* For kernels without cgroup/connect_unix. */
KRETFUNC_PROBE(unix_stream_connect, struct socket *socket, struct sockaddr *address, int length,
	       int flags, int result)
{
	u64 task;
	u64 peer;
	struct scratch *scratch;

	if (result || !engine_api(read_pointer((u64)socket, OFF_socket_sk), &peer))
		return 0;
	task = bpf_get_current_task();
	if (!command_allowed(task, RECORD_API_CONNECT))
		return 0;
	scratch = begin(RECORD_API_CONNECT);
	if (!scratch)
		return 0;
	scratch->record.flags = FLAG_LISTENER;
	fill_identity(scratch, task);
	append_listener(scratch, peer);
	fill_argv(scratch, task);
	submit_commands(scratch, RECORD_API_CONNECT, false);
	return 0;
}
#endif
