"""The programs of a probe set, and where each is attached.

A set keeps in its map ``attached`` which of them it had when it was loaded, by their number here:
the id of the link and of the program, as the kernel gives them. Ids are not used again, so what is
attached now can be compared without a look at any path.
"""

from __future__ import annotations

from enum import Enum, unique

from sensor.dataclass import dataclass


@unique
class AttachKind(Enum):
    """How a program is attached."""

    RAW_TRACEPOINT = "raw tracepoint"
    CGROUP = "cgroup/connect_unix"
    TRACING = "fentry or fexit"


@dataclass(frozen=True, slots=True)
class Program:
    """``name`` is the function as bcc names it, ``at`` a raw tracepoint's name."""

    name: str
    kind: AttachKind
    at: str = ""
    required: bool = False
    """Whether the probes are worthless without it."""


EXEC = Program("on_exec", AttachKind.RAW_TRACEPOINT, "sched_process_exec", required=True)
DATA_READY = Program("on_data_ready", AttachKind.RAW_TRACEPOINT, "sk_data_ready")
"""Reads requests and sees connects that were let in, where fentry is refused; since 6.3."""
CONNECT = Program("on_connect_unix", AttachKind.CGROUP)
"""Sees each connect before it is let in; since 6.7."""
REQUEST = Program("kfunc__unix_stream_sendmsg", AttachKind.TRACING)
CONNECTED = Program("kretfunc__unix_stream_connect", AttachKind.TRACING)
RELEASE = Program("kfunc__unix_release", AttachKind.TRACING)
TCP_STATE = Program("on_tcp_state", AttachKind.RAW_TRACEPOINT, "inet_sock_set_state")
SENT = Program("on_sent", AttachKind.RAW_TRACEPOINT, "sock_send_length")
"""Reads requests to ports of engines; since 6.3."""

CORE = (
    EXEC,
    Program("on_fork", AttachKind.RAW_TRACEPOINT, "sched_process_fork", required=True),
    Program("on_exit", AttachKind.RAW_TRACEPOINT, "sched_process_exit", required=True),
    Program("on_cgroup_mkdir", AttachKind.RAW_TRACEPOINT, "cgroup_mkdir", required=True),
    Program("on_cgroup_attach", AttachKind.RAW_TRACEPOINT, "cgroup_attach_task", required=True),
    Program("on_oom_victim", AttachKind.RAW_TRACEPOINT, "mark_victim"),
    Program("on_cgroup_freeze", AttachKind.RAW_TRACEPOINT, "cgroup_freeze"),
    Program("on_cgroup_unfreeze", AttachKind.RAW_TRACEPOINT, "cgroup_unfreeze"),
    Program("on_cgroup_notify_frozen", AttachKind.RAW_TRACEPOINT, "cgroup_notify_frozen"),
)
"""Attached on every host; what is not required may be missing in an old kernel."""

ALL = (*CORE, DATA_READY, CONNECT, REQUEST, CONNECTED, RELEASE, TCP_STATE, SENT)
"""Their numbers are their places here: a new one goes to the end."""

SEES_CONNECTS = frozenset({CONNECT.name, CONNECTED.name, DATA_READY.name})
READS_REQUESTS = frozenset({REQUEST.name, DATA_READY.name})
