"""What a service manager started: by the unit of its cgroup, or below a cron.

Only root puts a process into a service's cgroup, so that a unit is a fact. A cron is known by its
file's name alone, which its user chose: what is below one is inferred to be a job, and what has a
terminal is not a job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.vocabulary import Confidence, Trigger

if TYPE_CHECKING:
    from sensor.model.process import Ancestor, CgroupPaths, ProcessFacts

_CRON = frozenset({"cron", "crond", "anacron", "atd", "fcron"})
_CRON_UNITS = frozenset(f"{name}.service" for name in _CRON)
_SERVICE_SUFFIX = ".service"
_NOT_A_CAUSE = ("user@", "session-", "ssh.service", "sshd", "getty@", "serial-getty@")
"""Units that people's sessions run in: what is below them is a person's doing."""


def trigger_of(process: ProcessFacts) -> tuple[Trigger, Confidence]:
    """Return whether a person or a service manager began a process, and how sure that is."""
    unit = unit_of(process.cgroup)
    if process.loginuid is None and unit is not None:
        return Trigger.SERVICE_MANAGER, Confidence.EXACT
    if process.tty is None and any(map(_is_cron, process.ancestors)):
        certain = unit in _CRON_UNITS
        return Trigger.SERVICE_MANAGER, Confidence.EXACT if certain else Confidence.INFERRED
    return Trigger.USER_COMMAND, Confidence.EXACT


def unit_of(cgroup: CgroupPaths | None) -> str | None:
    """Return the systemd service of a cgroup path, unless it is one that people log in through."""
    for path in (cgroup.v2, cgroup.v1) if cgroup is not None else ():
        for part in reversed((path or "").split("/")):
            if part.endswith(_SERVICE_SUFFIX) and not part.startswith(_NOT_A_CAUSE):
                return part
    return None


def _is_cron(ancestor: Ancestor) -> bool:
    """Whether a process is a cron by its file, or by its comm where the file is not known."""
    return (ancestor.exe or ancestor.comm.lower()) in _CRON
