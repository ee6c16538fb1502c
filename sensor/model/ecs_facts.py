"""What the walk from a task of ECS needs of a record beyond its ``request`` block."""

from __future__ import annotations

from enum import StrEnum, unique

from sensor.dataclass import dataclass
from sensor.frozen import quick


@unique
class EcsTouch(StrEnum):
    """What a record of AWS is to tasks."""

    RUN = "run"
    """RunTask, StartTask: the answer names the tasks."""
    SERVICE = "service"
    """A write of a service that may start tasks."""
    STOP = "stop"
    """StopTask: a service replaces the task."""
    SCHEDULE = "schedule"
    """A write of a rule of EventBridge, or of a schedule, that runs tasks."""
    STEADY = "steady"
    """A service has all tasks that it was asked for."""
    TASK = "task"
    """ECS or its agent reports a task."""


@quick
@dataclass(frozen=True, slots=True)
class EcsFacts:
    """The facts of one record. Times are wall-clock ns."""

    touch: EcsTouch
    tasks: tuple[str, ...] = ()
    """The tasks that it names, as ARNs."""
    deployment: str | None = None
    """The deployment of a service that is new or grew: its tasks have it as ``startedBy``."""
    capacity: int | None = None
    """How many tasks a write can have caused; None where that is unknown."""
    rule: str | None = None
    """The rule of EventBridge, or the schedule, as ECS writes it into ``startedBy``."""
    scope: str | None = None
    """Its event bus or group, within which its name is unique."""
    role: str | None = None
    """The role with which it runs tasks."""
    created: int | None = None
    """When a task was created."""
