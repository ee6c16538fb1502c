"""An engine's own past: names and images of what is gone, within a bound, and optional."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.vocabulary import ContainerId, Witness
from sensor.model.witness_records import EngineRecalled
from sensor.sources.engines import recall as recalling
from sensor.sources.engines.recall import recall
from sensor.sources.engines.session import EngineLost
from tests.sources.engines.listening import HEAD, Answer, chunked, listener, saying
from tests.sources.engines.test_stream import ID, event

NOW = 7


def ask(path: Path, answer: Answer, seconds: float = 5.0) -> tuple[EngineRecalled, ...]:
    async def session() -> tuple[EngineRecalled, ...]:
        async with asyncio.timeout(seconds):
            return await recall(str(path), Witness.DOCKER, NOW, 10**18, 2 * 10**18)

    with listener(path, answer):
        return asyncio.run(session())


def past(*lines: bytes) -> Answer:
    return saying(HEAD + b"".join(map(chunked, lines)) + b"0\r\n\r\n")


def of(name: str, identity: str = ID, wall: int = 1) -> bytes:
    actor = {"ID": identity, "Attributes": {"name": name, "image": "y"}}
    message = {"Type": "container", "Action": "create", "Actor": actor, "timeNano": wall}
    return json.dumps(message).encode() + b"\n"


def test_the_latest_word_about_each_container_counts(tmp_path: Path) -> None:
    other = "ef" * 32
    found = ask(tmp_path / "d.sock", past(of("old"), of("other", other), of("new", wall=2)))
    assert [(one.id, one.name, one.image, one.engine_wall) for one in found] == [
        (ID, "new", "y", 2),
        (other, "other", "y", 1),
    ]
    assert {one.time for one in found} == {NOW}


def test_the_stretch_has_an_end_so_that_the_engine_s_answer_has_one(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def answer(connection: Any, request: bytes) -> None:
        heard.append(request)
        past()(connection, request)

    assert ask(tmp_path / "d.sock", answer) == ()
    (request,) = heard
    assert b"since=999999999.999000000&until=2000000000.000000000&" in request


def test_garbage_costs_its_own_line_alone(tmp_path: Path) -> None:
    assert [one.name for one in ask(tmp_path / "d.sock", past(b"{\n", b"[]\n", of("web")))] == [
        "web"
    ]


def test_a_past_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "CONTAINERS_MAX", 3)
    monkeypatch.setattr(recalling, "BYTES_MAX", 5_000)
    lines = [of("x", f"{number:064x}") for number in range(1000)]
    assert len(ask(tmp_path / "d.sock", past(*lines))) == 3


def test_an_engine_that_hangs_costs_the_deadline_alone(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ask(tmp_path / "d.sock", lambda *_: None, seconds=0.1)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-x\r\n\r\n"]
)
def test_what_is_not_an_engine_is_said(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(EngineLost):
        ask(tmp_path / "d.sock", saying(data))


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(("Type", "Action", "Actor", "ID", "Attributes", "name", "image")), inner
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_line_is_a_word_or_nothing(line: bytes) -> None:
    found: dict[ContainerId, EngineRecalled] = {}
    recalling._take(line, Witness.DOCKER, NOW, found)
    for one in found.values():
        assert one.name or one.image


def test_an_event_without_interest_is_dropped(tmp_path: Path) -> None:
    assert ask(tmp_path / "d.sock", past(event("exec_create"))) == ()
