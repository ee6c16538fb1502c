"""Whether a ``node=`` prefix names this node.

auditd writes it by ``name_format`` (auditd.conf(5)): the host's name as it is, its full name, or an
address. Rules:

- an address counts when it is one of this host's; a loopback address is always one of them;
- a name with a domain counts when it is equal to a full name of this host;
- where either side lacks the domain, the first labels decide.

The host's full name is known when its own name has a domain, or from ``/etc/hosts``, which auditd's
resolver reads first. No server is asked: a record would wait for it.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTS = Path("/etc/hosts")
HOSTS_MAX = 1 << 20
"""Bytes of it that are read."""

NAMES_CACHED = 256
"""Names of nodes whose answer is remembered: a central log may hold many."""

_DISCARD = 9
"""A port to connect a datagram socket to; nothing is sent."""


class NodeName:
    """The names of this node. ``is_local``: whether an address is one of this host's."""

    def __init__(
        self,
        name: str,
        *,
        hosts: Path = HOSTS,
        is_local: Callable[[str], bool] | None = None,
    ) -> None:
        own = _plain(name)
        self._short = own.partition(".")[0]
        self._full = frozenset({own}) if "." in own else _full_names(own, hosts)
        self._is_local = is_local or is_address_of_host
        self._known: dict[str, bool] = {}

    def names(self, node: str) -> bool:
        """Whether a node's name is one of this node."""
        found = self._known.get(node)
        if found is None:
            if len(self._known) >= NAMES_CACHED:
                self._known.clear()
            found = self._known[node] = self._decide(node)
        return found

    def _decide(self, node: str) -> bool:
        name = _plain(node)
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            pass
        else:
            return address.is_loopback or self._is_local(str(address))
        if "." in name and self._full:
            return name in self._full
        return name.partition(".")[0] == self._short


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _full_names(name: str, hosts: Path) -> frozenset[str]:
    """Return the names with a domain on the lines of a hosts file that have ``name``."""
    try:
        with hosts.open("rb") as file:
            text = file.read(HOSTS_MAX).decode("utf-8", "replace")
    except OSError:
        return frozenset()
    lines = (_plain(line.partition("#")[0]).split()[1:] for line in text.splitlines())
    return frozenset(
        one.removesuffix(".")
        for words in lines
        for one in words
        if one.startswith(f"{name}.") and name in words
    )


def is_address_of_host(address: str) -> bool:
    """Whether an address is one of this network namespace's, as the kernel routes to it.

    A datagram to a host's own address has that address, or its interface's first one, as its
    source. Secondary addresses may so count as another host's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
            probe.connect((address, _DISCARD))
            return str(probe.getsockname()[0]).partition("%")[0] == address
    except OSError:
        return False
