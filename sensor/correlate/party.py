"""A process that may have caused a start, as an event shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from sensor.model.events import (
    Evidence,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    kernel_reference,
)
from sensor.model.vocabulary import ContainerId, Role, RoleOf, Trigger, Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.callers import CallerLog
    from sensor.correlate.containers import Creation
    from sensor.model.container import CgroupParser
    from sensor.model.observations import ApiConnect, ApiRequest, Caller, CommandExec
    from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts

REDACTED_MAX = 256
"""Command lines whose redacted form is remembered."""

NAMES_MAX = 256
"""Names of programs of which it is remembered whether they are parts of an engine."""

_OF_ENGINES = frozenset({Role.ENGINE, Role.SHIM, Role.MONITOR, Role.RUNTIME})
_CRON = frozenset({"cron", "crond", "anacron", "atd", "fcron", "CRON"})
_SERVICE_SUFFIX = ".service"
_NOT_A_CAUSE = ("user@", "session-", "ssh.service", "sshd", "getty@", "serial-getty@")
"""Units that people's sessions run in: what is below them is a person's doing."""
_ORCHESTRATORS = frozenset({"kubelet", "k3s", "k3s-server", "k3s-agent", "rke2", "k0s"})


@dataclass(frozen=True, slots=True)
class Party:
    """One process with the evidence against it. ``exec`` is its command, if it is a client."""

    key: tuple[int, int | None]
    initiator: Initiator
    trigger: Trigger
    evidence: tuple[Evidence, ...]
    exec: CommandExec | None = None

    def joined(self, other: Party) -> Party:
        """Add what another witness saw of the same process."""
        richer = self if self.exec is not None or other.exec is None else other
        seen = dict.fromkeys((*self.evidence, *other.evidence))
        return replace(richer, evidence=tuple(seen))


class PartyFactory:
    """Turns what witnesses saw of a process into a party."""

    def __init__(
        self,
        callers: CallerLog,
        parse_cgroup: CgroupParser,
        role_of: RoleOf,
        redact: Callable[[tuple[str, ...]], tuple[str, ...]],
    ) -> None:
        self._callers = callers
        self._parse_cgroup = parse_cgroup
        # A command is a candidate for many starts: once redacted is enough.
        self._redact = lru_cache(REDACTED_MAX)(redact)
        self._is_engine = lru_cache(NAMES_MAX)(partial(_is_engine, role_of))
        self._names: dict[int, str] = {}

    def learn_accounts(self, names: tuple[tuple[int, str], ...]) -> None:
        """Take over the node's account names."""
        self._names = dict(names)

    def expect(self, exec_: CommandExec) -> None:
        """Do now, while nobody waits, what a start that this client causes would wait for."""
        self._redact(exec_.argv)

    # ----------------------------------------------------------------- parties

    def of_client(
        self, exec_: CommandExec, also: Evidence | None = None, socket: str | None = None
    ) -> Party:
        """A container client that was executed; ``also`` is what was seen of it beside that.

        ``socket`` is the one that it is known to have used.
        """
        evidence = [
            Evidence(
                Witness.KERNEL,
                f"{exec_.program} command",
                exec_.time,
                kernel_reference(exec_.sequence),
            )
        ]
        exe = exec_.process.exe
        record = self._callers.audit_of(exec_)
        if record is not None:
            evidence.append(Evidence(Witness.AUDIT, "execve", record.time, record.ref))
            exe = record.caller.exe or exe
        connects = self._callers.connects_of(exec_)
        evidence += [_connect_evidence(connect) for connect in connects[:2]]
        if also is not None and also not in evidence:
            evidence.append(also)
        if socket is None and connects:
            socket = connects[0].socket
        container = self._container(exec_.process.cgroup)
        initiator = self._initiator(
            exec_.process, self._redact(exec_.argv), exec_.cwd, exe, container, socket
        )
        return Party(
            (exec_.process.key.pid, exec_.process.key.start_time),
            initiator,
            self._trigger_of_client(exec_.process, container),
            tuple(evidence),
            exec_,
        )

    def of_runtime(self, creation: Creation) -> Party:
        """An OCI runtime that nobody above it but a person or a script ran."""
        process = creation.process
        container = self._container(process.cgroup)
        trigger = self._trigger_of_client(process, container)
        if trigger is Trigger.USER_COMMAND:
            trigger = Trigger.DIRECT_RUNTIME
        argv = self._redact(creation.argv)
        return Party(
            (process.key.pid, process.key.start_time),
            self._initiator(process, argv, creation.cwd, process.exe, container),
            trigger,
            # The creating command is evidence of the start already.
            (),
        )

    def of_connect(self, connect: ApiConnect) -> Party:
        """A process that connected to an engine's socket."""
        return self._of_caller(
            connect.caller, connect.socket, connect.time, _connect_evidence(connect)
        )

    def of_request(self, request: ApiRequest) -> Party:
        """A process whose request to an engine was read."""
        evidence = Evidence(Witness.KERNEL, "API request", request.time, request.ref)
        return self._of_caller(request.caller, request.socket, request.time, evidence)

    def _of_caller(self, caller: Caller, socket: str, time: int, evidence: Evidence) -> Party:
        exec_ = self._callers.client_of(caller.pid, caller.start_time, time)
        if exec_ is not None:
            return self.of_client(exec_, evidence, socket)
        container = self._container(caller.cgroup)
        if container is not None:
            trigger = Trigger.CONTAINER
        elif is_orchestrator(caller):
            trigger = Trigger.ORCHESTRATOR
        else:
            trigger = Trigger.API_CLIENT
        return Party(
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
                unit=_unit(caller.cgroup) if caller.cgroup is not None else None,
            ),
            trigger,
            (evidence,),
        )

    # ----------------------------------------------------------------- kinds of processes

    def is_engine(self, exec_: CommandExec) -> bool:
        """Whether a client's command makes an engine of it: ``podman system service``."""
        words = [word for word in exec_.argv[1:] if not word.startswith("-")]
        return words[:2] == ["system", "service"]

    def is_engine_caller(self, caller: Caller) -> bool:
        """Whether the caller is part of an engine itself, as dockerd is to containerd."""
        return self._is_engine(caller.comm or "", caller.exe or "")

    def _trigger_of_client(self, process: ProcessFacts, container: ContainerId | None) -> Trigger:
        if container is not None:
            return Trigger.CONTAINER
        if any(ancestor.comm in _CRON for ancestor in process.ancestors):
            return Trigger.SERVICE_MANAGER
        if process.loginuid is None and _unit(process.cgroup) is not None:
            return Trigger.SERVICE_MANAGER
        return Trigger.USER_COMMAND

    def _container(self, cgroup: CgroupPaths | None) -> ContainerId | None:
        if cgroup is None:
            return None
        for path in (cgroup.v1, cgroup.v2):
            identity = self._parse_cgroup(path) if path is not None else None
            if identity is not None and identity.exact:
                return identity.id
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
            unit=_unit(process.cgroup),
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
    """Whether the caller is part of an engine itself, as dockerd is to containerd."""
    return _is_engine(role_of, caller.comm or "", caller.exe or "")


def _is_engine(role_of: RoleOf, comm: str, exe: str) -> bool:
    names = {comm, exe.rpartition("/")[2]}
    if names & _ORCHESTRATORS:
        return False
    return any(role_of(name) in _OF_ENGINES for name in names)


def is_orchestrator(caller: Caller) -> bool:
    """Whether the caller is a kubelet, alone or inside a distribution's one binary."""
    return caller.comm in _ORCHESTRATORS or (caller.exe or "").rpartition("/")[2] in _ORCHESTRATORS


def _unit(cgroup: CgroupPaths) -> str | None:
    """The systemd service that a cgroup path is in, unless it is one that people log in through."""
    for path in (cgroup.v2, cgroup.v1):
        for part in reversed((path or "").split("/")):
            if part.endswith(_SERVICE_SUFFIX) and not part.startswith(_NOT_A_CAUSE):
                return part
    return None


def _connect_evidence(connect: ApiConnect) -> Evidence:
    return Evidence(connect.witness, f"connect {connect.socket}", connect.time, connect.ref)
