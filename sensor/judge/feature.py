"""What is compared of a start with earlier ones: the features, and their values.

A value never holds what changes from one start to the next: generated parts of names are ``*``.
Who started it is what the kernel says: the login, the service, the calling container's workload,
else the account with the file of the first process above that is not a shell.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum, unique
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import maker, quick
from sensor.judge.entry_point import SHELLS, entry_point
from sensor.judge.maker_name import folded
from sensor.judge.privilege import WEAK
from sensor.model.account import of_owner
from sensor.model.vocabulary import StartKind, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.judge.case import Facts
    from sensor.model.events import Initiator

VALUE_MAX = 160
"""Characters of one value; what is longer is cut, so that its maker does not choose its size."""
WHOS_CACHED = 128
"""Initiators of one kind that are remembered."""
UNSET = 0xFFFF_FFFF
"""Login uid of a process that no login led to (audit: ``AUDIT_UID_UNSET``)."""
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "default"})
LOCAL_REGISTRY = "localhost"

_TRANSIENT = re.compile(r"^run-(?:u[0-9]+|r[0-9a-f]{8,}|p[0-9*]+-i[0-9*]+)")
"""A unit of ``systemd-run``: a number, random, or since 257 the process and its inode."""
_CONNECTION = re.compile(r"@[0-9*]+-[0-9A-Fa-f.:\[\]_*]+-[0-9A-Fa-f.:\[\]_*]+(?=\.service\Z)")
"""The instance of a service that a socket starts for each connection (``Accept=yes``)."""
_DBUS = re.compile(r"^dbus-:[0-9.*]+-(.+)@[0-9*]+(?=\.service\Z)")
"""A service that the bus started: its connection, its name, a number."""
_SECONDS_PER_DAY = 86_400


@unique
class Feature(StrEnum):
    """What is compared. The order is that of the bytes in a row: new ones go to the end."""

    INITIATOR = "initiator"
    PRIVILEGE = "privilege"
    REPOSITORY = "repository"
    ORGANISATION = "organisation"
    ENTRYPOINT = "entry point"
    CONTAINER = "container in pod"
    TAG = "tag"
    KIND = "kind of start"
    WORKLOAD = "workload"
    HOUR = "hour"
    DIRECT = "runtime without an engine"
    NAMESPACE = "namespace"
    RUNTIME = "runtime's file"
    MAKER = "maker of new workloads"
    """Who starts new workloads as a matter of course: a CI runner, a timer with odd names."""


@unique
class WhoKind(StrEnum):
    """What kind of initiator it is."""

    ENGINE = "engine"
    """An engine or the kubelet, on its own account: never new."""
    PERSON = "person"
    UNIT = "unit"
    CONTAINER = "container"
    ACCOUNT = "account"


@quick
@dataclass(frozen=True, slots=True)
class Who:
    """One who may have started it."""

    kind: WhoKind
    value: str
    named: bool = True
    """False for a login or account without a name."""


@quick
@dataclass(frozen=True, slots=True)
class Features:
    """The values of one start. None is unknown and is compared with nothing."""

    workload: str | None
    """Key of the workload; of a pod, of its owner."""
    instance: str | None
    """The same with the container's name in its pod."""
    container: str | None
    namespace: str | None
    static: bool
    repository: str | None
    organisation: str | None
    base: str | None
    """Last component of the image's path."""
    tag: str | None
    """Tag and image id, where both are known."""
    entrypoint: str | None
    shell: bool
    strong_atoms: frozenset[str]
    weak_atoms: frozenset[str]
    whos: tuple[Who, ...]
    late: bool
    special: str | None
    """``restored`` or ``dormant``."""
    runtime: str | None = None
    """The file of the OCI runtime."""
    owner: str | None = None
    """The account whose it is; None for root of the host. Its values begin with that."""

    @property
    def person(self) -> Who | None:
        """The person, where a person alone may have started it. Hours are those of root's."""
        if self.owner is not None:
            return None
        if len(self.whos) == 1 and self.whos[0].kind is WhoKind.PERSON:
            return self.whos[0]
        return None

    @property
    def by_engine(self) -> bool:
        """Whether an engine or the kubelet started it: then it is the only one."""
        return bool(self.whos) and self.whos[0].kind is WhoKind.ENGINE


_KUBELET = (Who(WhoKind.ENGINE, "kubelet"),)
_ENGINE = (Who(WhoKind.ENGINE, "engine"),)
_features = maker(Features)


def features_of(
    facts: Facts, workload_of: Callable[[str], str | None], dormant_days: int
) -> Features:
    """Return the features of a start; ``workload_of`` names the workload of a calling container."""
    of, image, event = facts.workload, facts.image, facts.event
    container, pod = event.container, event.orchestrator
    id_ = container.image.id if container is not None and container.image is not None else None
    path = container.oci_runtime_path if container is not None else None
    inside = of.container if of is not None else None
    entrypoint, shell = entry_point(container.command if container is not None else None)
    weak_atoms = facts.atoms & WEAK
    # In the order of the fields: as keywords they would cost as much as the rest.
    found = _features(
        of.key if of is not None else None,
        of.row if of is not None else None,
        _cut(inside) if inside is not None else None,
        pod.namespace if pod is not None else None,
        of is not None and of.owner is not None and of.owner.static,
        _cut(image.repository) if image is not None else None,
        _cut(image.organisation) if image is not None else None,
        image.base if image is not None else None,
        _cut(f"{image.tag}@{id_}") if image is not None and id_ is not None else None,
        entrypoint,
        shell,
        facts.atoms - weak_atoms,
        weak_atoms,
        _whos(facts, workload_of),
        pod is not None and pod.late is True and facts.kind is StartKind.FIRST,
        _special(facts, dormant_days),
        _cut(path) if path is not None else None,
    )
    return found if facts.owner is None else _owned(found, facts.owner)


def _owned(found: Features, owner: str) -> Features:
    """Return features of another owner's than root's: what they teach is apart from root's."""

    def mine(value: str | None) -> str | None:
        return _cut(of_owner(owner, value)) if value is not None else None

    return replace(
        found,
        repository=mine(found.repository),
        organisation=mine(found.organisation),
        strong_atoms=frozenset(_cut(of_owner(owner, one)) for one in found.strong_atoms),
        weak_atoms=frozenset(_cut(of_owner(owner, one)) for one in found.weak_atoms),
        whos=found.whos
        if found.by_engine
        else tuple(replace(one, value=_cut(of_owner(owner, one.value))) for one in found.whos),
        runtime=mine(found.runtime),
        owner=owner,
    )


def who_of(initiator: Initiator, workload_of: Callable[[str], str | None]) -> Who | None:
    """Return who an initiator is; None where nothing is known of it."""
    user = initiator.user
    if initiator.container_id is not None:
        workload = workload_of(initiator.container_id)
        named = workload or f"{initiator.container_id[:12]} of an unknown workload"
        return Who(WhoKind.CONTAINER, _cut(f"container {named}"), named=workload is not None)
    if initiator.unit is not None:
        return _unit(initiator.unit)
    if user is not None and user.auid is not None and user.auid != UNSET:
        return _person(user.auid_name, user.auid)
    if user is None or user.uid is None:
        return None
    return _account(user.name, user.uid, _program(initiator))


@lru_cache(maxsize=WHOS_CACHED)
def _unit(name: str) -> Who:
    unit = _TRANSIENT.sub("run-*", folded(name))
    unit = _DBUS.sub(r"dbus-:*-\1@*", _CONNECTION.sub("@*", unit))
    return Who(WhoKind.UNIT, _cut(f"unit {unit}"))


@lru_cache(maxsize=WHOS_CACHED)
def _person(login: str | None, auid: int) -> Who:
    return Who(WhoKind.PERSON, _cut(f"login {login or auid}"), named=login is not None)


@lru_cache(maxsize=WHOS_CACHED)
def _account(name: str | None, uid: int, program: str) -> Who:
    value = _cut(f"account {name or uid} by {program}")
    return Who(WhoKind.ACCOUNT, value, named=name is not None)


def _whos(facts: Facts, workload_of: Callable[[str], str | None]) -> tuple[Who, ...]:
    if facts.by_itself:
        return _KUBELET if facts.trigger is Trigger.ORCHESTRATOR else _ENGINE
    found = [who_of(one, workload_of) for one in facts.initiators]
    if len(found) == 1:
        # Most starts: what follows costs as much as the one.
        return (found[0],) if found[0] is not None else ()
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _program(initiator: Initiator) -> str:
    """Return the file of the first process above the client that is not a shell."""
    for ancestor in initiator.ancestors:
        if ancestor.exe is not None and ancestor.exe.rpartition("/")[2] not in SHELLS:
            return ancestor.exe
    process = initiator.process
    return (process.exe if process is not None else None) or "an unknown program"


def _special(facts: Facts, dormant_days: int) -> str | None:
    if facts.kind is StartKind.RESTORE:
        return "restored"
    start = facts.event.start
    dormant = start.dormant_seconds if start is not None else None
    if dormant is not None and dormant > dormant_days * _SECONDS_PER_DAY and not facts.by_itself:
        return "dormant"
    return None


def _cut(text: str | None) -> str:
    if text is not None and len(text) <= VALUE_MAX and text.isascii():
        return text
    found = (text or "")[:VALUE_MAX]
    # Bytes that are not text stand as escapes, as the store has them.
    return found if found.isascii() else found.encode("utf-8", "backslashreplace").decode()
