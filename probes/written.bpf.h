/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The bytes of one write to a socket. For unix sockets sk_data_ready finds them in the packet that was queued at the
 * receiver. A receiver that did not sleep may have taken that packet, and of a long write the bytes lie
 * in pages of their own. Then they are read where the sender has them, as an fentry program does: in its
 * own memory, which the registers of its system call point at. Another thread of the sender may have
 * changed them since. So they are what the sender says of its own request, and of nothing else.
 */
#if defined(FOLLOW_CONNECTIONS)

/* A write, as far as it is known. Programs that use it never interrupt each other. */
struct written {
	u64 length; /* 0 if unknown */
	u64 last; /* its last eight bytes and those before it, the latest lowest */
	u32 copied; /* so many of its bytes are in ``bytes`` */
	u32 scan; /* enum scan */
	u32 wanted; /* user space is to have it */
	u32 reserved;
	u8 bytes[RPC_PAYLOAD_LEN];
};

BPF_PERCPU_ARRAY(writes, struct written, 1);

static __always_inline struct written *work_on_write(void)
{
	u32 only = 0;
	struct written *write = writes.lookup(&only);

	if (write) {
		write->length = 0;
		write->copied = 0;
	}
	return write;
}

/* How many of the bytes at hand are copied; the mask is for the verifier. */
static __always_inline u64 within(u64 usable, u64 most)
{
	if (usable > most)
		usable = most;
	return usable & (RPC_PAYLOAD_LEN - 1);
}

#if defined(OFF_sk_buff_data_len)
static __always_inline void copy_packet(struct written *write, u64 receiver, u64 most)
{
	u64 packet = last_packet(receiver);
	u64 length;
	u64 usable;

	if (!packet)
		return;
	length = read_u32(packet, OFF_sk_buff_len);
	usable = within(length - read_u32(packet, OFF_sk_buff_data_len), most);
	/* What is still there after it was read was there all the time. */
	if (bpf_probe_read_kernel(write->bytes, usable,
				  (void *)read_pointer(packet, OFF_sk_buff_data)) ||
	    last_packet(receiver) != packet)
		return;
	write->length = length;
	write->copied = usable;
}

#if defined(ENUM_task_pt_regs) && defined(OFF_sock_sndbuf)
/* arch/x86/entry/syscalls/syscall_64.tbl: no call of 32 bits that sends has one of these numbers. */
#if defined(OFF_pt_regs_orig_ax) && defined(OFF_pt_regs_si) && defined(OFF_pt_regs_dx)
#define READ_SENDERS
#define NUMBER_OF_CALL OFF_pt_regs_orig_ax
#define SECOND_OF_CALL OFF_pt_regs_si
#define THIRD_OF_CALL OFF_pt_regs_dx
#define CALL_WRITE 1
#define CALL_WRITEV 20
#define CALL_SENDTO 44
#define CALL_SENDMSG 46
/* include/uapi/asm-generic/unistd.h, of which arm64 takes its numbers. */
#elif defined(OFF_pt_regs_syscallno) && defined(OFF_pt_regs_regs)
#define READ_SENDERS
#define NUMBER_OF_CALL OFF_pt_regs_syscallno
#define SECOND_OF_CALL (OFF_pt_regs_regs + 8)
#define THIRD_OF_CALL (OFF_pt_regs_regs + 16)
#define CALL_WRITE 64
#define CALL_WRITEV 66
#define CALL_SENDTO 206
#define CALL_SENDMSG 211
#endif
#endif

#ifdef READ_SENDERS
#define VECTORS_MAX 8
#define MESSAGE_VECTORS 16 /* of struct user_msghdr: msg_iov, then msg_iovlen */
#define ONE_PACKET_MAX 32768 /* unix_stream_sendmsg cuts longer writes into several packets */

static void *(*current_task)(void) = (void *)ENUM_get_current_task_btf;
static u64 (*registers_of)(void *task) = (void *)ENUM_task_pt_regs;

/* struct iovec */
struct vector {
	u64 base;
	u64 length;
};

/*
 * Copy what the current task sends, by its system call. Where nothing else tells how long the write is,
 * it is one of ``fits`` bytes at most. A send that may end ``early`` is as long as it became. Of several
 * vectors the first that is not empty is copied. Every other way to send is left out: sendmmsg,
 * sendfile, splice, io_uring.
 */
static __always_inline void copy_senders(struct written *write, u64 most, u64 fits, bool early)
{
	u64 registers = registers_of(current_task());
	u32 call = read_u32(registers, NUMBER_OF_CALL);
	u64 first = read_pointer(registers, SECOND_OF_CALL);
	u64 count = read_pointer(registers, THIRD_OF_CALL);
	struct vector vectors[VECTORS_MAX] = {};
	u64 length = 0;
	u64 usable = 0;
	u64 bytes = 0;
	u32 i;

	if (call == CALL_WRITE || call == CALL_SENDTO) {
		bytes = first;
		length = usable = count;
	} else if (call == CALL_WRITEV || call == CALL_SENDMSG) {
		if (call == CALL_SENDMSG) {
			if (bpf_probe_read_user(vectors, sizeof(*vectors),
						(void *)(first + MESSAGE_VECTORS)))
				return;
			first = vectors[0].base;
			count = vectors[0].length;
		}
		if (count > VECTORS_MAX ||
		    bpf_probe_read_user(vectors, count * sizeof(*vectors), (void *)first))
			return;
#pragma unroll
		for (i = 0; i < VECTORS_MAX; i++) {
			if (i >= count)
				break;
			if (!length) {
				bytes = vectors[i].base;
				usable = vectors[i].length;
			}
			length += vectors[i].length;
		}
	}
	if (!length)
		return;
	if (!write->length && length <= fits)
		write->length = length;
	if (early ? length < write->length : length != write->length)
		return;
	if (usable > write->length)
		usable = write->length;
	usable = within(usable, most);
	if (bpf_probe_read_user(write->bytes, usable, (void *)bytes))
		return;
	write->copied = usable;
}

/* How long a write may be so that it is one packet: of several, nothing tells which one this is. */
static __always_inline u64 one_packet(u64 sender)
{
	u64 fits = read_u32(sender, OFF_sock_sndbuf) / 2 - 64;

	return fits < ONE_PACKET_MAX ? fits : ONE_PACKET_MAX;
}
#endif

/* Take what the current task has just queued at the receiver, up to ``most`` bytes of it. */
static __always_inline void take_write(struct written *write, u64 receiver, u64 sender, u64 most)
{
	copy_packet(write, receiver, most);
	from_memory();
#ifdef READ_SENDERS
	if (!write->length || (write->copied < write->length && write->copied < most))
		copy_senders(write, most, one_packet(sender), false);
#endif
}
#endif
#endif
