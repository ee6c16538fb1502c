/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Whose a task is, and what each may use. What one cannot have is taken from the same one: every
 * budget and every share of a ring or map is an origin's.
 */
#define ORIGIN_PRIVILEGED 0
#define ORIGIN_NAMESPACED (1ULL << 32)
#define CAPABILITY_SYS_ADMIN (1ULL << 21)
#define USER_NAMESPACES_CLIMBED 8 /* of up to 32; what is deeper shares one origin */

/* Whether credentials allow anything on this host. */
static __always_inline bool is_privileged(u64 cred)
{
	return !read_u32(read_pointer(cred, OFF_cred_user_ns), OFF_user_namespace_level) &&
	       read_pointer(cred, OFF_cred_cap_effective) & CAPABILITY_SYS_ADMIN;
}

/*
 * Who answers for a task: 0 for one that may do anything on this host, otherwise a number that its
 * subject cannot change at will. In the first user namespace these are the effective user and the
 * mount namespace, since changing either takes CAP_SYS_ADMIN or another user's password. Anybody may
 * make user namespaces, and with them any other: there it is who made the outermost one. Who is deeper
 * than is climbed may have made the one that is reached as any of thousands of subordinate users.
 */
static __always_inline u64 origin_of(u64 task)
{
	u64 cred = read_pointer(task, OFF_task_struct_real_cred);
	u64 space = read_pointer(cred, OFF_cred_user_ns);
	u32 level = read_u32(space, OFF_user_namespace_level);
	u32 i;

	if (!level) {
		if (read_pointer(cred, OFF_cred_cap_effective) & CAPABILITY_SYS_ADMIN)
			return ORIGIN_PRIVILEGED;
		return (u64)mount_namespace(task) << 32 | read_u32(cred, OFF_cred_euid);
	}
#pragma unroll
	for (i = 0; i < USER_NAMESPACES_CLIMBED; i++) {
		if (level <= 1)
			break;
		space = read_pointer(space, OFF_user_namespace_parent);
		level--;
	}
	if (level > 1)
		return ORIGIN_NAMESPACED | UNSET;
	return ORIGIN_NAMESPACED | read_u32(space, OFF_user_namespace_owner);
}

/* One step of a fixed one-second window; false when the key has used its share. */
static __always_inline bool within_budget(struct budget_key *key, u32 limit)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct budget fresh = { .since = now, .used = 1 };
	struct budget *budget = budgets.lookup(key);

	if (!budget) {
		if (budgets.update(key, &fresh))
			count_failure(FAILED_BUDGETS);
		return true;
	}
	if (now - budget->since >= CLOCK_SECOND) {
		budget->since = now;
		budget->used = 1;
		return true;
	}
	if (budget->used >= limit)
		return false;
	__sync_fetch_and_add(&budget->used, 1);
	return true;
}

/*
 * Whether an origin may put ``size`` bytes into a ring. Those that are not privileged together fill
 * half of it at most, and each one part: while no agent reads, what others do still fits. A window is
 * as long as what was put there in the one before waits to be read.
 */
static __always_inline bool has_room(u64 origin, bool lifecycle_ring, u32 size)
{
	struct budget_key key = { .origin = origin };
	u64 capacity = PAGE * (lifecycle_ring ? LIFECYCLE_PAGES : COMMANDS_PAGES);
	u64 produced = ring_position(lifecycle_ring ? LIFECYCLE_PRODUCED : COMMANDS_PRODUCED);
	u64 released = ring_position(lifecycle_ring ? LIFECYCLE_RELEASED : COMMANDS_RELEASED);
	struct budget fresh = { .since = produced, .used = size };
	struct budget *budget;

	if (origin == ORIGIN_PRIVILEGED)
		return true;
	if (produced - released > capacity / 2)
		return false;
	key.whose = lifecycle_ring ? BUDGET_LIFECYCLE_RING : BUDGET_COMMANDS_RING;
	budget = budgets.lookup(&key);
	if (!budget) {
		if (budgets.update(&key, &fresh))
			count_failure(FAILED_BUDGETS);
		return true;
	}
	if (released >= budget->since) {
		budget->before = released >= produced ? 0 : budget->used;
		budget->used = size;
		budget->since = produced;
		return true;
	}
	if ((u64)budget->before + budget->used + size > capacity / RING_PARTS)
		return false;
	__sync_fetch_and_add(&budget->used, size);
	return true;
}

/*
 * Whoever looks for a cause by elimination must know that some may be missing. A lost command alone
 * is no possible cause where connects are seen: its process would have had to be let in.
 */
static __always_inline void note_lost(u64 origin, u32 kind)
{
	u32 index = SETTING_COMMAND_LOST;
	u64 *time = settings.lookup(&index);

	if (kind == RECORD_API_ANSWER || kind == RECORD_CGROUP_FROZEN)
		return;
	if (origin != ORIGIN_PRIVILEGED && kind != RECORD_API_CONNECT &&
	    kind != RECORD_API_REQUEST && setting(SETTING_CONFIRMS))
		return;
	if (time)
		*time = bpf_ktime_get_boot_ns();
}

static __always_inline bool causes_may_be_lost(void)
{
	u64 time = setting(SETTING_COMMAND_LOST);

	return time && bpf_ktime_get_boot_ns() - time < CAUSES_WINDOW;
}

/* An attacker can execute a file called runc in a loop: first its parent's share, then its origin's. */
static __always_inline bool command_allowed(u64 task, u64 origin, u32 kind)
{
	struct budget_key key = { .origin = origin, .kind = kind };
	bool asks = origin == ORIGIN_PRIVILEGED && kind == RECORD_API_REQUEST;
	u32 limit = origin == ORIGIN_PRIVILEGED ? COMMANDS_OF_ROOTS_PARENT : COMMANDS_OF_PARENT;

	if (!asks)
		task = read_pointer(task, OFF_task_struct_real_parent);
	key.whose = read_u32(task, OFF_task_struct_tgid);
	if (within_budget(&key, asks ? REQUESTS_OF_PROCESS : limit)) {
		key.whose = BUDGET_ORIGIN;
		if (within_budget(&key, COMMANDS_OF_ORIGIN))
			return true;
	}
	note_lost(origin, kind);
	count(kind, COUNT_LIMITED);
	return false;
}

/* Of what may be a runtime's or an engine's, and mostly is not. */
static __always_inline bool guess_allowed(u64 origin, u32 kind, u32 limit)
{
	struct budget_key key = { .origin = origin, .whose = BUDGET_GUESSES, .kind = kind };

	if (within_budget(&key, limit))
		return true;
	note_lost(origin, kind);
	count(kind, COUNT_LIMITED);
	return false;
}
