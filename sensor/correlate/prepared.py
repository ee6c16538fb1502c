"""Causes that are worked out in advance: at an init's execve time is short.

A container's cause is decided by what happened up to the runtime's creating command, some tens of
milliseconds before its init runs. Who caused it is therefore known, most of the time, when the
container has been described. An answer that was prepared is given only for the very same question,
and only while nothing has been learnt since that happened before it: it never differs from what
would be found then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.bounded import Bounded
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.past import RecentPast
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.kernel_records import CommandExec
    from sensor.model.vocabulary import ContainerId

PREPARED_MAX = 1024
"""Containers that are created and not started; the oldest is forgotten."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Prepared(Generic[Question, Answer]):
    question: Question
    answer: Answer
    owner: Origin | None
    supervisor: CommandExec | None
    learnt: int


class PreparedAnswers(Generic[Question, Answer]):
    """The latest answer for each container."""

    def __init__(self, past: RecentPast, runtimes: RuntimeLog) -> None:
        self._past = past
        self._runtimes = runtimes
        self._answers: Bounded[ContainerId, _Prepared[Question, Answer]] = Bounded(PREPARED_MAX)

    def __len__(self) -> int:
        return len(self._answers)

    def keep(
        self,
        id_: ContainerId,
        question: Question,
        time: int,
        answer: Answer,
        owner: Origin | None = None,
    ) -> None:
        """Keep what was found of an owner's container; causes after ``time`` do not matter."""
        self._past.watch_until(time)
        supervisor = self._runtimes.supervisor_of(id_, owner)
        prepared = _Prepared(question, answer, owner, supervisor, self._past.learnt_late)
        self._answers.put(id_, prepared)

    def look(self, id_: ContainerId, question: Question) -> Answer | None:
        """Return the answer if it is there and still holds, and keep it."""
        prepared = self._answers.get(id_)
        if prepared is None or not self._holds(id_, question, prepared):
            return None
        return prepared.answer

    def take(self, id_: ContainerId, question: Question) -> Answer | None:
        """Give the answer, once, if it still holds."""
        prepared = self._answers.pop(id_)
        if prepared is None or not self._holds(id_, question, prepared):
            return None
        return prepared.answer

    def _holds(
        self, id_: ContainerId, question: Question, prepared: _Prepared[Question, Answer]
    ) -> bool:
        return (
            prepared.learnt == self._past.learnt_late
            and prepared.supervisor is self._runtimes.supervisor_of(id_, prepared.owner)
            and prepared.question == question
        )
