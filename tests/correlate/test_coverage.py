"""The table of starts by witness, and the gaps that follow from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.coverage import FAILURE_WINDOW, GRACE, SILENCE, STARTS_MAX, WAITING_MAX
from sensor.model.events import Event
from sensor.model.process import CgroupPaths
from sensor.model.requests import CoverageRow
from sensor.model.vocabulary import Engine, EventType, Witness
from sensor.model.witness_records import EngineLoss, SourceChanged
from tests.correlate.observations import MS, SHIM, attached, audited, below, heard, ns, typed
from tests.correlate.scenario import DB, WEB, Box, Core, described, numbered, reported

PATIENCE = GRACE / MS
FAILED_FOR = FAILURE_WINDOW / MS


def gaps(core: Core) -> list[Event]:
    return core.of(EventType.GAP)


def rows(core: Core, since: float = -10_000) -> list[CoverageRow]:
    return list(core.core.coverage(ns(since)))


def witnesses(row: CoverageRow) -> tuple[bool, bool, bool, bool, bool]:
    return row.kernel, row.runtime, row.audit, row.engine, row.engine_listening


def start(core: Core, box: Box, at: float, engine: Engine = Engine.DOCKER) -> None:
    (
        core
        >> below(box.create(at), SHIM)
        >> described(at + 1, box, engine=engine)
        >> box.execs(at + 5)
    )


# ------------------------------------------------------------------ only an engine reported it


def test_a_start_that_only_an_engine_shows_is_a_gap_once(core: Core) -> None:
    core >> heard(0) >> reported(10, WEB)
    assert core.core.deadline() == ns(10 + PATIENCE)
    core.wait(until=9 + PATIENCE)
    assert gaps(core) == []
    core.wait(until=10 + PATIENCE)
    (event,) = gaps(core)
    assert event.gap is not None
    assert event.container is not None
    assert (event.gap.source, event.gap.lost) == ("docker", 1)
    assert (event.gap.since, event.gap.until) == (ns(10), ns(10 + PATIENCE))
    assert "virtual machine" in event.gap.reason
    assert (event.container.id, event.container.name) == (WEB.id, "web")
    assert event.container.runtime is Engine.DOCKER
    assert [(e.source, e.what, e.time) for e in event.evidence] == [
        (Witness.DOCKER, "docker event: start", ns(10))
    ]
    assert core.core.deadline() is None
    core.wait(until=100 * PATIENCE)
    assert gaps(core) == [event]


def test_its_row_says_that_no_other_witness_saw_it(core: Core) -> None:
    core >> heard(0) >> reported(10, WEB)
    core.wait(until=20 + PATIENCE)
    (row,) = rows(core)
    assert (row.id, row.name, row.time) == (WEB.id, "web", ns(10))
    assert witnesses(row) == (False, False, False, True, True)
    assert row.reason is not None
    assert "blind" in row.reason


@pytest.mark.parametrize(
    "action", ["create", "die", "destroy", "restart", "pause", "unpause", "running"]
)
def test_nothing_else_that_an_engine_shows_is_a_start(core: Core, action: str) -> None:
    core >> reported(10, WEB, action)
    core.wait(until=100 + PATIENCE)
    assert gaps(core) == []
    assert rows(core) == []


def test_an_engine_never_makes_a_start_of_its_own(core: Core) -> None:
    core >> reported(10, WEB)
    core.wait(until=100 + PATIENCE)
    assert core.starts == []


@pytest.mark.parametrize("first", ["engine", "kernel"])
def test_the_second_witness_of_a_start_may_be_late(core: Core, first: str) -> None:
    if first == "engine":
        core >> reported(10, WEB)
        start(core, WEB, 2000)
    else:
        start(core, WEB, 10)
        core >> reported(60_000, WEB)
    core.wait(until=200_000)
    assert gaps(core) == []
    assert [row.engine for row in rows(core)] == [True]


def test_each_start_needs_a_word_of_its_own(core: Core) -> None:
    core >> WEB.life(0) >> reported(6, WEB) >> reported(50, WEB)
    core.wait(until=100 + PATIENCE)
    assert len(gaps(core)) == 1


def test_two_runs_and_two_words_are_not_a_gap_in_whatever_order(core: Core) -> None:
    core >> WEB.life(0) >> WEB.again().life(50) >> reported(60, WEB) >> reported(61, WEB)
    core.wait(until=100 + PATIENCE)
    assert gaps(core) == []
    assert [row.engine for row in rows(core)] == [True, True]


def test_two_engines_may_report_one_start(core: Core) -> None:
    core >> reported(1, WEB, witness=Witness.CONTAINERD)
    start(core, WEB, 0)
    core >> reported(10, WEB)
    core.wait(until=100 + PATIENCE)
    assert gaps(core) == []


# ------------------------------------------------------------------ failed starts


def fail(core: Core, at: float) -> None:
    core >> WEB.create(at) >> WEB.described(at + 1) >> WEB.created(at + 5, 1 << 8)
    assert core.types() == ["container.start_failed"]


@pytest.mark.parametrize("reported_at", [-5, 50, 5 + FAILED_FOR], ids=["before", "after", "late"])
def test_a_failed_start_that_an_engine_shows_as_a_start_is_not_a_gap(
    core: Core, reported_at: float
) -> None:
    if reported_at < 0:
        core >> reported(reported_at, WEB)
    fail(core, 0)
    if reported_at > 0:
        core >> reported(reported_at, WEB)
    core.wait(until=100 + FAILED_FOR + PATIENCE)
    assert gaps(core) == []


def test_a_failure_excuses_no_word_of_later(core: Core) -> None:
    fail(core, 0)
    core >> reported(100 + FAILED_FOR, WEB)
    core.wait(until=200 + FAILED_FOR + PATIENCE)
    assert len(gaps(core)) == 1


def test_a_failure_excuses_no_other_container(core: Core) -> None:
    core >> reported(-5, DB)
    fail(core, 0)
    core.wait(until=100 + PATIENCE)
    assert [event.container.id for event in gaps(core) if event.container] == [DB.id]


# ------------------------------------------------------------------ rows


def test_a_start_that_all_saw_has_no_reason(core: Core) -> None:
    core >> heard(-10) >> typed(-5, "docker start web", 50) >> audited(-5, 50)
    start(core, WEB, 0)
    core >> reported(10, WEB)
    core.wait(until=10 + 2 * PATIENCE)
    (row,) = rows(core)
    assert witnesses(row) == (True, True, True, True, True)
    assert (row.id, row.name, row.time, row.reason) == (WEB.id, "web", ns(5), None)


LISTENING = {
    "never": ([], False),
    "before": ([heard(-10)], True),
    "another-engine": ([heard(-10, "podman")], False),
    "lost-again": ([heard(-10), heard(-5, available=False)], False),
    "found-again": ([heard(-10), heard(-9, available=False), heard(-8)], True),
    "only-after-the-start": ([heard(7)], False),
}


@pytest.mark.parametrize(("changes", "listening"), LISTENING.values(), ids=LISTENING)
def test_an_engine_is_blamed_only_while_it_was_listened_to(
    core: Core, changes: list[SourceChanged], *, listening: bool
) -> None:
    core >> [change for change in changes if change.time < ns(0)]
    start(core, WEB, 0)
    core >> [change for change in changes if change.time > ns(0)]
    core.wait(until=100 + PATIENCE)
    (row,) = rows(core)
    assert row.engine_listening is listening
    assert row.engine is False
    assert (row.reason is not None and "did not report it" in row.reason) is listening


def test_an_engine_may_still_speak_for_a_while(core: Core) -> None:
    core >> heard(-10)
    start(core, WEB, 0)
    core.wait(until=5 + PATIENCE)
    assert [row.reason for row in rows(core)] == [None]


STREAMS = {Engine.DOCKER: "docker", Engine.CONTAINERD: "containerd", Engine.PODMAN: "podman"}


@pytest.mark.parametrize("engine", [*STREAMS, Engine.CRIO])
def test_each_engine_has_its_own_stream(core: Core, engine: Engine) -> None:
    for source in STREAMS.values():
        core >> heard(-10, source, available=source == STREAMS.get(engine))
    start(core, WEB, 0, engine)
    assert [row.engine_listening for row in rows(core)] == [engine in STREAMS]


def test_a_start_without_a_runtimes_command_says_so(core: Core) -> None:
    core >> WEB.execs(5) >> described(6, WEB)
    (row,) = rows(core)
    assert witnesses(row) == (True, False, False, False, False)
    assert row.reason is not None
    assert "runtime" in row.reason


def test_rows_are_of_a_period_and_in_order(core: Core) -> None:
    core >> reported(2, DB)
    start(core, WEB, 0)
    core.wait(until=100 + PATIENCE)
    start(core, numbered(1), 5000)
    assert [row.id for row in rows(core)] == [DB.id, WEB.id, numbered(1).id]
    assert [row.id for row in rows(core, since=3)] == [WEB.id, numbered(1).id]
    assert rows(core, since=6000) == []


# ------------------------------------------------------------------ bounds


def test_the_table_is_bounded(core: Core) -> None:
    for number in range(STARTS_MAX + 5):
        start(core, numbered(number), number / 10)
    found = rows(core)
    assert len(found) == STARTS_MAX
    assert found[0].id == numbered(5).id


def test_what_waits_is_bounded(core: Core) -> None:
    core >> [reported(number / 1000, numbered(number)) for number in range(2 * WAITING_MAX)]
    core.wait(until=100 + PATIENCE)
    assert len(gaps(core)) == WAITING_MAX


def test_an_engines_lost_events_are_a_gap(core: Core) -> None:
    core >> attached(0) >> EngineLoss(ns(20), ns(10), "docker", 3, 2)
    (event,) = gaps(core)
    assert event.gap is not None
    assert (event.gap.source, event.gap.lost) == ("docker", 5)
    assert (event.gap.since, event.gap.until) == (ns(10), ns(20))


# ------------------------------------------------------------------ the engine was silent


def test_a_start_that_a_listened_engine_never_spoke_of_is_handed_over_once(core: Core) -> None:
    core >> heard(0)
    start(core, WEB, 10)
    core.wait(until=10 + SILENCE / MS)
    assert core.core.silent_starts() == ()
    core.wait(until=20 + SILENCE / MS)
    (event,) = core.core.silent_starts()
    assert event.container is not None
    assert event.container.id == WEB.id
    assert core.core.silent_starts() == ()


@pytest.mark.parametrize("how", ["late", "deaf", "again", "unheard"])
def test_an_engine_that_spoke_or_was_not_heard_all_the_while_is_not_silent(
    core: Core, how: str
) -> None:
    if how != "unheard":
        core >> heard(0)
    start(core, WEB, 10)
    if how == "late":
        core >> reported(50_000, WEB)
    if how in {"deaf", "again"}:
        core >> SourceChanged(ns(1000), "docker", available=False, reason="gone")
    if how == "again":
        core >> heard(2000)
    core.wait(until=1000 + SILENCE / MS)
    assert core.core.silent_starts() == ()


# ------------------------------------------------------------------ engines that are not root's


OF_OTHERS = {
    "rootless": replace(WEB, uid=1001, root="/run/user/1001/docker/runc"),
    "in a container": replace(
        WEB,
        place=CgroupPaths(None, f"/docker/{DB.id}"),
        path=f"/docker/{DB.id}/docker/{WEB.id}",
    ),
}


@pytest.mark.parametrize("box", OF_OTHERS.values(), ids=OF_OTHERS)
def test_an_engine_that_is_not_listened_to_is_not_silent(core: Core, box: Box) -> None:
    core >> heard(0)
    start(core, box, 10)
    core.wait(until=20 + SILENCE / MS)
    assert len(core.starts) == 1
    assert core.core.silent_starts() == ()
    assert [(row.engine_listening, row.reason) for row in rows(core)] == [(False, None)]


def test_a_plain_users_container_of_the_same_id_hides_no_silence(core: Core) -> None:
    core >> heard(0)
    start(core, WEB, 10)
    start(core, replace(OF_OTHERS["rootless"], pid=300), 40)
    core.wait(until=20 + SILENCE / MS)
    (event,) = core.core.silent_starts()
    assert event.time == ns(15)


@pytest.mark.parametrize("fails", [False, True])
def test_a_plain_users_container_of_the_same_id_hides_no_start_that_only_an_engine_shows(
    core: Core, *, fails: bool
) -> None:
    other = OF_OTHERS["rootless"]
    if fails:
        core >> below(other.create(1), SHIM) >> other.created(5, 1)
    else:
        start(core, other, 1)
    core >> heard(0) >> reported(10, WEB)
    core.wait(until=10 + PATIENCE)
    assert [one.gap.source for one in gaps(core) if one.gap is not None] == ["docker"]
