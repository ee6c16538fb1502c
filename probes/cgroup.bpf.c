/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* cgroup_mkdir, cgroup_attach_task: runtimes of unknown names. cgroup_freeze and its kin: pauses. */

int on_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	u64 cgroup = ctx->args[0];
	u64 task = bpf_get_current_task();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 thread_pid = read_pointer(task, OFF_task_struct_thread_pid);
	struct lineage lineage = {};
	struct scratch *scratch;
	u64 origin;

	/* Once for a container, not once for each v1 hierarchy. */
	if (read_pointer(cgroup, OFF_cgroup_root) !=
	    read_pointer(pids_cgroup(task), OFF_cgroup_root))
		return 0;
	origin = origin_of(task);
	get_lineage(&pid, &lineage);
	if (lineage.kind == LINEAGE_NONE) {
		/* An init system makes a cgroup for each of its services. */
		if (is_first(thread_pid, namespace_level(thread_pid)))
			return 0;
		found_lineage(task, origin, pid, start_time_of(task), mount_namespace(task),
			      LINEAGE_CGROUP_MAKER, 0);
		get_lineage(&pid, &lineage);
	}
	/* A known runtime has named its container by its command line already. */
	if (lineage.kind == LINEAGE_RUNTIME ||
	    !guess_allowed(origin, RECORD_CGROUP_BIRTH, GUESSES_OF_ORIGIN))
		return 0;
	scratch = begin(RECORD_CGROUP_BIRTH);
	if (!scratch)
		return 0;
	set_root(&scratch->record, &lineage, lineage.kind);
	fill_process(&scratch->record, task);
	fill_ancestors(scratch, task);
	scratch->record.cgroup_v1_len = append_cgroup(scratch, cgroup);
	fill_argv(scratch, task);
	submit_commands(scratch, origin, RECORD_CGROUP_BIRTH, true);
	return 0;
}

/*
 * A runtime forks the init first and makes its cgroup then: the lineage of a runtime that is known by
 * its cgroup reaches the init when it is moved there. With CLONE_INTO_CGROUP fork does it.
 */
int on_cgroup_attach(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[2];
	u32 maker = bpf_get_current_pid_tgid() >> 32;
	struct lineage lineage = {};
	struct lineage own = {};
	u32 pid;

	get_lineage(&maker, &lineage);
	if (lineage.kind != LINEAGE_CGROUP_MAKER)
		return 0;
	pid = read_u32(task, OFF_task_struct_tgid);
	get_lineage(&pid, &own);
	if (pid == maker || own.kind != LINEAGE_NONE)
		return 0;
	set_lineage(&pid, &lineage);
	return 0;
}

/* The process of the record is the one that acts: who asks for it, or the last one that stops. */
static __always_inline void report_freezing(u64 cgroup, u32 status)
{
	u64 task = bpf_get_current_task();
	u64 origin = origin_of(task);
	struct scratch *scratch;

	if (!guess_allowed(origin, RECORD_CGROUP_FROZEN, FREEZES_OF_ORIGIN))
		return;
	scratch = begin(RECORD_CGROUP_FROZEN);
	if (!scratch)
		return;
	scratch->record.status = status;
	fill_process(&scratch->record, task);
	scratch->record.cgroup_v2_len = append_cgroup(scratch, cgroup);
	submit_commands(scratch, origin, RECORD_CGROUP_FROZEN, false);
}

int on_cgroup_freeze(struct bpf_raw_tracepoint_args *ctx)
{
	report_freezing(ctx->args[0], FREEZING_FROZEN);
	return 0;
}

int on_cgroup_unfreeze(struct bpf_raw_tracepoint_args *ctx)
{
	report_freezing(ctx->args[0], 0);
	return 0;
}

int on_cgroup_notify_frozen(struct bpf_raw_tracepoint_args *ctx)
{
	report_freezing(ctx->args[0], FREEZING_SETTLED | ((u32)ctx->args[2] ? FREEZING_FROZEN : 0));
	return 0;
}
