"""A capture through core and judge again: what the agent's pipeline makes of it, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.core import Correlator
from sensor.judge.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.correlate.core import Parsers
    from sensor.judge.policy import Policy
    from sensor.model.events import Event
    from sensor.model.observations import Observation


class Replayer:
    """Holds core and judge. The same batches at the same times give the same events."""

    def __init__(self, parsers: Parsers, policy: Policy | None = None) -> None:
        self.core = Correlator(parsers)
        self._judge = Judge(policy, keeping=False)

    def feed(self, now: int, observations: Sequence[Observation]) -> tuple[Event, ...]:
        """Take a batch that arrived at ``now`` (ns since boot); return its events, judged."""
        outcome = self.core.feed(now, observations)
        # What the judge of the recording agent had to report stands in the capture itself.
        return tuple(one for event in outcome.events for one in self._judged(event))

    def _judged(self, event: Event) -> tuple[Event, ...]:
        """Return an event with its verdict, and the alerts that follow from it."""
        return (self._judge.judge(event), *self._judge.take_alerts())
