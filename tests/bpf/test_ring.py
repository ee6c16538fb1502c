"""The reader of ring buffers: against a ring of our own making, and against the kernel's."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.bpf import ring
from sensor.bpf.layout import RecordKind
from sensor.bpf.libbpf import BpfMap
from sensor.bpf.record import decode
from sensor.bpf.ring import Ring
from sensor.model.kernel_records import CommandExec, CommandExit, InitExit
from tests.bpf.live import Bundle, Probes, loaded_probes, take
from tests.bpf.sample_ring import BUSY, DISCARDED, PAGE, FakeRing

NOWHERE = Path("/nowhere")
SECOND = 1_000_000_000


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRing]:
    made = FakeRing(pages=2)
    monkeypatch.setattr(BpfMap, "pinned", made.pinned)
    yield made
    made.close()


@pytest.fixture
def reader(fake: FakeRing) -> Iterator[Ring]:
    assert fake.produced == 0
    opened = Ring(NOWHERE)
    yield opened
    opened.close()


# --------------------------------------------------------------- a ring of our own


def test_records_come_out_whole_and_in_order(fake: FakeRing, reader: Ring) -> None:
    records = [b"a", b"bb" * 100, b"", b"c" * 7, b"d" * 8]
    for record in records:
        fake.put(record)
    assert reader.backlog() > 0
    assert reader.drain() == records
    assert reader.drain() == []
    assert reader.backlog() == 0


def test_what_was_read_stays_until_it_is_released(fake: FakeRing, reader: Ring) -> None:
    fake.put(b"a")
    fake.put(b"b")
    assert reader.drain(limit=1) == [b"a"]
    middle = reader.position
    assert reader.drain() == [b"b"]
    assert (fake.consumed, reader.unreleased()) == (0, fake.produced)
    reader.release(middle)
    assert fake.consumed == middle
    reader.release(reader.position)
    assert (fake.consumed, reader.unreleased()) == (fake.produced, 0)


def test_nothing_is_released_twice(fake: FakeRing, reader: Ring) -> None:
    fake.put(b"a")
    reader.drain()
    reader.release(reader.position)
    reader.release(0)
    assert fake.consumed == fake.produced


def test_a_ring_of_unreleased_records_is_full(fake: FakeRing, reader: Ring) -> None:
    record = b"x" * 1016
    while fake.put(record) is not None:
        assert reader.drain() == [record]
    reader.release(reader.position)
    assert fake.put(record) is not None
    assert reader.drain() == [record]


def test_no_more_than_the_limit_is_taken(fake: FakeRing, reader: Ring) -> None:
    for number in range(5):
        fake.put(bytes([number]))
    assert reader.drain(limit=2) == [b"\0", b"\1"]
    assert reader.drain(limit=2) == [b"\2", b"\3"]
    assert reader.drain(limit=2) == [b"\4"]


def test_a_record_that_is_being_written_stops_the_reader_before_it(
    fake: FakeRing, reader: Ring
) -> None:
    fake.put(b"first")
    position = fake.put(b"second", BUSY)
    fake.put(b"third")
    assert position is not None
    assert reader.drain() == [b"first"]
    assert reader.held_up
    assert reader.drain() == []
    assert reader.held_up
    assert reader.position == position
    fake.finish(position, len(b"second"))
    assert reader.drain() == [b"second", b"third"]
    assert not reader.held_up


def test_discarded_records_are_passed_over(fake: FakeRing, reader: Ring) -> None:
    fake.put(b"first")
    fake.put(b"gone", DISCARDED)
    fake.put(b"last")
    assert reader.drain() == [b"first", b"last"]
    assert reader.position == fake.produced


def test_a_record_across_the_end_is_read_in_one_piece(fake: FakeRing, reader: Ring) -> None:
    record = bytes(range(256)) * 10
    for _ in range(20):
        assert fake.put(record) is not None
        assert take(reader) == [record]
    assert fake.consumed > 4 * fake.size


def test_positions_beyond_32_bits_are_nothing_special(fake: FakeRing) -> None:
    fake.start_at((1 << 40) - 64)
    reader = Ring(NOWHERE)
    for number in range(40):
        assert fake.put(bytes([number]) * 500) is not None
        assert take(reader) == [bytes([number]) * 500]
    reader.close()


def test_the_next_reader_goes_on_behind_what_the_last_one_released(fake: FakeRing) -> None:
    for number in range(4):
        fake.put(bytes([number]))
    first = Ring(NOWHERE)
    assert first.drain(limit=1) == [b"\0"]
    first.release(first.position)
    assert first.drain(limit=2) == [b"\1", b"\2"]
    first.close()
    second = Ring(NOWHERE)
    assert second.drain() == [b"\1", b"\2", b"\3"]
    second.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_closed_reader_leaves_no_descriptor_behind(fake: FakeRing) -> None:
    before = open_descriptors()
    opened = Ring(NOWHERE)
    fake.put(b"x")
    opened.drain()
    opened.close()
    assert open_descriptors() == before


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1500), st.sampled_from([0, 0, 0, DISCARDED]), st.booleans()),
        min_size=20,
        max_size=60,
    ),
    pages=st.sampled_from([1, 2, 8]),
    window=st.sampled_from([PAGE, 4 * PAGE, 1 << 20]),
)
def test_what_is_put_in_comes_out_whatever_the_window(
    steps: list[tuple[int, int, bool]], pages: int, window: int
) -> None:
    fake = FakeRing(pages)
    expected: deque[bytes] = deque()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BpfMap, "pinned", fake.pinned)
        patch.setattr(ring, "WINDOW", window)
        patch.setattr(ring, "RECORD_MAX", PAGE)
        opened = Ring(NOWHERE)
        for number, (length, flags, drains) in enumerate(steps):
            record = number.to_bytes(2, "little") + b"r" * length
            if fake.put(record, flags) is not None and not flags:
                expected.append(record)
            if drains:
                for record in opened.drain(limit=3):
                    assert record == expected.popleft()
                opened.release(opened.position)
        assert opened.drain() == list(expected)
        opened.close()
    fake.close()


# --------------------------------------------------------------- the kernel's ring


@pytest.fixture(scope="module")
def small() -> Iterator[Probes]:
    """Probes whose rings hold a handful of records."""
    with loaded_probes("small", lifecycle_pages=1, commands_pages=2) as loaded:
        yield loaded


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A client that does nothing."""
    return idle_program(tmp_path, "crictl")


def idle_program(directory: Path, name: str) -> Path:
    program = directory / name
    shutil.copy(shutil.which("true") or "/bin/true", program)
    return program


def numbers(records: list[bytes], tool: Path) -> list[int]:
    """The numbers that the tool was called with, in the order of the records."""
    seen = [decode(data) for data in records]
    calls = [one.argv for one in seen if isinstance(one, CommandExec)]
    return [int(argv[1]) for argv in calls if argv[0] == str(tool)]


def call(tool: Path, *values: int) -> None:
    for value in values:
        subprocess.run([tool, str(value)], check=True)


@pytest.mark.kernel
def test_the_kernels_records_survive_many_laps(small: Probes, tool: Path) -> None:
    take(small.commands)
    before = small.count(RecordKind.COMMAND_EXEC).dropped
    seen: list[int] = []
    for number in range(60):
        call(tool, number)
        seen += numbers(take(small.commands), tool)
    dropped = small.count(RecordKind.COMMAND_EXEC).dropped - before
    assert seen == sorted(set(seen))
    assert len(seen) + dropped >= 60, "whatever is missing was counted as dropped"
    assert len(seen) > 30


@pytest.mark.kernel
def test_a_full_ring_drops_the_newest_and_counts_them(small: Probes, tool: Path) -> None:
    take(small.commands)
    before = small.count(RecordKind.COMMAND_EXEC)
    call(tool, *range(40))
    after = small.count(RecordKind.COMMAND_EXEC)
    seen = numbers(take(small.commands), tool)
    assert seen == list(range(len(seen)))
    assert 0 < len(seen) < 40
    assert after.dropped - before.dropped >= 40 - len(seen)
    assert after.submitted - before.submitted >= len(seen)
    call(tool, 40)
    assert numbers(take(small.commands), tool) == [40]


@pytest.mark.kernel
def test_records_make_the_descriptor_readable(small: Probes, tool: Path) -> None:
    take(small.commands)
    poll = select.poll()
    poll.register(small.commands.descriptor, select.POLLIN)
    call(tool, 1)
    assert poll.poll(5000)
    assert small.commands.backlog() > 0
    assert 1 in numbers(take(small.commands), tool)


@pytest.mark.kernel
def test_starts_that_found_no_room_are_counted(small: Probes, bundle: Bundle) -> None:
    take(small.lifecycle)
    before = small.count(RecordKind.INIT_EXEC), small.count(RecordKind.INIT_EXIT)
    for _ in range(6):
        assert bundle.run("/bin/true") == 0
    after = small.count(RecordKind.INIT_EXEC), small.count(RecordKind.INIT_EXIT)
    received = len(take(small.lifecycle))
    dropped = sum(b.dropped - a.dropped for a, b in zip(before, after, strict=True))
    submitted = sum(b.submitted - a.submitted for a, b in zip(before, after, strict=True))
    assert dropped > 0
    assert received <= submitted
    assert submitted + dropped >= 12


@contextmanager
def woken(ring: Ring) -> Iterator[Callable[[float], bool]]:
    """Return whether a record wakes who waits for the ring, within so many seconds."""
    with select.epoll() as epoll:
        epoll.register(ring.descriptor, select.EPOLLIN | select.EPOLLET)
        epoll.poll(0)
        yield lambda patience: bool(epoll.poll(patience))


@pytest.mark.kernel
def test_a_reader_that_releases_nothing_is_woken_by_the_next_runtime(
    small: Probes, tmp_path: Path
) -> None:
    runtime = idle_program(tmp_path, "crun")
    take(small.commands)
    with woken(small.commands) as is_woken:
        for number in range(3):
            subprocess.run([runtime, str(number), "create", "web"], check=True)
            assert is_woken(5)
            while number not in numbers(small.commands.drain(), runtime):
                assert is_woken(5)
    take(small.commands)


LONG = "--log=" + 300 * "x"
WORK = {
    "create": (("--root", "/run/r", "--log", "l", "create", "--bundle", "b", "web"), True, True),
    "run": (("run", "web"), True, True),
    "restore": (("restore", "web"), True, True),
    "start": (("--root=/r", "start", "web"), True, False),
    "pause": (("pause", "web"), False, True),
    "resume": (("--root", "/run/r", "resume", "web"), False, True),
    "behind-long-options": ((LONG, "state", "web"), False, False),
    "beyond-what-is-looked-at": ((LONG, LONG, "state", "web"), True, True),
    "delete": (("--root", "/run/r", "delete", "--force", "web"), False, False),
    "state": (("state", "web"), False, False),
    "part-of-a-word": (("state", "restart", "runner", "recreate"), False, False),
    "nothing": ((), False, False),
}


def by_a_parent_of_its_own(*command: str | Path) -> None:
    """Run something that is not held back for what this process has run already."""
    subprocess.run(["/bin/sh", "-c", '"$@"; exit', "sh", *command], check=True)


@pytest.mark.kernel
@pytest.mark.parametrize(("words", "urgent", "ends"), WORK.values(), ids=WORK)
def test_a_runtime_that_begins_a_container_wakes_and_all_else_is_background(
    small: Probes, tool: Path, tmp_path: Path, words: tuple[str, ...], *, urgent: bool, ends: bool
) -> None:
    runtime = idle_program(tmp_path, "crun")
    take(small.commands)
    with woken(small.commands) as is_woken:
        by_a_parent_of_its_own(tool, "1")
        assert small.commands.backlog() > 0
        assert not is_woken(0)
        by_a_parent_of_its_own(runtime, "2", *words)
        assert is_woken(5 if urgent else 0) is urgent
    records = take(small.commands)
    assert numbers(records, tool) == [1]
    assert numbers(records, runtime) == [2]
    seen = [decode(data) for data in records]
    (began,) = [one for one in seen if isinstance(one, CommandExec) and one.argv[1:2] == ("2",)]
    ended = [one.process for one in seen if isinstance(one, CommandExit)]
    assert (began.process.key in ended) is ends, "its end is reported where it means something"


@pytest.mark.kernel
@pytest.mark.parametrize("seconds", ["0", "1.1"])
def test_the_end_of_who_lived_for_a_moment_wakes_no_reader(
    small: Probes, bundle: Bundle, seconds: str
) -> None:
    gate = bundle.path / "rootfs" / "go"
    os.mkfifo(gate)
    take(small.lifecycle)
    with woken(small.lifecycle) as is_woken, ThreadPoolExecutor(1) as pool:
        running = pool.submit(bundle.run, "/bin/sh", "-c", f"read go </go; sleep {seconds}")
        assert is_woken(20), "by its start"
        gate.write_bytes(b"\n")
        assert running.result(20) == 0
        by_its_end = is_woken(0)
    seen = [decode(data) for data in take(small.lifecycle)]
    (end,) = [one for one in seen if isinstance(one, InitExit)]
    lived = end.time - end.process.start_time
    assert by_its_end is (lived > SECOND)
    assert lived > float(seconds) * SECOND
