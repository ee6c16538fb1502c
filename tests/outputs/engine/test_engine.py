"""The engine on a real store, in its thread: cursors that outlast it, wake-ups, shutting down."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.outputs.delivery import (
    Batch,
    BatchLimits,
    ConnectionStatus,
    Delivered,
    Outcome,
    Refused,
    Retry,
    Transport,
)
from sensor.outputs.engine.backoff import Circuit
from sensor.outputs.engine.engine import Output, OutputEngine
from sensor.outputs.file.jsonl import JsonlFile, JsonlSettings
from sensor.outputs.formats.native import FORMAT
from sensor.outputs.settings import OutputSettings, StartAt
from sensor.schema.filters import Filters
from sensor.store.callbacks import Callbacks
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import Extent, LogReader, Query
from tests.store.entries import PATIENCE, fill, made

STORE = StoreSettings(sync="normal")


class Collector:
    """A transport that answers at once, as a test says."""

    window = 2
    connection = ConnectionStatus("collector:1", connected=True)

    limits = BatchLimits(records=100)

    def __init__(self, answer: Callable[[Batch], Outcome] | None = None) -> None:
        self.taken: list[int] = []
        self.closed = False
        self.thread: str | None = None
        self.hang = threading.Event()
        self._answer = answer or (lambda _: Delivered())

    async def deliver(self, batch: Batch) -> Outcome:
        self.thread = threading.current_thread().name
        if self.hang.is_set():
            await asyncio.sleep(1e6)
        outcome = self._answer(batch)
        if isinstance(outcome, Delivered):
            self.taken += [record.sequence for record in batch.records]
        return outcome

    async def close(self) -> None:
        self.closed = True


def output(transport: Transport, name: str = "local", start: StartAt = StartAt.OLDEST) -> Output:
    return Output(OutputSettings(name, "jsonl", None, "native", Filters(), start), transport)


class Node:
    """A store and an engine on it."""

    def __init__(self, directory: Path, *outputs: Output, settings: StoreSettings = STORE) -> None:
        self.engine: OutputEngine | None = None
        self.store = Store(directory, settings, Callbacks(written=self._written))
        self.engine = OutputEngine(self.store, outputs, draw=lambda: 0.0)
        self.engine.start()

    def _written(self, sequence: int, new: int) -> None:
        if self.engine is not None:
            self.engine.written(sequence, new)


@contextmanager
def node(directory: Path, *outputs: Output, flush: float = 5.0) -> Iterator[Node]:
    one = Node(directory, *outputs)
    try:
        yield one
    finally:
        assert one.engine is not None
        one.store.flush(PATIENCE)
        one.engine.close(flush)
        one.store.close(PATIENCE)


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_old_and_new_entries_are_delivered_in_a_thread_of_their_own(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(250)))
    collector = Collector()
    with node(tmp_path, output(collector)) as one:
        one.store.append([made(n) for n in range(250, 300)])
        wait(lambda: len(collector.taken) == 300)
        assert collector.thread == "castoff-outputs"
    assert collector.taken == list(range(1, 301))
    assert collector.closed


def test_the_next_agent_goes_on_from_the_cursor(tmp_path: Path) -> None:
    with node(tmp_path, output(Collector())) as one:
        one.store.append([made(n) for n in range(10)])
    collector = Collector()
    with node(tmp_path, output(collector)) as one:
        one.store.append([made(n) for n in range(10, 15)])
    assert [made(n).id for n in range(10, 15)] == [
        entry.entry.id
        for entry in LogReader(one.store.path).read(Query(rows=1000)).entries
        if entry.sequence in collector.taken
    ]


def test_an_output_begins_where_it_should(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(10)))
    oldest, now = Collector(), Collector()
    outputs = output(oldest, "old"), output(now, "new", StartAt.NOW)
    with node(tmp_path, *outputs) as one:
        wait(lambda: len(oldest.taken) == 10)
        one.store.append([made(10)])
        wait(lambda: len(now.taken) == 1)
    assert len(oldest.taken) == 11
    # Where it began is kept: what comes while no agent runs is not taken for old.
    fill(tmp_path, made(11))
    again = Collector()
    with node(tmp_path, output(again, "new", StartAt.NOW)):
        wait(lambda: len(again.taken) == 1)


def test_a_down_collector_holds_up_neither_the_others_nor_the_end(tmp_path: Path) -> None:
    down, up = Collector(lambda _: Retry("connection refused")), Collector()
    with node(tmp_path, output(down, "down"), output(up, "up")) as one:
        one.store.append([made(n) for n in range(500)])
        wait(lambda: len(up.taken) == 500)
        assert one.engine is not None
        states = {state.name: state for state in one.engine.health()}
        assert states["down"].lag_events == 500
        assert states["down"].last_error is not None
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    again = Collector()
    with node(tmp_path, output(again, "down"), output(Collector(), "up")):
        wait(lambda: len(again.taken) == 500)


def test_what_hangs_is_cut_at_the_deadline_and_comes_again(tmp_path: Path) -> None:
    collector = Collector()
    collector.hang.set()
    begun = 0.0
    with node(tmp_path, output(collector), flush=0.3) as one:
        one.store.append([made(1)])
        assert one.store.flush(PATIENCE)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert collector.closed
    again = Collector()
    with node(tmp_path, output(again)):
        wait(lambda: again.taken == [1])


def test_rewinding_and_dead_letters_from_another_loop(tmp_path: Path) -> None:
    poison = {3}

    def answer(batch: Batch) -> Outcome:
        bad = poison & {record.sequence for record in batch.records}
        return Refused("400") if bad else Delivered()

    collector = Collector(answer)
    with node(tmp_path, output(collector)) as one:
        engine = one.engine
        assert engine is not None
        one.store.append([made(n) for n in range(5)])
        wait(lambda: engine.health()[0].cursor == 5)
        assert sorted(collector.taken) == [1, 2, 4, 5]
        assert one.store.flush(PATIENCE)
        poison.clear()
        assert asyncio.run(engine.retry_dead("local")) == 1
        wait(lambda: 3 in collector.taken)
        assert one.store.flush(PATIENCE)
        assert asyncio.run(engine.retry_dead("local")) == 0
        asyncio.run(engine.rewind("local", 2))
        wait(lambda: collector.taken[-3:] == [3, 4, 5])
        with pytest.raises(KeyError):
            asyncio.run(engine.rewind("other", 2))


def test_the_lag_counts_entries_and_not_holes(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(10)))
    with node(tmp_path, output(Collector(lambda _: Retry("down")))) as one:
        engine = one.engine
        assert engine is not None
        wait(lambda: engine.health()[0].circuit is Circuit.OPEN)
        assert engine.health()[0].lag_events == 10
        one.store.append([made(9), made(10)])  # the first is there already
        wait(lambda: engine.health()[0].lag_events == 11)
        engine.missed("local", 4)
        wait(lambda: engine.health()[0].lag_events == 7)


CHILD = """
import sys
from pathlib import Path
from tests.outputs.engine.test_engine import Node, output, JsonlFile, JsonlSettings, FORMAT
from tests.store.entries import made
directory, first = Path(sys.argv[1]), int(sys.argv[2])
file = JsonlFile(JsonlSettings(directory / "out.jsonl"), FORMAT, "local")
one = Node(directory, output(file))
number = first
while True:
    one.store.append([made(n) for n in range(number, number + 50)])
    number += 50
    one.store.flush(1.0)
    print(number, flush=True)
"""


def test_killed_again_and_again_nothing_is_missing_from_the_file(tmp_path: Path) -> None:
    number = 0
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(number)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(20):
            number = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    file = JsonlFile(JsonlSettings(tmp_path / "out.jsonl"), FORMAT, "local")
    with node(tmp_path, output(file)) as one:
        engine = one.engine
        assert engine is not None
        wait(lambda: engine.health()[0].lag_events == 0)
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    shipped = [json.loads(line)["number"] for line in lines]
    assert set(shipped) == set(range(max(shipped) + 1))
    assert max(shipped) >= number - 1


def test_a_log_that_was_damaged_and_begun_anew_is_shipped_on(tmp_path: Path) -> None:
    collector = Collector()
    with node(tmp_path, output(collector)) as one:
        one.store.append([made(n) for n in range(20)])
        wait(lambda: len(collector.taken) == 20)
        assert one.store.flush(PATIENCE)
        for path in tmp_path.glob("castoff.db*"):
            path.write_bytes(b"\0" * path.stat().st_size)
        number = 20
        while one.store.health().moved_aside is None:
            one.store.append([made(number)])
            one.store.flush(PATIENCE)
            number += 1
            assert number < 5000
        one.store.append([made(n) for n in range(number, number + 10)])
        assert one.store.flush(PATIENCE)
        engine = one.engine
        assert engine is not None
        newest = one.store.health().next - 1
        wait(lambda: engine.health()[0].cursor == newest)
        assert collector.taken[-10:] == list(range(newest - 9, newest + 1))


def test_outputs_wait_for_a_log_that_cannot_be_read_and_keep_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with node(tmp_path, output(Collector())) as one:
        one.store.append([made(n) for n in range(10)])
    broken = threading.Event()
    broken.set()
    real = LogReader.extent

    def extent(reader: LogReader) -> Extent:
        if broken.is_set():
            raise StateUnusable("castoff.db cannot be read: disk I/O error", "Look.")
        return real(reader)

    monkeypatch.setattr(LogReader, "extent", extent)
    monkeypatch.setattr("sensor.outputs.engine.engine.WAIT_SECONDS", 0.02)
    collector = Collector()
    with node(tmp_path, output(collector)) as one:
        engine = one.engine
        assert engine is not None
        assert engine.health() == ()
        one.store.append([made(n) for n in range(10, 12)])
        assert one.store.flush(PATIENCE)
        broken.clear()
        wait(lambda: len(collector.taken) == 2)
