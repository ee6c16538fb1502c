"""What is seen of calls to engines: who connected, what was asked, what was answered."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.process import Ancestor, CgroupPaths, ProcessKey
from sensor.model.vocabulary import Engine, Witness


@quick
@dataclass(frozen=True, slots=True)
class Caller:
    """A process that talks to an engine, as far as the witness knows it.

    Audit has no start time and no cgroup; the kernel probes have all but the path of ``exe``.
    """

    pid: int
    start_time: int | None
    uid: int | None
    loginuid: int | None
    session: int | None
    comm: str | None
    exe: str | None
    tty: str | None = None
    parent: int | None = None
    argv: tuple[str, ...] | None = None
    cwd: str | None = None
    cgroup: CgroupPaths | None = None
    ancestors: tuple[Ancestor, ...] = ()
    euid: int | None = None
    """Effective uid, as the first user namespace numbers it."""
    user_ns: int | None = None
    """Inode number of its user namespace."""


@quick
@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens where a process connected: whose listen(2) it was, as the kernel keeps it.

    Of a TCP port only the user is known.
    """

    uid: int
    """Effective user, as the first user namespace numbers it."""
    user_ns: int | None = None
    pid_ns: int | None = None
    """Inode numbers of its namespaces."""
    privileged: bool | None = None
    """It could do anything on this host (CAP_SYS_ADMIN in the first user namespace)."""


@quick
@dataclass(frozen=True, slots=True)
class ApiConnect:
    """A process connected to a socket that an engine listens on, and was let in."""

    time: int
    witness: Witness
    """KERNEL or AUDIT."""
    ref: str
    """Kernel record (``cpu0:12``) or audit serial (``1780000000.123:456``)."""
    caller: Caller
    socket: str
    """The listener's path as the caller wrote it: ``/run/docker.sock`` or ``/var/run/…``."""
    mnt_ns: int | None = None
    """The caller's mount namespace, in which the path holds; None when it is the listener's own."""
    connection: int | None = None
    """Names the pair of sockets while it lives. Where it is set, the connection's requests are
    searched from their first byte, and those that may start something are reported."""
    confirmed: bool = True
    """False where the host lets no program see whether a connect was let in."""
    port: int | None = None
    """The caller's own port, of a connect to ``tcp:127.0.0.1:…``."""
    foreign: bool = False
    """The engine that listens is not root's of the host, or runs in a container: what is asked
    there is about its own containers."""
    engine: Engine | None = None
    """The engine that listens, by the program that holds the socket; None when it is unknown."""
    listener: Listener | None = None
    """Who listens there; None in older captures, of a port, and where the witness cannot see it."""


@quick
@dataclass(frozen=True, slots=True)
class ApiRequest:
    """The first bytes of one write to an engine's socket, of a request that may start something.

    What a client writes before the engine answers follows as further requests of the same
    connection. Requests that cannot start anything are not reported.
    """

    time: int
    ref: str
    caller: Caller
    socket: str
    payload: bytes
    """At most 511 bytes, of gRPC and ttrpc 2,047; none where they could not be read.

    What the engine had taken already is read where the caller has it.
    """
    connection: int | None = None
    offset: int | None = None
    """Of the payload in what the client sent since it connected; None where that is unknown."""
    length: int | None = None
    """Bytes of the write; more than the payload has when it was cut. 0 if unknown."""
    listener: Listener | None = None
    """Who listens there; None in older captures."""


@quick
@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The first bytes of one write of an engine to a client whose requests were reported.

    HTTP/1: the four writes after a request at most, so its status line. gRPC and ttrpc: the eight
    writes after each of the client's.
    """

    time: int
    ref: str
    connection: int
    socket: str
    payload: bytes
    """At most 512 bytes."""
    offset: int | None = None
    """Of the payload in what the engine sent on this connection."""
    length: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """A connection whose requests were reported was closed by either end.

    Only hosts that allow fentry report it.
    """

    time: int
    ref: str
    connection: int


@dataclass(frozen=True, slots=True)
class ApiHop:
    """A process that talks to an engine passes on what another process of this node sends it.

    ``caller`` is connected to ``address``, where ``relay`` (or a process above it) listens.
    """

    time: int
    witness: Witness
    """KERNEL: the connect was seen. PROCFS: the pair of sockets was found."""
    ref: str
    relay: ProcessKey
    caller: Caller
    address: str
    """``tcp:127.0.0.1:2375``, or the path of a unix socket."""
    alone: bool = True
    """False where the relay also serves a connection from outside of its network namespace."""
