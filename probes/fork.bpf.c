/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* sched_process_fork: a lineage is inherited. */

int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u64 child = ctx->args[1];
	u32 parent_pid = bpf_get_current_pid_tgid() >> 32;
	struct lineage lineage = {};
	u32 pid;

	get_lineage(&parent_pid, &lineage);
	if (lineage.kind == LINEAGE_NONE || lineage.kind == LINEAGE_CLIENT)
		return 0;
	pid = read_u32(child, OFF_task_struct_tgid);
	if (pid == parent_pid)
		return 0;
	set_lineage(&pid, &lineage);
	return 0;
}
