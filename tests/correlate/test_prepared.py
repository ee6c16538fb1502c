"""Answers that are prepared: given for the same question only, and never other than found anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate import initiator
from sensor.correlate.authority import HOST_ROOT
from sensor.correlate.certain_causes import by_command
from sensor.correlate.clients import AUDIT_EARLY
from sensor.correlate.initiator import Attributor
from sensor.correlate.past import RecentPast
from sensor.correlate.places import Places
from sensor.correlate.prepared import PREPARED_MAX, PreparedAnswers
from sensor.correlate.question import Attribution, Knowledge, Question
from sensor.correlate.runtimes import RuntimeLog
from sensor.correlate.starts import StartReporter
from sensor.identity import cgroup
from sensor.model.events import Event
from sensor.model.vocabulary import Confidence, ContainerId
from tests.correlate.observations import (
    MS,
    ROLES,
    ancestor,
    asks,
    audited,
    below,
    caller,
    connects,
    ns,
    requests,
    typed,
)
from tests.correlate.scenario import DB, WEB, Core, supervised

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.model.observations import Observation

SHIM = ancestor("containerd-shim-runc-v2", 60)
ANN, BOB = 50, 51
EARLY = AUDIT_EARLY / MS


def learn_client(log: RecentPast, at: float) -> None:
    log.add_client(typed(at, "docker start web", ANN), HOST_ROOT)


LEARNT: dict[str, Callable[[RecentPast, float], object]] = {
    "connect": lambda log, at: log.add_connect(connects(at, caller(70))),
    "request": lambda log, at: log.add_request(
        requests(at, caller(70), "POST /containers/web/start")
    ),
    "client": learn_client,
    "audit": lambda log, at: log.add_audit(audited(at + EARLY, ANN)),
}


@pytest.fixture
def log() -> RecentPast:
    return RecentPast(Places(cgroup.parse).origin_of_caller)


@pytest.fixture
def runtimes() -> RuntimeLog:
    return RuntimeLog(ROLES.of_name)


@pytest.fixture
def answers(log: RecentPast, runtimes: RuntimeLog) -> PreparedAnswers[str, str]:
    made: PreparedAnswers[str, str] = PreparedAnswers(log, runtimes)
    made.keep(WEB.id, "who?", ns(10), "ann")
    return made


def test_an_answer_is_given_once_and_for_its_own_question(
    answers: PreparedAnswers[str, str],
) -> None:
    assert answers.look(WEB.id, "who?") is not None
    assert answers.take(DB.id, "who?") is None
    assert answers.take(WEB.id, "who?") == "ann"
    assert answers.take(WEB.id, "who?") is None
    answers.keep(WEB.id, "who?", ns(10), "ann")
    assert answers.take(WEB.id, "who else?") is None
    assert len(answers) == 0


@pytest.mark.parametrize("learn", LEARNT.values(), ids=LEARNT)
@pytest.mark.parametrize(("at", "holds"), [(9, False), (10, False), (11, True)])
def test_what_is_learnt_of_the_time_before_makes_it_void(
    log: RecentPast,
    answers: PreparedAnswers[str, str],
    learn: Callable[[RecentPast, float], None],
    at: float,
    *,
    holds: bool,
) -> None:
    learn(log, at)
    assert (answers.look(WEB.id, "who?") is not None) is holds
    assert (answers.take(WEB.id, "who?") == "ann") is holds


def test_another_supervisor_makes_it_void(
    runtimes: RuntimeLog, answers: PreparedAnswers[str, str]
) -> None:
    shim = supervised(5, WEB, "conmon", "-c", WEB.id, above=ancestor("podman", 61))
    runtimes.add_supervisor(shim, HOST_ROOT)
    assert answers.look(WEB.id, "who?") is None
    answers.keep(WEB.id, "who?", ns(10), "bob")
    assert answers.take(WEB.id, "who?") == "bob"


def test_answers_are_bounded(log: RecentPast, runtimes: RuntimeLog) -> None:
    answers: PreparedAnswers[str, int] = PreparedAnswers(log, runtimes)
    for number in range(PREPARED_MAX + 1):
        answers.keep(ContainerId(f"{number:064x}"), "who?", ns(10), number)
    assert len(answers) == PREPARED_MAX
    assert answers.take(ContainerId(f"{0:064x}"), "who?") is None


# ------------------------------------------------------------------ in the core

BEFORE = st.integers(0, 9)
PEOPLE = st.sampled_from([ANN, BOB])
SEEN = st.one_of(
    st.builds(
        asks,
        BEFORE,
        st.sampled_from(["docker start web", "docker run --name web nginx", "docker run nginx"]),
        PEOPLE,
    ),
    st.builds(lambda at, pid: connects(at, caller(pid)), BEFORE, st.sampled_from([ANN, 77, 78])),
    st.builds(
        lambda at, pid, name: requests(at, caller(pid), f"POST /containers/{name}/start"),
        BEFORE,
        st.sampled_from([ANN, 77]),
        st.sampled_from([WEB.id, "web", "db"]),
    ),
    st.builds(audited, BEFORE, PEOPLE),
)


def flat(seen: list[Any]) -> list[Observation]:
    return [one for some in seen for one in (some if isinstance(some, list) else [some])]


def reported(observations: list[Observation]) -> Event:
    core = Core()
    for observation in observations:
        core >> observation
    return core.start


@given(
    early=st.lists(SEEN, max_size=5).map(flat),
    late=st.lists(SEEN, max_size=3).map(flat),
    later=st.lists(SEEN, max_size=2).map(flat),
)
def test_a_prepared_cause_is_what_would_have_been_found(
    early: list[Observation], late: list[Observation], later: list[Observation]
) -> None:
    created: list[Observation] = [below(WEB.create(10), SHIM), WEB.described(11)]
    made: list[Observation] = [
        *early,
        *created,
        *late,
        WEB.other(13, "start"),
        *later,
        WEB.execs(15),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Attributor, "prepare", lambda *_: None)
        found = reported(made)
    assert reported(made) == found


def test_a_certain_cause_is_prepared_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[ContainerId] = []

    def counted(question: Question, known: Knowledge) -> Attribution | None:
        searched.append(question.id)
        return by_command(question, known)

    monkeypatch.setattr(initiator, "CERTAIN", (counted,))
    monkeypatch.setattr(initiator, "REASONS", (counted,))
    core = Core()
    core >> asks(0, "docker start web", ANN) >> below(WEB.create(10), SHIM) >> WEB.described(11)
    assert searched == [WEB.id]
    core >> WEB.other(13, "start") >> WEB.execs(15)
    assert searched == [WEB.id]
    assert core.start.confidence.initiator is Confidence.EXACT


def searches(monkeypatch: pytest.MonkeyPatch) -> list[ContainerId]:
    """Have nothing found beforehand; the list gets each container that a cause is looked for."""
    searched: list[ContainerId] = []

    def nothing(question: Question, known: Knowledge) -> Attribution | None:
        del known
        searched.append(question.id)
        return None

    monkeypatch.setattr(initiator, "CERTAIN", (nothing,))
    monkeypatch.setattr(initiator, "REASONS", ())
    return searched


def test_all_that_a_batch_tells_of_a_container_is_prepared_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = searches(monkeypatch)
    core = Core()
    core >> below(WEB.create(10), SHIM) >> [WEB.described(11), WEB.other(13, "start")]
    assert searched == [WEB.id]


def test_a_start_does_not_wait_for_what_is_prepared_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = searches(monkeypatch)
    core = Core()
    core >> [below(WEB.create(10), SHIM), below(DB.create(10), SHIM)] >> DB.described(11)
    searched.clear()
    before: list[ContainerId] = []
    core.core._on_event = lambda _: before.extend(searched)
    core >> [WEB.described(12), DB.execs(13)]
    assert before == []
    assert searched == [WEB.id]


def test_a_defect_of_preparing_is_counted_and_costs_no_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise LookupError

    core = Core()
    core >> below(WEB.create(10), SHIM)
    with monkeypatch.context() as patch:
        patch.setattr(StartReporter, "prepare", broken)
        core >> WEB.described(11)
    assert core.core.defects == {"ContainerState: LookupError": 1}
    core >> WEB.execs(15)
    assert core.start.container is not None
