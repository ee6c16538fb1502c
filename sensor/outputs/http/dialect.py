"""What collectors that speak HTTP have in common: a request of a batch, and what an answer means.

Pure. A collector's own way is a :class:`Dialect` in a module of its own.

==================  ================================================================================
status              meaning
==================  ================================================================================
2xx                 taken
400, 413, 422       refused as it is: halved, until the event is found that does not pass
401, 403, 407       not known or not allowed: long waits
404, 405, 3xx       a wrong URL: a mistake of the configuration must not cost events; long waits
anything else       again later, after ``Retry-After`` where it is given
==================  ================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sensor.outputs.delivery import Delivered, Refused, Retry

if TYPE_CHECKING:
    from sensor.outputs.delivery import Outcome
    from sensor.outputs.http.message import Headers, HttpAnswer
    from sensor.outputs.lines import Lines

REFUSED_STATUSES = frozenset({400, 413, 422})
MISTAKEN_STATUSES = frozenset({*range(300, 400), 401, 403, 404, 405, 407})
"""Those that a person has to mend."""
OK_STATUSES = range(200, 300)


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted. ``target`` is path and query."""

    body: bytes
    headers: Headers
    target: str


@dataclass(frozen=True, slots=True)
class Poll:
    """The collector took the request and tells only later whether it is safe: ask for that."""

    request: Request
    id: int


class Dialect(Protocol):
    """How a kind of collector is spoken to."""

    def request(self, batch: Lines) -> Request:
        """Return the request that carries a batch: the same each time."""

    def outcome(self, batch: Lines, answer: HttpAnswer, told: str) -> Outcome | Poll:
        """Return what an answer says of a batch; ``told`` is the answer for a person."""

    def confirmed(self, poll: Poll, answer: HttpAnswer) -> bool:
        """Return whether an answer to a poll says that the batch is safe."""


def by_status(answer: HttpAnswer, told: str) -> Outcome:
    """Return what the status alone says."""
    if answer.status in OK_STATUSES:
        return Delivered()
    if answer.status in REFUSED_STATUSES:
        return Refused(told)
    if answer.status in MISTAKEN_STATUSES:
        return Retry(told, answer.retry_after(), credentials=True)
    return Retry(told, answer.retry_after())
