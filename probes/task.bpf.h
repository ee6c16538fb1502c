/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Fields of a task_struct and of what it leads to. Every read is a copy: a pointer may be stale. */

/*
 * bcc puts older helpers in place of these where /proc/kallsyms shows no addresses, as to a loader
 * without CAP_SYSLOG. Programs of cgroups may not call those. Under other names they stay. The last
 * macro is what bcc reads a field of a handler's argument by.
 */
static long (*read_kernel)(void *to, u32 size,
			   const void *from) = (void *)BPF_FUNC_probe_read_kernel;
static long (*read_kernel_str)(void *to, u32 size,
			       const void *from) = (void *)BPF_FUNC_probe_read_kernel_str;
static long (*read_user)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_user;
static long (*read_user_str)(void *to, u32 size,
			     const void *from) = (void *)BPF_FUNC_probe_read_user_str;
#define bpf_probe_read_kernel read_kernel
#define bpf_probe_read_kernel_str read_kernel_str
#define bpf_probe_read_user read_user
#define bpf_probe_read_user_str read_user_str
#define bpf_probe_read read_kernel

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

static __always_inline u64 start_time_of(u64 task)
{
	return read_pointer(read_pointer(task, OFF_task_struct_group_leader),
			    OFF_task_struct_start_time);
}

static __always_inline u64 mount_namespace_of(u64 task)
{
	return read_pointer(read_pointer(task, OFF_task_struct_nsproxy), OFF_nsproxy_mnt_ns);
}

static __always_inline u32 mount_namespace(u64 task)
{
	return read_u32(mount_namespace_of(task), OFF_mnt_namespace_inum);
}

/* What tells a mount namespace from a later one of the same number; 0 where the kernel has no such. */
static __always_inline u64 mount_identity(u64 task)
{
#ifdef OFF_mnt_namespace_identity
	return read_pointer(mount_namespace_of(task), OFF_mnt_namespace_identity);
#else
	return 0;
#endif
}

static __always_inline u32 namespace_level(u64 pid)
{
	return read_u32(pid, OFF_pid_level);
}

static __always_inline u32 pid_namespace(u64 pid, u32 level)
{
	u64 upid = OFF_pid_numbers + (u64)(level & LEVELS_MASK) * SIZE_upid;

	return read_u32(read_pointer(pid, upid + OFF_upid_ns), OFF_pid_namespace_inum);
}

static __always_inline u32 innermost_pid(u64 pid, u32 level)
{
	return read_u32(pid,
			OFF_pid_numbers + (u64)(level & LEVELS_MASK) * SIZE_upid + OFF_upid_nr);
}

/* Whether it is pid 1 of its pid namespace. */
static __always_inline bool is_first(u64 pid, u32 level)
{
	return innermost_pid(pid, level) == PID_ONE;
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
	/* task->comm holds 15 bytes: an entry of that length matches every name that begins so. */
	if (!name->text[COMM_LEN - 1])
		return ROLE_NONE;
	__builtin_memcpy(prefix.text, name->text, COMM_LEN - 1);
	role = watched.lookup(&prefix);
	return role ? *role : ROLE_NONE;
}
