/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* sched_process_exit: ends of inits and of commands, and of what the maps hold for a process. */

#define SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */

static __always_inline u32 exit_status(u64 task, u64 signal)
{
	if (read_u32(signal, OFF_signal_struct_flags) & SIGNAL_GROUP_EXIT)
		return read_u32(signal, OFF_signal_struct_group_exit_code);
	return read_u32(read_pointer(task, OFF_task_struct_group_leader),
			OFF_task_struct_exit_code);
}

static __always_inline void report_init_exit(u64 task, u64 origin, u64 signal,
					     struct lineage *lineage, u8 flags)
{
	struct scratch *scratch = begin(RECORD_INIT_EXIT);

	if (!scratch)
		return;
	scratch->record.status = exit_status(task, signal);
	scratch->record.flags = flags;
	set_root(&scratch->record, lineage, lineage->kind);
	fill_process(&scratch->record, task);
	fill_cgroups(scratch, task);
	/* Soon after a start the agent polls by itself. */
	submit_lifecycle(scratch, origin, RECORD_INIT_EXIT,
			 !(flags & FLAG_STARTED) ||
				 scratch->record.time - scratch->record.start_time > POLLED_WITHIN);
}

static __always_inline void report_command_exit(u64 task, u64 origin, u64 signal,
						struct lineage *lineage)
{
	struct scratch *scratch = begin(RECORD_COMMAND_EXIT);

	if (!scratch)
		return;
	scratch->record.status = exit_status(task, signal);
	scratch->record.pid = lineage->root_pid;
	scratch->record.start_time = lineage->root_start_time;
	submit_commands(scratch, origin, RECORD_COMMAND_EXIT, false);
}

static __always_inline void end_member(u64 task, u64 signal, u32 pid, struct lineage *lineage)
{
	bool privileged = lineage->flags & FOUNDER_PRIVILEGED;
	u64 origin = privileged ? ORIGIN_PRIVILEGED : origin_of(task);

	if (lineage->root_pid == pid) {
		bool ends = lineage->kind != LINEAGE_SUPERVISOR || lineage->flags & FOUNDER_ASKS;

		if (ends && !(lineage->flags & FOUNDER_QUIET) &&
		    command_allowed(task, origin, RECORD_COMMAND_EXIT))
			report_command_exit(task, origin, signal, lineage);
		return;
	}
	/* The last thread to end need not be the leader: "runc init" is a Go program. */
	if (!is_init(lineage, read_pointer(task, OFF_task_struct_group_leader),
		     mount_namespace(task)))
		return;
	if (!privileged && !guess_allowed(origin, RECORD_INIT_EXIT, INITS_OF_ORIGIN))
		return;
	report_init_exit(task, origin, signal, lineage, 0);
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[0];
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct started_init *found = inits.lookup(&pid);
	struct started_init init = {};
	struct lineage lineage = {};
	u64 signal;

	get_lineage(&pid, &lineage);
	if (!found && lineage.kind == LINEAGE_NONE)
		return 0;
	signal = read_pointer(task, OFF_task_struct_signal);
	if (read_u32(signal, OFF_signal_struct_live))
		return 0;

	if (found) {
		init = *found;
		/* Two last threads may both find no other alive; only one of them deletes the entry. */
		if (inits.delete(&pid))
			return 0;
		forget_mount(init.mnt_ns, pid);
	}
	if (found && !init.holder) {
		u8 flags = FLAG_STARTED | (init.oom_killed ? FLAG_OOM_KILLED : 0);

		struct lineage none = {};

		return_share(init.origin);
		drop_lineage(&pid);
		report_init_exit(task, init.origin, signal, &none, flags);
		return 0;
	}
	if (drop_lineage(&pid) || lineage.kind == LINEAGE_CGROUP_MAKER)
		return 0;
	end_member(task, signal, pid, &lineage);
	return 0;
}
