"""A process that may have caused a start, as an event shows it.

A request passes through hands: a shell runs ``docker compose``, that runs a plugin, that talks to a
relay, that talks to the engine. All of them are one candidate: the outermost client, with what was
seen of the others as evidence.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from sensor.correlate.authority import ROOT
from sensor.correlate.client_command import Helper
from sensor.correlate.programs import role_by_file
from sensor.correlate.service_managers import trigger_of, unit_of
from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.events import (
    Evidence,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    kernel_reference,
)
from sensor.model.vocabulary import (
    Confidence,
    ContainerId,
    EvidenceKind,
    Role,
    RoleOf,
    Trigger,
    Witness,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.clients import Client
    from sensor.correlate.containers import Creation
    from sensor.correlate.engine_requests import Asked
    from sensor.correlate.past import RecentPast
    from sensor.model.api_calls import ApiConnect, Caller
    from sensor.model.container import CgroupParser
    from sensor.model.kernel_records import CommandExec
    from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts

REDACTED_MAX = 256
"""Command lines whose redacted form is remembered."""

NAMES_MAX = 256
"""Names of programs of which it is remembered whether they are parts of an engine."""

_OF_ENGINES = frozenset({Role.ENGINE, Role.SHIM, Role.MONITOR, Role.RUNTIME})
_RELAYS = frozenset(
    {"socat", "haproxy", "nginx", "envoy", "traefik", "caddy", "stunnel", "stunnel4", "ncat", "nc"}
    | {"ssh", "sshd", "sshd-session", "varlink"}
)
"""Programs that pass on what others ask. The name only lowers what is claimed of such a process."""

HOPS_MAX = 4
"""Relays between a client and an engine that are followed."""


@quick
@dataclass(frozen=True, slots=True)
class Candidate:
    """One process with the evidence for it. ``client`` is its command, if it is a client."""

    key: tuple[int, int | None]
    initiator: Initiator
    trigger: Trigger
    evidence: tuple[Evidence, ...]
    client: Client | None = None
    trigger_certainty: Confidence = Confidence.EXACT
    """How sure the trigger is, if the process is."""
    relay: bool = False
    """It passes on what another process asks, and that process is not known; or it is behind a
    relay that others were behind, too."""

    def joined(self, other: Candidate) -> Candidate:
        """Add what another witness saw of the same process."""
        richer = self if self.client is not None or other.client is None else other
        seen = dict.fromkeys((*self.evidence, *other.evidence))
        return replace(richer, evidence=tuple(seen))


class CandidateFactory:
    """Turns what witnesses saw of a process into a candidate."""

    def __init__(
        self,
        past: RecentPast,
        parse_cgroup: CgroupParser,
        role_of: RoleOf,
        redact: Callable[[tuple[str, ...]], tuple[str, ...]],
        holds: Callable[[ContainerId, CgroupPaths], bool],
    ) -> None:
        """``holds`` says whether a cgroup below one that is called like a container is in it."""
        self._holds = holds
        self._past = past
        self._parse_cgroup = parse_cgroup
        # A command is a candidate for many starts: once redacted is enough.
        self._redact = lru_cache(REDACTED_MAX)(redact)
        self._is_engine = lru_cache(NAMES_MAX)(partial(_is_engine, role_of))
        self._names: dict[int, str] = {}

    def account_names(self) -> dict[int, str]:
        """Return the node's account names by uid."""
        return self._names

    def learn_accounts(self, names: tuple[tuple[int, str], ...]) -> None:
        """Take over the node's account names."""
        self._names = dict(names)

    # ----------------------------------------------------------------- candidates

    def of_client(
        self, client: Client, also: tuple[Evidence, ...] = (), socket: str | None = None
    ) -> Candidate:
        """A container client; ``also`` is what was seen of it beside its command.

        ``socket`` is the one that it is known to have used.
        """
        head = self._past.clients.head_of(client)
        evidence: list[Evidence] = []
        connects: list[ApiConnect] = []
        exe = head.exec.process.exe
        for one in (head,) if head is client else (head, client):
            exec_ = one.exec
            evidence.append(_command_evidence(exec_))
            record = self._past.audit_of(exec_)
            if record is not None:
                evidence.append(
                    Evidence(
                        Witness.AUDIT,
                        EvidenceKind.CLIENT_COMMAND,
                        "execve",
                        record.time,
                        record.ref,
                    )
                )
                if one is head:
                    exe = record.caller.exe or exe
            connects += self._past.connects_of(one)
        reached = self._past.connect_of(head)
        if not connects and reached is not None:
            connects.append(reached)
        evidence += [_connect_evidence(connect) for connect in connects[:2]]
        evidence += [one for one in also if one not in evidence]
        if socket is None and connects:
            socket = connects[0].socket
        process = head.exec.process
        container = self._container(process.cgroup)
        initiator = self._initiator(
            process, self._redact(head.exec.argv), head.exec.cwd, exe, container, socket
        )
        trigger, certainty = _trigger_of_client(process, container)
        return Candidate(head.key, initiator, trigger, tuple(evidence), head, certainty)

    def of_runtime(self, run: Creation | CommandExec) -> Candidate:
        """An OCI runtime that a person or a script ran, with no engine above it."""
        process = run.process
        container = self._container(process.cgroup)
        trigger, certainty = _trigger_of_client(process, container)
        if trigger is Trigger.USER_COMMAND:
            trigger = Trigger.DIRECT_RUNTIME
        argv = self._redact(run.argv)
        return Candidate(
            (process.key.pid, process.key.start_time),
            self._initiator(process, argv, run.cwd, process.exe, container),
            trigger,
            # The creating command is evidence of the start already.
            (),
            trigger_certainty=certainty,
        )

    def of_connect(self, connect: ApiConnect) -> list[Candidate]:
        """The processes behind a connection to an engine's socket."""
        return self._of_caller(
            connect.caller, connect.socket, connect.time, (_connect_evidence(connect),)
        )

    def of_request(self, asked: Asked) -> list[Candidate]:
        """The processes behind a request to an engine that was read."""
        evidence = Evidence(
            Witness.KERNEL, EvidenceKind.REQUEST, "API request", asked.time, asked.ref
        )
        return self._of_caller(asked.caller, asked.socket, asked.time, (evidence,))

    def _of_caller(
        self,
        caller: Caller,
        socket: str,
        time: int,
        evidence: tuple[Evidence, ...],
        hops: int = HOPS_MAX,
    ) -> list[Candidate]:
        client = self._past.clients.of(caller.pid, caller.start_time, time)
        passes = caller.comm in _RELAYS or (client is not None and client.helper is Helper.RELAY)
        if client is not None and not passes:
            # Its own command says what it asks for, whatever a process above it is connected to.
            return self._itself(caller, socket, time, evidence)
        behind = self._past.relays.behind(caller, time, passes=passes)
        if hops and behind.hops:
            what = f"passed on by {caller.comm or caller.pid}"
            found: list[Candidate] = []
            for hop in behind.hops:
                passed = (
                    Evidence(hop.witness, EvidenceKind.RELAY, what, hop.time, hop.ref),
                    *evidence,
                )
                found += self._of_caller(hop.caller, socket, time, passed, hops - 1)
            if behind.program:
                found += self._itself(caller, socket, time, evidence)
            if not behind.certain:
                return [replace(one, relay=True) for one in found]
            return found
        return self._itself(caller, socket, time, evidence, serves=bool(behind.program))

    def _itself(
        self,
        caller: Caller,
        socket: str,
        time: int,
        evidence: tuple[Evidence, ...],
        *,
        serves: bool = False,
    ) -> list[Candidate]:
        """The process that asked an engine; ``serves`` others, who may have asked it."""
        client = self._past.clients.of(caller.pid, caller.start_time, time)
        if client is None:
            client = self._client_above(caller, time)
        relay = serves or caller.comm in _RELAYS
        relay = relay or (client is not None and client.helper is Helper.RELAY)
        if client is not None:
            return [replace(self.of_client(client, evidence, socket), relay=relay)]
        return [replace(self._of_process(caller, socket, evidence), relay=relay)]

    def _client_above(self, caller: Caller, time: int) -> Client | None:
        """Return the client of which a process is a plugin, or which one works for.

        The client's own command is the one that was typed, if the same user typed it.
        """
        found = (self._past.clients.at(ancestor) for ancestor in caller.ancestors)
        above = next((client for client in found if client is not None), None)
        if above is None or above.command is None or not above.runs_at(time):
            return None
        same = above.origin.domain == self._past.origin_of(caller).domain
        return above if same else None

    def _of_process(self, caller: Caller, socket: str, evidence: tuple[Evidence, ...]) -> Candidate:
        """A process that is not a client."""
        container = self._container(caller.cgroup)
        trigger = Trigger.API_CLIENT if container is None else Trigger.CONTAINER
        return Candidate(
            (caller.pid, caller.start_time),
            Initiator(
                process=InitiatorProcess(
                    caller.pid,
                    caller.start_time,
                    caller.exe,
                    self._redact(caller.argv) if caller.argv else None,
                    caller.cwd,
                    caller.tty,
                ),
                user=self._user(caller.uid, caller.loginuid, caller.session),
                container_id=container,
                socket=socket,
                ancestors=caller.ancestors,
                unit=unit_of(caller.cgroup),
            ),
            trigger,
            evidence,
        )

    def of_launcher(
        self,
        process: ProcessFacts,
        argv: tuple[str, ...],
        evidence: tuple[Evidence, ...],
        started: ContainerId,
    ) -> Candidate:
        """A program that starts containers by itself: lxc-start, systemd-nspawn, a site's own.

        It may have moved into the cgroup of the container that it ``started``.
        """
        found = self._container(process.cgroup)
        container = found if found != started else None
        trigger, certainty = _trigger_of_client(process, container)
        return Candidate(
            (process.key.pid, process.key.start_time),
            self._initiator(process, self._redact(argv), None, process.exe, container),
            trigger,
            evidence,
            trigger_certainty=certainty,
        )

    # ----------------------------------------------------------------- kinds of processes

    def is_engine_caller(self, caller: Caller) -> bool:
        """Whether the caller is part of an engine itself, as dockerd is to containerd."""
        return _may_be_root(caller) and self._is_engine(caller.comm or "", caller.exe or "")

    def _container(self, cgroup: CgroupPaths | None) -> ContainerId | None:
        if cgroup is None:
            return None
        for path in (cgroup.v1, cgroup.v2):
            identity = self._parse_cgroup(path) if path is not None else None
            if identity is None or not identity.exact:
                continue
            for id_ in (identity.id, *reversed(identity.parents)):
                if self._holds(id_, cgroup):
                    return id_
        return None

    def _initiator(
        self,
        process: ProcessFacts,
        argv: tuple[str, ...],
        cwd: str | None,
        exe: str | None,
        container: ContainerId | None,
        socket: str | None = None,
    ) -> Initiator:
        ancestors: tuple[Ancestor, ...] = process.ancestors
        return Initiator(
            process=InitiatorProcess(
                process.key.pid, process.key.start_time, exe, argv, cwd, process.tty
            ),
            user=self._user(process.uid, process.loginuid, process.session),
            container_id=container,
            socket=socket,
            ancestors=ancestors,
            unit=unit_of(process.cgroup),
        )

    def _user(self, uid: int | None, loginuid: int | None, session: int | None) -> InitiatorUser:
        return InitiatorUser(
            uid=uid,
            name=self._names.get(uid) if uid is not None else None,
            auid=loginuid,
            auid_name=self._names.get(loginuid) if loginuid is not None else None,
            session=session,
        )


def is_engine_caller(caller: Caller, role_of: RoleOf) -> bool:
    """Whether the caller may be part of an engine itself, as dockerd is to containerd."""
    return _may_be_root(caller) and _is_engine(role_of, caller.comm or "", caller.exe or "")


def _may_be_root(caller: Caller) -> bool:
    return (caller.euid if caller.euid is not None else caller.uid) in (ROOT, None)


def _is_engine(role_of: RoleOf, comm: str, exe: str) -> bool:
    return role_by_file(role_of, exe, comm) in _OF_ENGINES


def _trigger_of_client(
    process: ProcessFacts, container: ContainerId | None
) -> tuple[Trigger, Confidence]:
    if container is not None:
        return Trigger.CONTAINER, Confidence.EXACT
    return trigger_of(process)


def _command_evidence(exec_: CommandExec) -> Evidence:
    return Evidence(
        Witness.KERNEL,
        EvidenceKind.CLIENT_COMMAND,
        f"{exec_.program} command",
        exec_.time,
        kernel_reference(exec_.sequence),
    )


def _connect_evidence(connect: ApiConnect) -> Evidence:
    return Evidence(
        connect.witness,
        EvidenceKind.CONNECTION,
        f"connect {connect.socket}",
        connect.time,
        connect.ref,
    )
