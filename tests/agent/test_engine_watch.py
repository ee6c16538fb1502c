"""What engines listen on reaches the probes, also of an engine that began after the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from sensor.agent import engine_watch
from sensor.agent.engine_watch import EngineWatch
from sensor.bpf.pins import PinSet
from tests.sources.engines.test_listeners import process_called


class Map:
    """A map of the probes."""

    def __init__(self, _path: Path) -> None:
        self.entries: set[tuple[int, ...]] = set()
        self.closed = False

    def replace(self, entries: Iterable[tuple[int, ...]]) -> None:
        self.entries = set(entries)

    def close(self) -> None:
        self.closed = True


class Pins:
    def map(self, name: str) -> Path:
        return Path(name)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> EngineWatch:
    monkeypatch.setattr(engine_watch, "EngineSockets", _Files)
    monkeypatch.setattr(engine_watch, "ListeningPorts", Map)
    return EngineWatch(frozenset({"dockerd"}), cast(PinSet, Pins()))


class _Files(Map):
    HTTP, RPC = 1, 2


def watched(watch: EngineWatch) -> set[tuple[int, ...]]:
    return cast(Map, watch.files).entries


def test_a_socket_that_is_there_is_watched(watch: EngineWatch, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with process_called("dockerd", path):
        asyncio.run(watch.look())
        status = path.stat()
        assert (status.st_dev, status.st_ino, _Files.HTTP) in watched(watch)
        assert str(path) in watch.paths
    asyncio.run(watch.look())
    assert (status.st_dev, status.st_ino, _Files.HTTP) not in watched(watch)


def test_an_engine_that_listens_a_while_after_its_execve_is_found(
    watch: EngineWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_watch, "ENGINE_LOOKS", (0.01,) * 200)
    path = tmp_path / "docker.sock"

    async def begin() -> None:
        watch.engine_began()
        await asyncio.sleep(0)
        with process_called("dockerd", path):
            place = (path.stat().st_dev, path.stat().st_ino, _Files.HTTP)
            async with asyncio.timeout(10):
                while place not in watched(watch):
                    await asyncio.sleep(0.01)
        watch.close()

    asyncio.run(begin())
    assert cast(Map, watch.ports).closed
