/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Descent from runtimes, supervisors and cgroup makers, and what has started already. */

/*
 * Copies a process's lineage; its kind is LINEAGE_NONE when there is none. A copy, since the verifier
 * would go through all that follows once for each map that a pointer may lead into.
 */
static __always_inline void get_lineage(u32 *pid, struct lineage *copy)
{
	struct lineage *found = lineages.lookup(pid);

	if (!found)
		found = lineages_of_others.lookup(pid);
	if (found)
		*copy = *found;
}

static __always_inline void set_lineage(u32 *pid, struct lineage *lineage)
{
	int failed;

	if (lineage->flags & FOUNDER_PRIVILEGED)
		failed = lineages.update(pid, lineage);
	else
		failed = lineages_of_others.update(pid, lineage);
	if (failed)
		count_failure(FAILED_LINEAGES);
}

/* Returns 0 when this call removed it; of two that end at once only one does. */
static __always_inline int drop_lineage(u32 *pid)
{
	int privileged = lineages.delete(pid);
	int others = lineages_of_others.delete(pid);

	return privileged && others;
}

static __always_inline void found_lineage(u64 task, u64 origin, u32 pid, u64 start_time, u32 mnt_ns,
					  u32 kind, u32 flags)
{
	struct lineage lineage = {
		.root_start_time = start_time,
		.root_pid = pid,
		.mnt_ns = mnt_ns,
		.level = namespace_level(read_pointer(task, OFF_task_struct_thread_pid)),
		.kind = kind,
		.flags = flags,
	};

	if (origin == ORIGIN_PRIVILEGED) {
		lineage.flags |= FOUNDER_PRIVILEGED;
		lineages_of_others.delete(&pid);
	} else {
		lineages.delete(&pid);
	}
	set_lineage(&pid, &lineage);
}

static __always_inline bool has_started(struct started_init *init, u64 start_time)
{
	if (!init || init->holder)
		return false;
	if (init->seeded)
		start_time = start_time / NS_PER_TICK * NS_PER_TICK;
	return init->start_time == start_time;
}

/* Whether something has started in the task's mount namespace before. */
static __always_inline bool is_started_mount(u64 task, u32 mnt_ns)
{
	struct started_mount *mount = started_mounts.lookup(&mnt_ns);
	u64 identity;

	if (!mount)
		return false;
	identity = mount_identity(task);
	return !identity || !mount->identity || identity == mount->identity;
}

/* Whether a member of a lineage is what its founder meant to become a container's init. */
static __always_inline bool is_init(struct lineage *lineage, u64 task, u32 mnt_ns)
{
	u64 pid = read_pointer(task, OFF_task_struct_thread_pid);
	u32 level = namespace_level(pid);

	if (level > lineage->level && is_first(pid, level))
		return true;
	return mnt_ns != lineage->mnt_ns && !is_started_mount(task, mnt_ns) &&
	       is_session_leader(task, pid);
}

/* Whether a process outside of every lineage looks like an init: lxc, nspawn, an unknown runtime. */
static __always_inline bool is_foreign_init(u64 task)
{
	u64 pid = read_pointer(task, OFF_task_struct_thread_pid);
	u32 level = namespace_level(pid);

	if (!level || !is_first(pid, level))
		return false;
	return read_pointer(task, OFF_task_struct_cgroups) !=
	       read_pointer(read_pointer(task, OFF_task_struct_real_parent),
			    OFF_task_struct_cgroups);
}

/* One more living init of an origin; false when it has its share of them. */
static __always_inline bool take_share(u64 origin)
{
	u64 first = 1;
	u64 *live;

	if (origin == ORIGIN_PRIVILEGED)
		return true;
	live = shares.lookup(&origin);
	if (!live) {
		if (shares.update(&origin, &first))
			count_failure(FAILED_SHARES);
		return true;
	}
	if (*live >= LIVE_INITS_OF_ORIGIN)
		return false;
	__sync_fetch_and_add(live, 1);
	return true;
}

static __always_inline void return_share(u64 origin)
{
	u64 *live = origin == ORIGIN_PRIVILEGED ? 0 : shares.lookup(&origin);

	if (live && *live)
		__sync_fetch_and_add(live, -1);
}

/* The number that a process held is free again, unless another one has started there since. */
static __always_inline void forget_mount(u32 mnt_ns, u32 pid)
{
	struct started_mount *mount = started_mounts.lookup(&mnt_ns);

	if (mount && mount->pid == pid)
		started_mounts.delete(&mnt_ns);
}

static __always_inline void remember_init(u64 task, u64 origin, u32 pid, u64 start_time, u32 mnt_ns)
{
	struct started_init init = { .start_time = start_time, .origin = origin, .mnt_ns = mnt_ns };
	struct started_mount mount = { .pid = pid, .identity = mount_identity(task) };
	struct started_init *before = inits.lookup(&pid);

	if (before)
		forget_mount(before->mnt_ns, pid);
	if (inits.update(&pid, &init))
		count_failure(FAILED_INITS);
	if (started_mounts.update(&mnt_ns, &mount))
		count_failure(FAILED_STARTED_MOUNTS);
}
