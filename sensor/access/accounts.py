"""Users, the groups that open engines, and users with rootless engines."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.access import Way, WayKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.access.node import Node

ENGINE_GROUPS = (
    "docker",
    "podman",
    "containerd",
    "crio",
    "lxd",
    "incus-admin",
    "microk8s",
    "balena-engine",
)
"""Groups that engines and their packages give their sockets to. Who is in one is root."""

_PASSWD_FIELDS = 7
_GROUP_FIELDS = 4
_RANGE_FIELDS = 3
"""Of a line of subuid(5): user, first id, number of ids."""


@dataclass(frozen=True, slots=True)
class Account:
    """A line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True)
class Group:
    """A line of group(5), with those whose first group it is."""

    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users and groups in the node's files; directories (LDAP, SSSD) are not asked."""

    users: tuple[Account, ...] = ()
    groups: tuple[Group, ...] = ()
    names: dict[int, str] = field(default_factory=dict)

    def group(self, gid: int) -> Group | None:
        """Return a group by its number."""
        return next((one for one in self.groups if one.gid == gid), None)

    def group_called(self, name: str) -> Group | None:
        """Return a group by its name."""
        return next((one for one in self.groups if one.name == name), None)


def read(node: Node) -> Accounts:
    """Read passwd(5) and group(5); other lines are passed over."""
    users = []
    for line in (node.text("/etc/passwd") or "").splitlines():
        parts = line.split(":")
        if len(parts) == _PASSWD_FIELDS and parts[2].isdecimal() and parts[3].isdecimal():
            users.append(Account(parts[0], int(parts[2]), int(parts[3]), parts[5], parts[6]))
    groups = []
    for line in (node.text("/etc/group") or "").splitlines():
        parts = line.split(":")
        if len(parts) == _GROUP_FIELDS and parts[2].isdecimal():
            gid = int(parts[2])
            listed = [one for one in parts[3].split(",") if one]
            listed += [one.name for one in users if one.gid == gid and one.name not in listed]
            groups.append(Group(parts[0], gid, tuple(listed)))
    return Accounts(tuple(users), tuple(groups), {one.uid: one.name for one in reversed(users)})


def ways(node: Node, accounts: Accounts) -> Iterator[Way]:
    """Yield members of engines' groups, accounts with uid 0, and users with rootless engines."""
    for user in accounts.users:
        if user.uid == 0:
            yield Way(
                WayKind.ROOT, user.name, f"uid 0, shell {user.shell}", grave=True, login=user.name
            )
    for name in ENGINE_GROUPS:
        group = accounts.group_called(name)
        for member in group.members if group is not None else ():
            yield Way(WayKind.GROUP, member, f"group {name}", grave=True, login=member)
    yield from _rootless(node, accounts)


def _rootless(node: Node, accounts: Accounts) -> Iterator[Way]:
    """Users with subordinate ids (subuid(5)): a rootless engine works for them."""
    ranges = {
        fields[0]
        for line in (node.text("/etc/subuid") or "").splitlines()
        if len(fields := line.split(":")) == _RANGE_FIELDS and not line.startswith("#")
    }
    for user in accounts.users:
        if user.uid == 0 or not ranges & {user.name, str(user.uid)}:
            continue
        evidence = "subordinate ids in /etc/subuid"
        for name in ("docker.sock", "podman/podman.sock"):
            if node.status(f"/run/user/{user.uid}/{name}") is not None:
                evidence += f"; /run/user/{user.uid}/{name}"
        yield Way(WayKind.ROOTLESS, user.name, evidence, login=user.name)
