"""Units, timers and cron jobs whose commands start containers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.access.commands import client_in
from sensor.model.access import Way, WayKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.access.accounts import Accounts
    from sensor.access.node import Node

UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
"""systemd.unit(5): the first that has a unit hides the others."""
QUADLETS = ("/etc/containers/systemd", "/usr/share/containers/systemd")
CRON_FILES = ("/etc/crontab",)
CRON_DIRECTORIES = ("/etc/cron.d",)
SCRIPTS = ("/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
CRONTABS = ("/var/spool/cron/crontabs", "/var/spool/cron")

_COMMAND = re.compile(r"^Exec(?:Start|StartPre|StartPost|Reload)\s*=\s*(.+)$", re.MULTILINE)
_USER = re.compile(r"^User\s*=\s*(\S+)", re.MULTILINE)
_ENGINES = frozenset({"docker.service", "containerd.service", "podman.service", "crio.service"})
_FIELDS = 5


def ways(node: Node, accounts: Accounts) -> Iterator[Way]:
    """Yield each unit and each job that runs a client."""
    yield from _units(node)
    for path in CRON_FILES:
        yield from _crontab(node, path, None)
    for directory in CRON_DIRECTORIES:
        for name in node.names(directory):
            yield from _crontab(node, f"{directory}/{name}", None)
    for directory in SCRIPTS:
        for name in node.names(directory):
            client = _client_of_script(node.text(f"{directory}/{name}") or "")
            if client is not None:
                yield Way(WayKind.JOB, "root", f"{directory}/{name} runs {client}", grave=True)
    known = {one.name for one in accounts.users}
    for directory in CRONTABS:
        for name in node.names(directory):
            if name in known:
                yield from _crontab(node, f"{directory}/{name}", name)


def _units(node: Node) -> Iterator[Way]:
    seen: set[str] = set()
    timers: set[str] = set()
    for directory in UNIT_DIRECTORIES:
        timers |= {name[:-6] for name in node.names(directory) if name.endswith(".timer")}
    for directory in UNIT_DIRECTORIES:
        for name in node.names(directory):
            if name.endswith(".service") and name not in seen:
                seen.add(name)
                if name not in _ENGINES:
                    yield from _unit(node, directory, name, timed=name[:-8] in timers)
    for directory in QUADLETS:
        for name in node.names(directory):
            if name.endswith((".container", ".kube", ".pod")):
                unit = f"{name.rpartition('.')[0]}.service"
                evidence = f"{directory}/{name} (quadlet)"
                yield Way(WayKind.JOB, "root", evidence, grave=True, unit=unit)


def _unit(node: Node, directory: str, name: str, *, timed: bool) -> Iterator[Way]:
    text = _text_of_unit(node, f"{directory}/{name}")
    for line in _COMMAND.findall(text):
        client = client_in(line)
        if client is not None:
            user = _USER.search(text)
            how = ", with a timer" if timed else ""
            evidence = f"{directory}/{name} runs {client}{how}"
            who = user[1] if user is not None else "root"
            yield Way(WayKind.JOB, who, evidence, grave=user is None, unit=name)
            return


def _text_of_unit(node: Node, path: str) -> str:
    # Links lead from one directory of units to another, or to /dev/null for a masked one.
    try:
        target = node.at(path)
        if target.is_symlink() and not target.resolve().is_file():
            return ""
    except (OSError, RuntimeError):
        return ""
    return node.text(path, follow=True) or ""


def _crontab(node: Node, path: str, user: str | None) -> Iterator[Way]:
    """Yield the jobs of a crontab; without a ``user`` its lines name one (crontab(5))."""
    for line in (node.text(path) or "").splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        fields = text.split(None, _FIELDS + (user is None))
        if text.startswith("@"):
            fields = ["", "", "", "", *text.split(None, 1 + (user is None))]
        if len(fields) <= _FIELDS + (user is None):
            continue
        client = client_in(fields[-1])
        if client is None:
            continue
        who = user if user is not None else fields[_FIELDS]
        evidence = f"{path} runs {client}"
        yield Way(WayKind.JOB, who, evidence, grave=who == "root", unit="cron.service")


def _client_of_script(text: str) -> str | None:
    for line in text.splitlines():
        if not line.lstrip().startswith("#"):
            found = client_in(line)
            if found is not None:
                return found
    return None
