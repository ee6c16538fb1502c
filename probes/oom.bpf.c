/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* mark_victim: whom the OOM killer chose. */

#define KERNEL_ADDRESSES 0x80000000ULL /* a pid is below, a task_struct above */

/* Up to 6.8 the argument is the victim's pid, later its task_struct. */
int on_oom_victim(struct bpf_raw_tracepoint_args *ctx)
{
	u64 victim = ctx->args[0];
	u32 pid = victim < KERNEL_ADDRESSES ? (u32)victim : read_u32(victim, OFF_task_struct_tgid);
	struct started_init *init = inits.lookup(&pid);

	if (init)
		init->oom_killed = 1;
	return 0;
}
