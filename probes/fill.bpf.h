/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Building a record in a scratch of its kind's own, and handing it over. Lengths are masked where the
 * verifier would otherwise lose track of them.
 */

/*
 * A scratch that no record is built in. What a search found is passed on through its memory: the
 * verifier would follow each outcome of a loop, held in a register, through all that comes after.
 */
static __always_inline struct scratch *work_space(void)
{
	u32 no_kind = 0;

	return scratches.lookup(&no_kind);
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
	record->offset = UNSET_OFFSET;
	return scratch;
}

/* ``lineage``: of kind LINEAGE_NONE, its fields are 0. */
static __always_inline void set_root(struct record *record, struct lineage *lineage, u32 kind)
{
	record->lineage = kind;
	record->root_pid = lineage->root_pid;
	record->root_start_time = lineage->root_start_time;
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
	record->start_time = start_time_of(task);
	record->uid = read_u32(cred, OFF_cred_uid);
	record->euid = read_u32(cred, OFF_cred_euid);
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
	record->user_ns = read_u32(read_pointer(cred, OFF_cred_user_ns), OFF_user_namespace_inum);
	record->pid_ns = pid_namespace(pid, level);
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

/* The other namespaces, where a container may share its host's. */
static __always_inline void fill_namespaces(struct record *record, u64 task)
{
	u64 proxy = read_pointer(task, OFF_task_struct_nsproxy);

	record->net_ns = read_u32(read_pointer(proxy, OFF_nsproxy_net_ns), OFF_net_inum);
#ifdef OFF_ipc_namespace_inum
	record->ipc_ns = read_u32(read_pointer(proxy, OFF_nsproxy_ipc_ns), OFF_ipc_namespace_inum);
#endif
#ifdef OFF_uts_namespace_inum
	record->uts_ns = read_u32(read_pointer(proxy, OFF_nsproxy_uts_ns), OFF_uts_namespace_inum);
#endif
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

/*
 * Append the name of a dentry or kernfs node to the tail; false when it cannot be read. Where it goes
 * is read from memory, since the verifier would follow every sum of lengths through all later turns.
 */
static __always_inline bool append_name(struct scratch *scratch, u64 name)
{
	u32 offset;
	long length;

	from_memory();
	offset = scratch->record.size - sizeof(struct record);
	length = bpf_probe_read_kernel_str(&scratch->tail[offset & TAIL_MASK], CGROUP_NAME_LEN,
					   (void *)name);
	if (length < 0)
		return false;
	scratch->record.size += length & (2 * CGROUP_NAME_LEN - 1);
	return true;
}

/* Append a cgroup's names, leaf first; returns their length with the NULs. */
static __always_inline u32 append_cgroup(struct scratch *scratch, u64 cgroup)
{
	u64 node = cgroup ? read_pointer(cgroup, OFF_cgroup_kn) : 0;
	u32 begin = scratch->record.size;
	u32 i;

#pragma nounroll
	for (i = 0; i < CGROUP_DEPTH; i++) {
		u64 parent = node ? read_pointer(node, OFF_kernfs_node_parent) : 0;

		if (!parent || scratch->record.size - begin > CGROUP_LEN)
			break;
		if (!append_name(scratch, read_pointer(node, OFF_kernfs_node_name)))
			break;
		node = parent;
	}
	from_memory();
	return scratch->record.size - begin;
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
	u32 begin = scratch->record.size;
	u32 i;

#pragma nounroll
	for (i = 0; i < CWD_DEPTH; i++) {
		u64 parent = dentry ? read_pointer(dentry, OFF_dentry_d_parent) : 0;
		u64 root = read_pointer(mount, OFF_mount_mnt + OFF_vfsmount_mnt_root);

		if (!parent || scratch->record.size - begin > CWD_LEN)
			break;
		if (dentry == root || dentry == parent) {
			u64 outer = read_pointer(mount, OFF_mount_mnt_parent);

			if (!outer || outer == mount)
				break;
			dentry = read_pointer(mount, OFF_mount_mnt_mountpoint);
			mount = outer;
			continue;
		}
		if (!append_name(scratch, read_pointer(dentry, OFF_dentry_name)))
			break;
		dentry = parent;
	}
	from_memory();
	scratch->record.text_len = scratch->record.size - begin;
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

/* What a record takes in a ring: a header of 8 bytes, and 8 bytes are the unit. */
static __always_inline u64 ring_bytes(u64 length)
{
	return (length + 8 + 7) & ~7ULL;
}

static __always_inline void note_produced(u32 index, u64 bytes)
{
	u64 *value = ring_positions.lookup(&index);

	if (value)
		__sync_fetch_and_add(value, bytes);
}

static __always_inline void submit_lifecycle(struct scratch *scratch, u64 origin, u32 kind,
					     bool urgent)
{
	u64 wakeup = urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	u64 length = used_length(scratch);

	if (!has_room(origin, true, ring_bytes(length))) {
		count(kind, COUNT_LIMITED);
		return;
	}
	if (lifecycle.ringbuf_output(scratch, length, wakeup) < 0) {
		count(kind, COUNT_DROPPED);
		return;
	}
	note_produced(LIFECYCLE_PRODUCED, ring_bytes(length));
	count(kind, COUNT_SUBMITTED);
}

/*
 * The agent is woken by what must be acted on at once: a runtime that is about to make or start a
 * container, an engine that begins, and whatever may be a runtime. The rest is background that it
 * finds when it polls.
 */
static __always_inline void submit_commands(struct scratch *scratch, u64 origin, u32 kind,
					    bool urgent)
{
	u64 wakeup = urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	u64 length = used_length(scratch);

	if (!has_room(origin, false, ring_bytes(length))) {
		note_lost(origin, kind);
		count(kind, COUNT_LIMITED);
		return;
	}
	if (commands.ringbuf_output(scratch, length, wakeup) < 0) {
		note_lost(origin, kind);
		count(kind, COUNT_DROPPED);
		return;
	}
	note_produced(COMMANDS_PRODUCED, ring_bytes(length));
	count(kind, COUNT_SUBMITTED);
}
