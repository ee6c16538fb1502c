"""What is known to have caused each start of a labelled run, and how an event's answer compares."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any

from sensor.model.vocabulary import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@unique
class Group(StrEnum):
    """The rows of the tables."""

    CLI_NAMED = "docker command that names it"
    CLI_NAMELESS = "docker run without a name"
    SET_UP = "docker command of the set-up"
    API = "raw API call"
    CONTAINER = "API call from a container"
    RESTART_POLICY = "restart policy"
    ENGINE_BOOT = "engine boot"
    RUNC = "runc by hand"


TRIGGERS = {
    Group.CLI_NAMED: Trigger.USER_COMMAND,
    Group.CLI_NAMELESS: Trigger.USER_COMMAND,
    Group.SET_UP: Trigger.USER_COMMAND,
    Group.API: Trigger.API_CLIENT,
    Group.CONTAINER: Trigger.CONTAINER,
    Group.RESTART_POLICY: Trigger.RESTART_POLICY,
    Group.ENGINE_BOOT: Trigger.ENGINE_BOOT,
    Group.RUNC: Trigger.DIRECT_RUNTIME,
}


@unique
class Answer(StrEnum):
    """What an event says of who caused the start, compared with the truth."""

    EXACT = "exact, right"
    INFERRED = "inferred, right"
    CANDIDATE = "ambiguous, truth among them"
    NONE = "none"
    NO_CAUSE = "no cause, right"
    WRONG = "WRONG"
    MISSING = "not reported"


@dataclass(frozen=True, slots=True)
class Cause:
    """Who caused a start. ``login`` and ``pid`` are None where the engine did by itself."""

    group: Group
    login: int | None = None
    pid: int | None = None
    container: str | None = None
    """The container that the caller sits in."""

    @property
    def by_a_person(self) -> bool:
        """Whether there is a process to be named."""
        return self.pid is not None or self.container is not None

    def is_(self, initiator: Mapping[str, Any]) -> bool:
        """Whether an event's initiator or candidate is the one."""
        process, user = initiator["process"] or {}, initiator["user"] or {}
        if initiator["container_id"] != self.container:
            return False
        if self.container is not None:
            return True
        return bool(process.get("pid") == self.pid and user.get("auid") == self.login)


class Labels:
    """The causes of every container's starts, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._causes: dict[str, list[Cause]] = {}
        self._lock = threading.Lock()

    def add(self, container: str, cause: Cause) -> None:
        """Note one more start. From any thread."""
        with self._lock:
            self._causes.setdefault(container, []).append(cause)

    def __len__(self) -> int:
        """The number of starts."""
        return sum(map(len, self._causes.values()))

    def counts(self) -> dict[str, int]:
        """How often each container has been started."""
        return {container: len(causes) for container, causes in self._causes.items()}

    def judge(self, events: Iterable[Mapping[str, Any]]) -> Judgement:
        """Compare start events, in the order of writing, with the truth."""
        reported: dict[str, list[Mapping[str, Any]]] = {}
        for event in events:
            reported.setdefault(event["container"]["id"], []).append(event)
        judgement = Judgement()
        for container, causes in self._causes.items():
            starts = sorted(reported.get(container, ()), key=lambda event: str(event["time"]))
            judgement.surplus += max(0, len(starts) - len(causes))
            for number, cause in enumerate(causes):
                judgement.add(cause, starts[number] if number < len(starts) else None)
        return judgement


def answer(cause: Cause, event: Mapping[str, Any]) -> Answer:
    """Judge an event's initiator."""
    initiator, candidates = event["initiator"], event["candidates"]
    if not cause.by_a_person:
        return Answer.WRONG if initiator or candidates else Answer.NO_CAUSE
    if initiator is not None:
        if not cause.is_(initiator):
            return Answer.WRONG
        exact = event["confidence"]["initiator"] == "exact"
        return Answer.EXACT if exact else Answer.INFERRED
    if candidates:
        return Answer.CANDIDATE if any(map(cause.is_, candidates)) else Answer.WRONG
    return Answer.NONE


class Judgement:
    """Two confusion tables in the making, and the events that were wrong."""

    def __init__(self) -> None:
        self.triggers: Counter[tuple[Group, str]] = Counter()
        self.answers: Counter[tuple[Group, Answer]] = Counter()
        self.surplus = 0
        """Starts of the run's containers beyond those that there were."""
        self.wrong: list[tuple[Cause, Mapping[str, Any]]] = []

    def add(self, cause: Cause, event: Mapping[str, Any] | None) -> None:
        """Count one start, reported or not."""
        if event is None:
            self.answers[cause.group, Answer.MISSING] += 1
            self.triggers[cause.group, Answer.MISSING] += 1
            return
        found, trigger = answer(cause, event), str(event["start"]["trigger"])
        self.answers[cause.group, found] += 1
        self.triggers[cause.group, trigger] += 1
        if found is Answer.WRONG or trigger not in (TRIGGERS[cause.group], Trigger.UNKNOWN):
            self.wrong.append((cause, event))

    def total(self, group: Group) -> int:
        """How many starts of a group there were."""
        return sum(count for (one, _), count in self.answers.items() if one is group)

    def answered(self, group: Group, *answers: Answer) -> int:
        """How many starts of a group were answered so."""
        return sum(self.answers[group, one] for one in answers)

    @property
    def missing(self) -> int:
        """How many starts were not reported."""
        return sum(self.answered(group, Answer.MISSING) for group in Group)

    def trigger_table(self) -> str:
        """Return the confusion of triggers."""
        columns = [str(trigger) for trigger in Trigger] + [str(Answer.MISSING)]
        return _confusion("trigger", columns, self.triggers)

    def answer_table(self) -> str:
        """Return the confusion of initiators."""
        return _confusion("initiator", [str(one) for one in Answer], self.answers)


def _confusion(what: str, columns: Sequence[str], counts: Mapping[Any, int]) -> str:
    """Return truth and answers as a Markdown table, without columns that nothing was said of."""
    groups = [group for group in Group if any(one is group for one, _ in counts)]
    used = [name for name in columns if any(said == name for _, said in counts)]
    head = [f"{what}: truth, and what was said", *used]
    lines = [[f"{g} ({TRIGGERS[g]})", *(str(counts.get((g, n), 0)) for n in used)] for g in groups]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, cells, widths)) + " |" for cells in (head, rule, *lines)
    )
