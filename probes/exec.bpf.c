/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* sched_process_exec: inits of containers, and the programs on the watch list. */

#define VERB_WITHIN 512
#define WORD_CREATE 0x0063726561746500ULL /* "\0create\0" */
#define WORD_RESTORE 0x726573746f726500ULL /* "restore\0" */
#define WORD_START 0x00737461727400ULL /* "\0start\0" */
#define WORD_RUN 0x0072756e00ULL /* "\0run\0" */
#define WORD_PAUSE 0x00706175736500ULL /* "\0pause\0" */
#define WORD_RESUME 0x00726573756d6500ULL /* "\0resume\0" */
#define LOW_FIVE 0xffffffffffULL
#define LOW_SEVEN 0xffffffffffffffULL
#define STAGE_LEN 6 /* "\0init\0" */
#define STAGE_INIT 0x0074696e6900ULL /* the same, the first byte lowest */
#define STAGE_PROGRAM_MAX 128
/* A client that is an engine, too: podman system service. */
#define PROGRAM_PODMAN 0x6e616d646f70ULL
#define HOOK_LEN 18 /* "libnetwork-setkey\0" */
#define HOOK_FIRST 0x6f7774656e62696cULL /* "libnetwo", the first byte lowest */
#define HOOK_SECOND 0x656b7465732d6b72ULL /* "rk-setke" */

static __always_inline void report_init(u64 task, u32 pid, u64 start_time, u32 mnt_ns,
					struct lineage *lineage, u32 kind)
{
	u64 origin = lineage->flags & FOUNDER_PRIVILEGED ? ORIGIN_PRIVILEGED : origin_of(task);
	struct scratch *scratch;

	if ((origin != ORIGIN_PRIVILEGED || kind == LINEAGE_CGROUP_MAKER ||
	     kind == LINEAGE_CGROUP) &&
	    !guess_allowed(origin, RECORD_INIT_EXEC,
			   origin == ORIGIN_PRIVILEGED ? GUESSES_OF_ORIGIN : INITS_OF_ORIGIN))
		return;
	if (!take_share(origin)) {
		count(RECORD_INIT_EXEC, COUNT_LIMITED);
		return;
	}
	remember_init(task, origin, pid, start_time, mnt_ns);
	scratch = begin(RECORD_INIT_EXEC);
	if (!scratch)
		return;
	if (causes_may_be_lost())
		scratch->record.flags |= FLAG_CAUSES_LOST;
	set_root(&scratch->record, lineage, kind);
	fill_identity(scratch, task);
	fill_namespaces(&scratch->record, task);
	fill_argv(scratch, task);
	submit_lifecycle(scratch, origin, RECORD_INIT_EXEC, true);
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
 * of its command line, and leave it in the work space's status. A verb beyond what is looked at counts
 * as the one that matters most.
 */
static __always_inline void find_work(u64 task)
{
	struct scratch *space = work_space();
	u64 mm = read_pointer(task, OFF_task_struct_mm);
	u64 start = mm ? read_pointer(mm, OFF_mm_struct_arg_start) : 0;
	u64 end = mm ? read_pointer(mm, OFF_mm_struct_arg_end) : 0;
	u64 length = end > start ? end - start : 0;
	u64 last = 0; /* the last eight bytes, the latest lowest */
	u32 i;

	if (!space)
		return;
	space->record.status = WORK_CREATES;
	if (length > VERB_WITHIN)
		length = VERB_WITHIN;
	length &= 2 * VERB_WITHIN - 1;
	if (!length || bpf_probe_read_user(space->tail, length, (void *)start) < 0)
		return;
#pragma nounroll
	for (i = 0; i < VERB_WITHIN; i++) {
		if (i >= length) {
			space->record.status = WORK_BACKGROUND;
			return;
		}
		last = last << 8 | space->tail[i];
		if (last == WORD_CREATE || last == WORD_RESTORE || (last & LOW_FIVE) == WORD_RUN)
			return;
		if ((last & LOW_SEVEN) == WORD_START) {
			space->record.status = WORK_STARTS;
			return;
		}
		if (last == WORD_RESUME || (last & LOW_SEVEN) == WORD_PAUSE) {
			space->record.status = WORK_INTERRUPTS;
			return;
		}
	}
}

static __always_inline u32 found_work(void)
{
	struct scratch *space = work_space();

	from_memory();
	return space ? space->record.status : WORK_CREATES;
}

/* Whether the end of a runtime's command that does such work is worth a record. */
static __always_inline bool ends_matter(u32 work)
{
	return work == WORK_CREATES || work == WORK_INTERRUPTS;
}

static __always_inline void report_command(u64 task, u64 origin, u32 role, u8 flags,
					   struct lineage *lineage)
{
	struct scratch *scratch;
	bool urgent = role == ROLE_ENGINE && lineage->kind == LINEAGE_NONE;
	u32 work;

	if (!command_allowed(task, origin, RECORD_COMMAND_EXEC))
		return;
	scratch = begin(RECORD_COMMAND_EXEC);
	if (!scratch)
		return;
	scratch->record.role = role;
	scratch->record.flags = flags;
	set_root(&scratch->record, lineage, lineage->kind);
	fill_identity(scratch, task);
	fill_cwd(scratch, task);
	fill_argv(scratch, task);
	if (role == ROLE_RUNTIME) {
		work = found_work();
		urgent = work == WORK_CREATES || work == WORK_STARTS;
	}
	submit_commands(scratch, origin, RECORD_COMMAND_EXEC, urgent);
}

/*
 * A step of the runtime above: runc executes itself as "runc init" (libcontainer/process_linux.go),
 * and Docker's hook that sets up the network is dockerd under the name libnetwork-setkey. Neither of
 * them can do anything else under such arguments, and each costs a record a start. Whatever else runs
 * below a program that bears a runtime's name speaks for itself.
 */
static __always_inline bool is_step(u64 task, u32 role)
{
	u64 mm = read_pointer(task, OFF_task_struct_mm);
	u64 start = mm ? read_pointer(mm, OFF_mm_struct_arg_start) : 0;
	u64 end = mm ? read_pointer(mm, OFF_mm_struct_arg_end) : 0;
	u64 words[STAGE_PROGRAM_MAX / 8] = {};
	u64 stage = 0;
	long length;

	if (end < start + STAGE_LEN)
		return false;
	length = bpf_probe_read_user_str(words, STAGE_PROGRAM_MAX, (void *)start);
	if (role == ROLE_ENGINE)
		return length == HOOK_LEN && words[0] == HOOK_FIRST && words[1] == HOOK_SECOND &&
		       (words[2] & 0xff) == 'y';
	if (length <= 0 || start + length + STAGE_LEN - 1 != end)
		return false;
	bpf_probe_read_user(&stage, STAGE_LEN, (void *)(end - STAGE_LEN));
	return stage == STAGE_INIT;
}

/* Whether a process bears its file's name, so that the watch list need not be asked twice. */
static __always_inline bool begins_alike(struct name *executable, struct name *comm)
{
	u64 *one = (u64 *)executable->text;
	u64 *other = (u64 *)comm->text;

	/* The sixteenth byte of a comm is NUL. */
	return one[0] == other[0] && !((one[1] ^ other[1]) << 8);
}

static __always_inline bool is_podman(struct name *name)
{
	return *(u64 *)name->text == PROGRAM_PODMAN;
}

static __always_inline void forget(struct lineage *lineage)
{
	__builtin_memset(lineage, 0, sizeof(*lineage));
}

int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[0];
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct name executable = {};
	struct name comm = {};
	struct lineage lineage = {};
	bool foreign;
	u64 start_time;
	u64 origin;
	u32 mnt_ns;
	u32 role;
	u32 founds = 0;
	u8 flags = 0;

	read_executable(task, executable.text);
	role = role_of(&executable);
	bpf_get_current_comm(comm.text, COMM_LEN);
	if ((!role || role == ROLE_ORCHESTRATOR) && !begins_alike(&executable, &comm)) {
		u32 called = role_of(&comm);

		if (called && called != role) {
			role = called;
			flags = FLAG_NAMED_BY_COMM;
		}
	}
	/* As early as possible: a loop costs the verifier once for each way that leads to it. */
	if (role == ROLE_RUNTIME)
		find_work(task);
	get_lineage(&pid, &lineage);
	if (lineage.kind == LINEAGE_CLIENT)
		forget(&lineage);
	foreign = lineage.kind == LINEAGE_NONE && is_foreign_init(task);
	if (!role && lineage.kind == LINEAGE_NONE && !foreign)
		return 0;

	start_time = start_time_of(task);
	mnt_ns = mount_namespace(task);

	if (!has_started(inits.lookup(&pid), start_time)) {
		bool left = lineage.kind != LINEAGE_NONE && mnt_ns != lineage.mnt_ns;

		if (foreign || (lineage.kind != LINEAGE_NONE && is_init(&lineage, task, mnt_ns))) {
			report_init(task, pid, start_time, mnt_ns, &lineage,
				    foreign ? LINEAGE_CGROUP : lineage.kind);
			left = !foreign;
		}
		if (left) {
			drop_lineage(&pid);
			forget(&lineage);
		}
	}
	if (!role)
		return 0;
	if ((role == ROLE_RUNTIME || role == ROLE_ENGINE) && lineage.kind == LINEAGE_RUNTIME &&
	    lineage.root_pid != pid && is_step(task, role))
		return 0;
	origin = origin_of(task);
	report_command(task, origin, role, flags, &lineage);
	if (role == ROLE_CLIENT && lineage.kind != LINEAGE_NONE)
		return 0;
	if (role == ROLE_ORCHESTRATOR)
		founds = FOUNDER_ASKS;
	else if (role == ROLE_RUNTIME && !ends_matter(found_work()))
		founds = FOUNDER_QUIET;
	else if (role == ROLE_ENGINE || is_podman(&executable) || is_podman(&comm))
		founds = FOUNDER_SERVES;
	found_lineage(task, origin, pid, start_time, mnt_ns,
		      role == ROLE_RUNTIME  ? LINEAGE_RUNTIME
		      : role == ROLE_CLIENT ? LINEAGE_CLIENT
					    : LINEAGE_SUPERVISOR,
		      founds);
	return 0;
}
