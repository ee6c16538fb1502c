"""What the sources beside the probes report: audit and the engines' own event streams."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.api_calls import Caller
from sensor.model.vocabulary import ContainerId, Witness


@dataclass(frozen=True, slots=True)
class AuditExec:
    """An execve of a watched program, as the audit subsystem recorded it."""

    time: int
    ref: str
    key: str | None
    """The audit rule's key(s), joined by commas."""
    caller: Caller
    success: bool


@dataclass(frozen=True, slots=True)
class ManifestWritten:
    """A file of kubelet's directory of static pods was written, or moved there."""

    time: int
    ref: str
    caller: Caller
    path: str
    """As the caller named it, absolute where its directory is known."""


@dataclass(frozen=True, slots=True)
class EngineConfigWritten:
    """A file of an engine's configuration was written, or moved there."""

    time: int
    ref: str
    caller: Caller
    path: str
    """As the caller named it, absolute where its directory is known."""


@dataclass(frozen=True, slots=True)
class AuditRulesChanged:
    """Audit rules of Castoff are missing from the kernel since a time, or they are back."""

    time: int
    since: int
    missing: int
    """Rules that are missing; 0 when they are back, or when audit was switched off."""
    enabled: bool
    """Whether the kernel records at all."""
    keys: tuple[str, ...] = ()
    """Of the rules that are missing."""
    loginuid: int | None = None
    """Of the process that did it, as the kernel's own record names it."""
    exe: str | None = None
    """Its program, where a record of its system call came with it."""

    @property
    def lost(self) -> bool:
        """Whether something is not recorded."""
        return self.missing > 0 or not self.enabled

    @property
    def what(self) -> str:
        """What is lost, and by which program, as a sentence."""
        if not self.missing:
            said = "kernel audit was switched off"
        else:
            said = f"{self.missing} audit rules were removed ({', '.join(self.keys)})"
        return said if self.exe is None else f"{said} by {self.exe}"


@dataclass(frozen=True, slots=True)
class AuditLoss:
    """Audit events that did not reach us whole since the last such observation."""

    time: int
    since: int
    reason: str
    """``overrun`` (ENOBUFS), ``serials_missing``, ``in_flight_limit``, ``partial``."""
    lost: int | None


@quick
@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A container event from an engine's own stream, or from its list after a (re)connect."""

    time: int
    """When it arrived, ns since boot."""
    engine_wall: int | None
    """The engine's own time of it."""
    witness: Witness
    action: str
    """``start``, ``die``, ``create``, ``destroy``, ``restart``, ``pause``, ``unpause``, ``rename``
    (to ``name``), ``running`` (listed as running after a connect)."""
    id: ContainerId
    name: str | None
    image: str | None
    exit_code: int | None = None
    namespace: str | None = None
    """containerd's namespace."""
    labels: tuple[tuple[str, str], ...] = ()
    """Of the compose project only: ``com.docker.compose.*``."""


@dataclass(frozen=True, slots=True)
class EngineRecalled:
    """What an engine remembers of a container from before its stream was listened to."""

    time: int
    """When it was asked, ns since boot."""
    engine_wall: int | None
    witness: Witness
    action: str
    id: ContainerId
    name: str | None
    image: str | None


@dataclass(frozen=True, slots=True)
class EngineLoss:
    """Events of an engine's stream that did not reach us since the last such observation."""

    time: int
    since: int
    source: str
    missed: int
    """Events that must have been, as a later one proves."""
    dropped: int
    """Events that were too large or malformed."""


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """A source other than the probes became available or unavailable."""

    time: int
    source: str
    """``audit``, ``docker``, ``containerd``, ``podman``."""
    available: bool
    reason: str | None
