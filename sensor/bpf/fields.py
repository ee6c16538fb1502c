"""The kernel structure fields that the probes read, and the macros that carry their offsets.

Alternatives are listed oldest name last where a kernel release renamed a field. A missing required
field stops the load with its name and the kernel's; an optional one leaves its macro undefined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import KernelUnsupported

if TYPE_CHECKING:
    from sensor.bpf.btf import Btf


@dataclass(frozen=True, slots=True)
class Field:
    """``macro`` gets the byte offset in ``structure`` of the first of ``paths`` that exists."""

    macro: str
    structure: str
    paths: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Enumerator:
    """``macro`` gets the value of ``name`` in ``enum``."""

    macro: str
    enum: str
    name: str
    optional: bool = False


def _field(structure: str, *paths: str, macro: str = "", optional: bool = False) -> Field:
    suffix = macro or paths[0].rsplit(".", 1)[-1]
    return Field(f"OFF_{structure}_{suffix}", structure, paths, optional)


FIELDS = (
    _field("task_struct", "tgid"),
    _field("task_struct", "mm"),
    _field("task_struct", "comm"),
    _field("task_struct", "real_parent"),
    _field("task_struct", "group_leader"),
    # Until 5.4 start_boottime was called real_start_time (kernel commit cf25e24db61c).
    _field("task_struct", "start_boottime", "real_start_time", macro="start_time"),
    _field("task_struct", "real_cred"),
    _field("task_struct", "nsproxy"),
    _field("task_struct", "signal"),
    _field("task_struct", "thread_pid"),
    _field("task_struct", "cgroups"),
    _field("task_struct", "exit_code"),
    # CONFIG_AUDIT.
    _field("task_struct", "loginuid", optional=True),
    _field("task_struct", "sessionid", optional=True),
    _field("task_struct", "fs"),
    _field("fs_struct", "pwd.dentry", macro="pwd_dentry"),
    _field("fs_struct", "pwd.mnt", macro="pwd_mnt"),
    _field("mount", "mnt"),
    _field("mount", "mnt_parent"),
    _field("mount", "mnt_mountpoint"),
    _field("vfsmount", "mnt_root"),
    _field("dentry", "d_parent"),
    _field("cred", "uid"),
    _field("cred", "gid"),
    _field("cred", "euid"),
    _field("cred", "user_ns"),
    _field("cred", "cap_effective"),
    _field("user_namespace", "ns.inum"),
    _field("user_namespace", "level"),
    _field("user_namespace", "parent"),
    _field("user_namespace", "owner"),
    _field("mm_struct", "exe_file"),
    _field("mm_struct", "arg_start"),
    _field("mm_struct", "arg_end"),
    _field("file", "f_path.dentry"),
    _field("dentry", "d_name.name"),
    _field("nsproxy", "mnt_ns"),
    _field("nsproxy", "cgroup_ns"),
    _field("nsproxy", "net_ns"),
    _field("nsproxy", "ipc_ns"),
    _field("nsproxy", "uts_ns"),
    _field("net", "ns.inum"),
    # CONFIG_IPC_NS, CONFIG_UTS_NS.
    _field("ipc_namespace", "ns.inum", optional=True),
    _field("uts_namespace", "ns.inum", optional=True),
    # Since 6.18 every namespace has an id that is never used again; before, mounts had a sequence.
    _field("mnt_namespace", "ns.ns_id", "seq", macro="identity", optional=True),
    _field("mnt_namespace", "ns.inum"),
    _field("pid_namespace", "ns.inum"),
    _field("cgroup_namespace", "ns.inum"),
    _field("pid", "level"),
    _field("pid", "numbers"),
    _field("upid", "nr"),
    _field("upid", "ns"),
    _field("signal_struct", "live"),
    _field("signal_struct", "flags"),
    _field("signal_struct", "group_exit_code"),
    _field("signal_struct", "pids"),
    _field("signal_struct", "tty"),
    _field("tty_struct", "name"),
    _field("css_set", "dfl_cgrp"),
    _field("css_set", "subsys"),
    _field("cgroup_subsys_state", "cgroup"),
    _field("cgroup", "kn"),
    _field("cgroup", "root"),
    _field("kernfs_node", "name"),
    # What fentry programs on unix sockets read; without one of these they are left out.
    _field("socket", "sk", optional=True),
    _field("unix_sock", "peer", optional=True),
    _field("unix_sock", "addr", optional=True),
    _field("unix_sock", "path.dentry", optional=True),
    _field("unix_address", "name", optional=True),
    _field("dentry", "d_inode", optional=True),
    _field("inode", "i_ino", optional=True),
    _field("inode", "i_sb", optional=True),
    _field("super_block", "s_dev", optional=True),
    _field("msghdr", "msg_iter", optional=True),
    _field("iov_iter", "iov_offset", optional=True),
    # iter_type since 5.14, ubuf since 6.0, iov renamed to __iov in 6.4.
    _field("iov_iter", "iter_type", optional=True),
    _field("iov_iter", "type", optional=True),
    _field("iov_iter", "ubuf", optional=True),
    _field("iov_iter", "__iov", "iov", macro="iov", optional=True),
    # What sk_data_ready leads to, since 6.3: the bytes that were sent.
    _field("sock", "__sk_common.skc_family", macro="family", optional=True),
    _field("sock", "sk_receive_queue", macro="receive_queue", optional=True),
    _field("sock", "sk_peer_pid", macro="peer_pid", optional=True),
    _field("sock", "sk_peer_cred", macro="peer_cred", optional=True),
    _field("sock", "sk_uid", macro="uid", optional=True),
    _field("sk_buff", "data", optional=True),
    _field("sk_buff", "len", optional=True),
    _field("sk_buff", "data_len", optional=True),
    _field("sk_buff", "sk", optional=True),
    # What a sender's own memory is found by: its system call's registers, on x86-64 and on arm64.
    _field("sock", "sk_sndbuf", macro="sndbuf", optional=True),
    _field("pt_regs", "orig_ax", optional=True),
    _field("pt_regs", "si", optional=True),
    _field("pt_regs", "dx", optional=True),
    _field("pt_regs", "syscallno", optional=True),
    _field("pt_regs", "regs", optional=True),
    # What inet_sock_set_state leads to: a connection's addresses.
    _field("sock", "__sk_common.skc_net", macro="net", optional=True),
    _field("sock", "__sk_common.skc_dport", macro="dport", optional=True),
    _field("sock", "__sk_common.skc_num", macro="num", optional=True),
    _field("sock", "__sk_common.skc_daddr", macro="daddr", optional=True),
    _field("sock", "__sk_common.skc_rcv_saddr", macro="rcv_saddr", optional=True),
    # CONFIG_IPV6.
    _field("sock", "__sk_common.skc_v6_daddr", macro="v6_daddr", optional=True),
    _field("sock", "__sk_common.skc_v6_rcv_saddr", macro="v6_rcv_saddr", optional=True),
    # The context of cgroup/connect_unix programs, since 6.7.
    _field("bpf_sock_addr_kern", "uaddr", optional=True),
    _field("bpf_sock_addr_kern", "sk", optional=True),
    # Renamed in 6.15, when it became RCU-protected.
    _field("kernfs_node", "__parent", "parent", macro="parent"),
)

ENUMERATORS = (
    Enumerator("ENUM_PIDTYPE_SID", "pid_type", "PIDTYPE_SID"),
    Enumerator("ENUM_pids_cgrp_id", "cgroup_subsys_id", "pids_cgrp_id"),
    # Renumbered in 6.4, ITER_UBUF since 6.0.
    Enumerator("ENUM_ITER_IOVEC", "iter_type", "ITER_IOVEC", optional=True),
    Enumerator("ENUM_ITER_UBUF", "iter_type", "ITER_UBUF", optional=True),
    # Helpers by their numbers: bcc may be older than they are. Both since 5.15.
    Enumerator(
        "ENUM_get_current_task_btf", "bpf_func_id", "BPF_FUNC_get_current_task_btf", optional=True
    ),
    Enumerator("ENUM_task_pt_regs", "bpf_func_id", "BPF_FUNC_task_pt_regs", optional=True),
)

_FIX = "Report this kernel: Castoff's probes need to learn where it keeps the field."


def macros(btf: Btf) -> tuple[str, ...]:
    """Compiler flags ``-DNAME=VALUE`` for the kernel that ``btf`` describes.

    Raises :class:`KernelUnsupported` naming the structure and field that it does not have.
    """
    flags: list[str] = []
    for field in FIELDS:
        offset = btf.offset(field.structure, *field.paths)
        if offset is not None:
            flags.append(f"-D{field.macro}={offset}")
        elif not field.optional:
            names = " or ".join(f"{field.structure}.{path}" for path in field.paths)
            problem = f"{btf.kernel} has no {names}"
            raise KernelUnsupported(problem, _FIX)
    for enumerator in ENUMERATORS:
        value = btf.enumerator(enumerator.enum, enumerator.name)
        if value is None and enumerator.optional:
            continue
        if value is None:
            problem = f"{btf.kernel} has no {enumerator.name} in enum {enumerator.enum}"
            raise KernelUnsupported(problem, _FIX)
        flags.append(f"-D{enumerator.macro}={value}")
    size = btf.size("upid")
    if size is None:
        problem = f"{btf.kernel} has no struct upid"
        raise KernelUnsupported(problem, _FIX)
    flags.append(f"-DSIZE_upid={size}")
    return tuple(flags)
