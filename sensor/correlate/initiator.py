"""Find who or what caused a start, how certain that is, and why.

The causes are asked for in the order of :data:`REASONS`, and the first that answers is taken. What
the kernel saw of a request outweighs what fits by words.

1. ``by_request``: a request that names the container was read at the engine's socket, and the
   engine had neither answered nor refused it when the container was created → exact;
2. ``by_descent``: the runtime, or the monitor that supervises the container, was executed below a
   client (podman, buildah), or below no engine at all → exact, since the runtime's own command line
   names the container. Below podman's own helper it is the restart policy;
3. ``by_command``: the command line of a client that was connected to an engine names the container,
   or its compose project → exact. Where connections cannot be seen → inferred;
4. ``by_policy``: the engine's record on disk marks it as restarting → restart_policy;
5. ``by_orchestrator``: the engine's record names the pod, the task or the allocation that the
   container belongs to → orchestrator, exact as a trigger;
6. ``by_engine_boot``: the engine began shortly before → engine_boot, inferred;
7. ``by_launcher``: a program other than an engine made the container's cgroup or its init;
8. ``by_unread_request``: a request that names the container and whose method could not be read →
   inferred;
9. ``by_elimination``: the only process left that may have asked: a connected client whose command
   fits the container, a process that connected to an engine → inferred; several → ambiguous, all of
   them listed.

Without an answer the cause is unknown. Nothing is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.authority import RequestFate
from sensor.correlate.certain_causes import (
    by_command,
    by_descent,
    by_request,
    by_unread_request,
)
from sensor.correlate.elimination import by_elimination
from sensor.correlate.engine_causes import by_engine_boot, by_orchestrator, by_policy
from sensor.correlate.launchers import by_launcher
from sensor.correlate.prepared import PreparedAnswers
from sensor.correlate.question import Answering, Attribution, Knowledge, Question

if TYPE_CHECKING:
    from sensor.correlate.authority import Origin
    from sensor.correlate.candidates import CandidateFactory
    from sensor.correlate.engine_api.calls import Action
    from sensor.correlate.engine_requests import Asked
    from sensor.correlate.kubelets import Kubelets
    from sensor.correlate.past import RecentPast
    from sensor.correlate.runtimes import RuntimeLog
    from sensor.model.vocabulary import RoleOf


CERTAIN: tuple[Answering, ...] = (by_request, by_descent, by_command)
"""Reasons that tie a process to this container and no other: these are worked out beforehand."""

REASONS: tuple[Answering, ...] = (
    *CERTAIN,
    by_policy,
    by_orchestrator,
    by_engine_boot,
    by_launcher,
    by_unread_request,
    by_elimination,
)


class Attributor:
    """Looks for causes in what was recorded of clients and callers."""

    def __init__(
        self,
        past: RecentPast,
        runtimes: RuntimeLog,
        candidates: CandidateFactory,
        role_of: RoleOf,
        kubelets: Kubelets,
    ) -> None:
        self._knowledge = Knowledge(past, runtimes, candidates, role_of, kubelets)
        self._prepared: PreparedAnswers[Question, Attribution] = PreparedAnswers(past, runtimes)

    def prepare(self, question: Question) -> Attribution | None:
        """Find the cause of a start that is to come; None while it is not certain."""
        answer = self._prepared.look(question.id, question)
        if answer is None:
            answer = self._search(question, CERTAIN)
            if answer is not None:
                self._prepared.keep(question.id, question, question.time, answer, question.owner)
        return answer

    def asked(
        self, question: Question, action: Action, since: int, until: int | None = None
    ) -> bool:
        """Whether a request of that kind, which was not refused, named the container since then."""
        known = self._knowledge
        return any(
            asked.call.action is action
            and not known.hands_on(asked.caller, asked.origin, asked.socket, question)
            and asked.answer(question.time) is not RequestFate.REFUSED
            for asked in known.past.requests(
                question.names, question.home, since, until or question.time
            )
        )

    def is_orchestrators(self, asked: Asked, owner: Origin | None) -> bool:
        """Whether a request is that of a kubelet which owns the containers of ``owner``."""
        return self._knowledge.kubelets.orchestrates(asked.caller, asked.origin, owner)

    def attribute(self, question: Question) -> Attribution:
        """Find the cause of one start."""
        prepared = self._prepared.take(question.id, question)
        return prepared or self._search(question, REASONS) or Attribution()

    def _search(self, question: Question, reasons: tuple[Answering, ...]) -> Attribution | None:
        for reason in reasons:
            answer = reason(question, self._knowledge)
            if answer is not None:
                return answer
        return None
