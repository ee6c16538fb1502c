"""A replay gives the same events at the same times, with their verdicts."""

from __future__ import annotations

from pathlib import Path

from sensor.agent.parsers import parsers
from sensor.agent.policy_files import load_files
from sensor.agent.replayer import Replayer
from sensor.model.agent_records import ClockSynced
from sensor.model.events import Event
from sensor.model.observations import Observation
from tests.correlate.observations import HOST, OFFSET, ns
from tests.correlate.scenario import WEB

STORY: tuple[tuple[Observation, ...], ...] = (
    (HOST, ClockSynced(ns(0), OFFSET)),
    (WEB.create(1), WEB.described(2)),
    (WEB.execs(5),),
    (WEB.exits(900),),
)


def replayed(replayer: Replayer) -> list[Event]:
    return [
        event
        for number, batch in enumerate(STORY, 1)
        for event in replayer.feed(ns(1000 * number), batch)
    ]


def test_the_same_batches_give_the_same_events() -> None:
    first = replayed(Replayer(parsers()))
    assert first == replayed(Replayer(parsers()))
    assert [event.type for event in first] == ["container.start", "container.stop"]
    assert first[0].verdict is not None


def test_a_policy_judges_what_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[expect.web]\nname = "web"\n')
    (start, *_) = replayed(Replayer(parsers(), load_files((path,), 0).policy))
    assert start.verdict is not None
    assert start.verdict.expected is True
