"""Read the command lines of shims and monitors: which container they look after.

containerd's shims: ``-namespace NS -id ID -address A [-bundle B] [start|delete]`` (containerd,
runtime/v2/shim/shim.go); conmon: ``-c ID -n NAME -b BUNDLE -r RUNTIME`` or the long forms of them
(conmon(8)).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from sensor.correlate import client_command
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from sensor.model.kernel_records import CommandExec

ID_MAX = 1024

NSPAWN = "systemd-nspawn"
_MACHINE_OPTIONS = {
    "machine": ("-M", "--machine"),
    "directory": ("-D", "--directory"),
    "image": ("-i", "--image"),
}
_MACHINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_ID_OPTIONS = {Role.SHIM: ("-id", "--id"), Role.MONITOR: ("-c", "--cid")}


def container_of(exec_: CommandExec) -> str | None:
    """Return the id in a shim's or monitor's command line; None when it only cleans up."""
    options = _ID_OPTIONS.get(exec_.role, ())
    words = exec_.argv
    if words and words[-1] == "delete":
        return None
    for index, word in enumerate(words[1:-1], start=1):
        name, separator, value = word.partition("=")
        if name in options:
            found = value if separator else words[index + 1]
            return found if 0 < len(found) <= ID_MAX else None
    return None


def engine_address(exec_: CommandExec) -> str | None:
    """Return the socket of the engine that a shim answers to, by its command line."""
    if exec_.role is not Role.SHIM:
        return None
    for word, after in pairwise(exec_.argv):
        if word in ("-address", "--address") and after.startswith("/"):
            return after
    return None


def begins_engine(exec_: CommandExec) -> bool:
    """Whether an engine began: podman's service, or one that is not dockerd's own helper.

    At every start with a network runc's hook executes dockerd under the name
    ``libnetwork-setkey`` (moby, pkg/reexec).
    """
    if exec_.role is Role.CLIENT:
        return client_command.helper(exec_.program, exec_.argv) is client_command.Helper.SERVICE
    called = exec_.argv[0].rpartition("/")[2] if exec_.argv else exec_.program
    return exec_.role is Role.ENGINE and called == exec_.program


def machine_of(exec_: CommandExec) -> str | None:
    """Return the name of the machine that a systemd-nspawn makes; None of any other program.

    It is the one given, or else that of the directory or image (systemd-nspawn(1)).
    """
    if exec_.program != NSPAWN:
        return None
    found: dict[str, str] = {}
    for index, word in enumerate(exec_.argv[1:], start=1):
        option, separator, value = word.partition("=")
        if not separator and index + 1 < len(exec_.argv):
            value = exec_.argv[index + 1]
        for what, spellings in _MACHINE_OPTIONS.items():
            if option in spellings:
                found.setdefault(what, value)
    place = found.get("directory") or found.get("image") or exec_.cwd or ""
    named = place.rstrip("/").rpartition("/")[2].removesuffix(".raw")
    name = found.get("machine", named)
    return name if _MACHINE_NAME.fullmatch(name) else None


def is_daemon(argv: tuple[str, ...]) -> bool:
    """Whether a command line has options only, as dockerd's and containerd's have.

    A word that follows no option is a client's verb.
    """
    return all(word.startswith("-") or before.startswith("-") for before, word in pairwise(argv))
