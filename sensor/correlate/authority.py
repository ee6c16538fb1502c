"""Who may speak of a container. Pure; every rule of the core asks here.

A statement about a container counts only as far as its author could have brought it about. Who
the author is comes from the kernel: effective user, user namespace, the containers around the
process. File names, arguments and paths only hint at which container is meant.

    actor                                                    is to the container
    root of the host, in no container                        owner
    in a container that the owner is not in                  stranger
    the owner's user, where the owner is                     owner
    root of a container around the owner's                   owner
    any other process                                        stranger
    whose owner nothing has shown                            unknown, save for root of the host

A container keeps the owner of its first creation. Users are the kernel's own numbers (kuid), which
no user namespace changes: a user owns all that the same user made, in whatever user namespace. Root
counts as root in the namespace of the owner alone.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.vocabulary import ContainerId
from sensor.shares import PART_OF

if TYPE_CHECKING:
    from sensor.model.api_calls import Listener
    from sensor.model.process import CgroupPaths

HOST_USER_NS = 0xEFFFFFFD
HOST_PID_NS = 0xEFFFFFFC
"""Inodes of the first namespaces: PROC_USER_INIT_INO, PROC_PID_INIT_INO (linux/proc_ns.h)."""

ROOT = 0

_USER_SLICE = re.compile(r"/user-(\d{1,10})\.slice/")
"""systemd makes a user's slice and delegates what is below it to that user (systemd.slice(5))."""

_LOGIN_SLICE = re.compile(r"/user\.slice/user-(\d{1,10})\.slice/")
"""The same where systemd of the host made it, and no container's."""

SUBORDINATE = 65_536
"""Uids from here on may be subordinate ones (subuid(5)): any user may have thousands of them."""


@unique
class ActorStanding(Enum):
    """What an actor is to a container."""

    OWNER = auto()
    STRANGER = auto()
    UNKNOWN = auto()


@quick
@dataclass(frozen=True, slots=True)
class Origin:
    """Where a process's rights come from."""

    uid: int
    """Effective user, as the first user namespace numbers it."""
    user_ns: int | None = None
    """Inode of its user namespace; None where the witness does not report it."""
    inside: tuple[ContainerId, ...] = ()
    """The containers around it, outermost first."""
    slice_uid: int | None = field(default=None, compare=False)
    """The user in whose slice its cgroup lies: who may name all cgroups there."""

    @property
    def privileged(self) -> bool:
        """Whether it is root of the host, in no container."""
        return self.uid == ROOT and not self.inside and self.user_ns in (None, HOST_USER_NS)

    @property
    def domain(self) -> str | None:
        """Name of whose its containers are; None for root of the host."""
        if self.privileged:
            return None
        if self.inside:
            return f"in {self.inside[-1]} uid {self.uid}"
        return f"uid {self.uid}"

    @property
    def account(self) -> str | None:
        """Name of who answers for it, of which no user has several; None for root of the host.

        A user makes any number of cgroups called like containers, and has thousands of uids.
        """
        if self.privileged:
            return None
        if self.slice_uid is not None:
            return f"uid {self.slice_uid}"
        if self.inside:
            return f"in {self.inside[0]}"
        return f"uid {self.uid}" if self.uid < SUBORDINATE else "subordinate uids"

    @property
    def share(self) -> str | None:
        """Name whose share of tables and budgets it uses: its account's, or a part of that."""
        account, domain = self.account, self.domain
        if account is None or domain is None or account == domain:
            return account
        return f"{account}{PART_OF}{domain}"


HOST_ROOT = Origin(ROOT)

_DOMAIN = re.compile(r"(?:in (?P<inside>\S+) )?uid (?P<uid>\d{1,10}):(?: .*)?", re.DOTALL)


def owner_of_scope(scope: str | None) -> Origin:
    """Return whose a container is by the scope of its key, which begins with the owner's domain."""
    found = _DOMAIN.fullmatch(scope or "")
    if found is None:
        return HOST_ROOT
    inside = (ContainerId(found["inside"]),) if found["inside"] is not None else ()
    uid = int(found["uid"])
    # A container of root's that runs as another user is root's: only users make others' own ones.
    return Origin(uid, None, inside, uid or None)


def standing(actor: Origin | None, owner: Origin | None) -> ActorStanding:
    """Return what ``actor`` is to a container of ``owner``."""
    if actor is None:
        return ActorStanding.UNKNOWN
    if actor.privileged:
        return ActorStanding.OWNER
    if owner is None:
        return ActorStanding.UNKNOWN
    if owner.privileged or owner.inside[: len(actor.inside)] != actor.inside:
        return ActorStanding.STRANGER
    if actor.uid == owner.uid and (actor.uid != ROOT or _same_namespace(actor, owner)):
        same_place = actor.inside == owner.inside
        # Inside a container of his, a user's own number is that container's user.
        return ActorStanding.OWNER if same_place else _from_around(actor, owner)
    return _from_around(actor, owner)


def _same_namespace(actor: Origin, owner: Origin) -> bool:
    return None in (actor.user_ns, owner.user_ns) or actor.user_ns == owner.user_ns


def _from_around(actor: Origin, owner: Origin) -> ActorStanding:
    """Root of an outer container owns what is in the inner ones."""
    outer = bool(actor.inside) and len(actor.inside) < len(owner.inside)
    return ActorStanding.OWNER if outer and actor.uid == ROOT else ActorStanding.STRANGER


def engine_standing(listener: Listener, owner: Origin | None, pid_ns: int | None) -> ActorStanding:
    """Return what an engine is to a container of ``owner``, by who listens at its socket.

    An engine of root speaks for every container, one of a user for that user's. ``pid_ns`` is the
    pid namespace that the container's runtime ran in: it is the engine's, or the host's.
    """
    roots = listener.uid == ROOT and listener.user_ns in (None, HOST_USER_NS)
    if listener.privileged is False:
        # It could not have made any container of root's.
        roots = False
    if roots and listener.pid_ns == HOST_PID_NS:
        return ActorStanding.OWNER
    if owner is None:
        return ActorStanding.UNKNOWN
    if owner.privileged and not roots:
        return ActorStanding.STRANGER
    if not owner.privileged and not owner.inside and not roots:
        return ActorStanding.OWNER if listener.uid == owner.uid else ActorStanding.STRANGER
    if None in (listener.pid_ns, pid_ns) or listener.pid_ns == pid_ns:
        return ActorStanding.UNKNOWN
    return ActorStanding.STRANGER


def login_slice_of(cgroup: CgroupPaths | None) -> int | None:
    """Return the user in whose slice a cgroup lies, None outside of such slices."""
    for path in (cgroup.v2, cgroup.v1) if cgroup is not None else ():
        found = _LOGIN_SLICE.match(path or "")
        if found is not None:
            return int(found[1])
    return None


def owner_by_cgroup(
    cgroup: CgroupPaths | None, inside: tuple[ContainerId, ...], uid: int | None = None
) -> Origin:
    """Return who can have made a container's cgroup.

    A cgroup below a user's slice can be that user's; any other needs root where it lies. ``uid``
    is the user of the process that supervises the container, where that is known.
    """
    for path in (cgroup.v2, cgroup.v1) if cgroup is not None else ():
        found = _USER_SLICE.search(path or "")
        if found is not None:
            return Origin(int(found[1]), None, inside, login_slice_of(cgroup))
    return Origin(ROOT if uid is None else uid, None, inside)


@unique
class RequestFate(Enum):
    """What became of a request by the time of a creation."""

    WAITED = auto()
    """It was not answered then, and its connection was open: the engine worked on it."""
    REFUSED = auto()
    """The engine answered with an error: nothing was done."""
    DONE = auto()
    """It was answered, or its connection had ended, before: what it asked for was over."""
    UNSEEN = auto()
    """Nothing reports answers or ends of that connection."""


def answer_at(
    creation: int, *, answered: int | None, refused: bool, closed: int | None, watched: bool
) -> RequestFate:
    """Return what a request's answer means for a creation at ``creation`` (ns since boot).

    ``watched``: answers or ends of the connection can be seen.
    """
    if refused:
        return RequestFate.REFUSED
    if answered is not None and answered < creation:
        return RequestFate.DONE
    if closed is not None and closed < creation:
        return RequestFate.DONE
    return RequestFate.WAITED if watched or answered is not None else RequestFate.UNSEEN


def may_ask(*, let_in: bool, connects_seen: bool) -> ActorStanding:
    """Return whether a client's command line can have reached an engine.

    One that connected and was let in can; where connects are seen, no other can.
    """
    if let_in:
        return ActorStanding.OWNER
    return ActorStanding.STRANGER if connects_seen else ActorStanding.UNKNOWN
