"""From whose root a request's paths are read, and what its runtime shares with the host."""

from __future__ import annotations

import os
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.files import Failure
from sensor.identity.reading import FileKind
from sensor.identity.roots import (
    NAMESPACES,
    host_namespace,
    open_process_root,
    open_root,
    own_namespaces,
    shared_namespaces,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from sensor.identity.settings import IdentitySettings
    from sensor.model.requests import DescribeRequest


@dataclass(frozen=True, slots=True)
class View:
    """The root that a request's paths belong to; close it after use."""

    root: int
    foreign: bool = False
    """It is the root of a reader in a mount namespace of its own."""
    lost: bool = False
    """It should be foreign, but the reader has ended: paths are tried on the host."""
    kept: bool = False
    """The descriptor serves other requests, too."""

    def close(self) -> None:
        """Close the descriptor, unless it serves others."""
        if not self.kept:
            os.close(self.root)


class Views:
    """The views of one node. The host's root stays open for as long as this lives."""

    def __init__(self, settings: IdentitySettings) -> None:
        """Look for the host's root and mount namespace."""
        self._proc = settings.proc
        self._host_root = settings.host_root
        self._host_mnt_ns = settings.host_mnt_ns or host_namespace(settings.proc, "mount")
        self._host: View | None = None
        opened = open_root(settings.host_root)
        if isinstance(opened, int):
            self._host = View(opened, kept=True)
            weakref.finalize(self, os.close, opened)

    @property
    def host_mnt_ns(self) -> int | None:
        """Inode of the host's mount namespace, None where it is hidden."""
        return self._host_mnt_ns

    def open(self, request: DescribeRequest, problems: list[str]) -> View | None:
        """Return a request's view, None without a root; adds what went wrong to ``problems``."""
        lost = False
        if request.reader is not None and self.is_foreign(request):
            opened = open_process_root(self._proc, request.reader)
            if isinstance(opened, int):
                return View(opened, foreign=True)
            problems.append(f"{FileKind.PROCESS_ROOT}:{opened}")
            lost = True
        if self._host is not None:
            return replace(self._host, lost=True) if lost else self._host
        opened = open_root(self._host_root)
        if isinstance(opened, Failure):
            problems.append(f"{FileKind.HOST_ROOT}:{opened}")
            return None
        return View(opened, lost=lost)

    def is_foreign(self, request: DescribeRequest) -> bool:
        """Return whether the reader is in another mount namespace than the host."""
        wanted, hosts = request.reader_mnt_ns, self._host_mnt_ns
        return wanted is not None and hosts is not None and wanted != hosts

    def shared(
        self, request: DescribeRequest, configured: Collection[str]
    ) -> tuple[str, ...] | None:
        """Return the namespaces that the runtime shares with the host, None where unknown.

        Of a runtime in the host's mount namespace only those are read that are not in
        ``configured``, which the bundle or the engine decides.
        """
        reader = request.reader
        if self.is_foreign(request):
            return None if reader is None else shared_namespaces(self._proc, reader)
        if reader is None:
            return NAMESPACES
        left_open = [name for name in NAMESPACES if name not in configured]
        own = own_namespaces(self._proc, reader, left_open)
        return tuple(name for name in NAMESPACES if name not in own) if own else NAMESPACES
