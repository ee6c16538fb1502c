"""What a call of AWS is to a container start, as the readers of its services say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import Effect, Standing

if TYPE_CHECKING:
    from sensor.model.control_plane import RequestContainer, RequestOutcome, Workload
    from sensor.model.ecs_facts import EcsFacts


@dataclass(frozen=True, slots=True)
class Reading:
    """What a call is to a container start."""

    standing: Standing = Standing.NO
    effect: Effect = Effect.NONE
    workload: Workload | None = None
    containers: tuple[RequestContainer, ...] = ()
    outcome: RequestOutcome | None = None
    """Where the call itself succeeded, and what it asked for did not."""
    reason: str | None = None
    in_cluster: bool = True
    facts: EcsFacts | None = None


def tail(arn: str | None) -> str | None:
    """Return what stands behind the last slash of an ARN."""
    return None if arn is None else arn.rpartition("/")[2] or None
