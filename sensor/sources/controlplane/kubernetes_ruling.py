"""What a call of the Kubernetes API is to a container start."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.model.control_plane import Effect, RequestContainer, Standing, Touch


@quick
@dataclass(frozen=True, slots=True)
class Ruling:
    """What a call is to a container start."""

    standing: Standing = Standing.NO
    effect: Effect = Effect.NONE
    touches: frozenset[Touch] = frozenset()
    replicas: int | None = None
    containers: tuple[RequestContainer, ...] = ()


NOTHING = Ruling()
CONFIG = Ruling(Standing.NO, Effect.CONFIG)
EXEC = Ruling(Standing.NO, Effect.EXEC)
STOPPED = Ruling(Standing.NO, Effect.STOP, frozenset({Touch.DELETE}))
REPLACED = Ruling(Standing.RELATED, Effect.STOP, frozenset({Touch.DELETE}))
SILENT = Ruling(Standing.POSSIBLE, Effect.UNKNOWN, frozenset({Touch.ANY}))
"""A write of which the record does not say what it changed."""
ROLLED_OUT = Ruling(Standing.REQUESTED, Effect.ROLLOUT, frozenset({Touch.TEMPLATE}))
SEEN = Ruling(Standing.NO, Effect.NONE, frozenset({Touch.STATUS}))
"""The status of a CronJob: it says which version of it its controller acted on."""
SCHEDULED = Ruling(Standing.RELATED, Effect.SCHEDULE, frozenset({Touch.ANY}))
SUSPENDED = Ruling(Standing.NO, Effect.CONFIG, frozenset({Touch.ANY}))
"""A version of a CronJob that starts nothing; the chain needs all of them."""
