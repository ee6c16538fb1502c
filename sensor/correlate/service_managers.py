"""What a service manager started: by the unit of its cgroup, or below a cron or a supervisor.

Only root puts a process into a service's cgroup, so that a unit is a fact. Below a user's own
manager that user may, so that a unit there is inferred. A cron is known by its file's name alone,
which its user chose: what is below one is inferred to be a job, and what has a terminal is not a
job. So is a supervisor of a host without systemd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.vocabulary import Confidence, Trigger

if TYPE_CHECKING:
    from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts

_CRON = frozenset({"cron", "crond", "anacron", "atd", "fcron"})
_CRON_UNITS = frozenset(f"{name}.service" for name in _CRON)
_SUPERVISORS = frozenset(
    {"dinit", "openrc", "openrc-run", "perpd", "procd", "runsv", "s6-supervise", "supervise",
     "supervise-daemon"}
)  # fmt: skip
_MANY_NAMES = "busybox"
"""A file of many programs: what runs from it is known by its comm (crond and runsv of Alpine)."""
_USER_MANAGER = "user@"
_OF_A_DESKTOP = ("app-", "dbus-", "gnome-", "plasma-")
"""Units of a user's manager that a desktop makes for what the person opens (systemd.io/DESKTOP)."""
_SERVICE_SUFFIX = ".service"
_NOT_A_CAUSE = ("user@", "session-", "ssh.service", "sshd", "getty@", "serial-getty@")
"""Units that people's sessions run in: what is below them is a person's doing."""


def trigger_of(process: ProcessFacts) -> tuple[Trigger, Confidence]:
    """Return whether a person or a service manager began a process, and how sure that is."""
    unit = unit_of(process.cgroup)
    if process.loginuid is None and unit is not None:
        return Trigger.SERVICE_MANAGER, Confidence.EXACT
    if process.tty is None and any(_is_one(one, _CRON) for one in process.ancestors):
        certain = unit in _CRON_UNITS
        return Trigger.SERVICE_MANAGER, Confidence.EXACT if certain else Confidence.INFERRED
    if process.tty is None and (_is_supervised(process) or _is_of_own_manager(process, unit)):
        return Trigger.SERVICE_MANAGER, Confidence.INFERRED
    return Trigger.USER_COMMAND, Confidence.EXACT


def unit_of(cgroup: CgroupPaths | None) -> str | None:
    """Return the systemd service of a cgroup path, unless it is one that people log in through."""
    for path in (cgroup.v2, cgroup.v1) if cgroup is not None else ():
        for part in reversed((path or "").split("/")):
            if part.endswith(_SERVICE_SUFFIX) and not part.startswith(_NOT_A_CAUSE):
                return part
    return None


def _is_one(ancestor: Ancestor, names: frozenset[str]) -> bool:
    """Whether a process has one of the names by its file, or by its comm where that says none."""
    file = ancestor.exe if ancestor.exe != _MANY_NAMES else None
    return (file or ancestor.comm.lower()) in names


def _is_supervised(process: ProcessFacts) -> bool:
    """Whether a process without a login is below a supervisor."""
    above = process.ancestors
    return process.loginuid is None and any(_is_one(one, _SUPERVISORS) for one in above)


def _is_of_own_manager(process: ProcessFacts, unit: str | None) -> bool:
    """Whether a process is in a service of its user's own manager, which gives it a login."""
    if unit is None or unit.startswith(_OF_A_DESKTOP) or process.cgroup is None:
        return False
    paths = (process.cgroup.v2, process.cgroup.v1)
    return any(f"/{_USER_MANAGER}" in (path or "") for path in paths)
