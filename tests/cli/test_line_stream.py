"""Lines go out whole and in order, the loop never waits, and every loss is counted."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import socket
import tty
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from sensor.cli.line_stream import WRITE_SIZE, LineStream

LINE = b"x" * 1023 + b"\n"


def in_loop(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()

    asyncio.run(asyncio.wait_for(run(), 10))


async def read_lines(fd: int, count: int) -> bytes:
    """Read in a thread until so many lines came."""

    def read() -> bytes:
        data = b""
        while data.count(b"\n") < count:
            data += os.read(fd, 1 << 16)
        return data

    return await asyncio.to_thread(read)


@pytest.fixture(params=["pipe", "pipe-polled", "socket", "tty"])
def ends(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[int, int]]:
    """A descriptor to write to and one to read from, of every kind that can make one wait."""
    if request.param == "socket":
        pair = socket.socketpair()
        writer, reader = (side.detach() for side in pair)
    elif request.param == "tty":
        reader, writer = pty.openpty()
        tty.setraw(writer)
    else:
        reader, writer = os.pipe()
    if request.param == "pipe-polled":
        refuse_second_opening(monkeypatch)
    yield writer, reader
    for fd in (writer, reader):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(fd)


def refuse_second_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "refused")

    monkeypatch.setattr(os, "open", refused)


def test_lines_arrive_in_order_and_whole_from_a_slow_reader(ends: tuple[int, int]) -> None:
    writer, reader = ends
    lines = [b"%06d" % number + b"y" * 500 + b"\n" for number in range(1000)]

    async def scenario() -> None:
        out = LineStream(writer, lambda lost: pytest.fail(f"{lost} lost"))
        for line in lines:
            assert out.write(line)
        assert out.backlog > 0
        got, flushed = await asyncio.gather(read_lines(reader, len(lines)), out.flush(5))
        assert flushed
        assert got == b"".join(lines)
        out.close()

    in_loop(scenario)


def test_a_line_that_another_follows_waits_for_it(ends: tuple[int, int]) -> None:
    writer, reader = ends

    async def scenario() -> None:
        out = LineStream(writer, lambda lost: pytest.fail(f"{lost} lost"))
        assert out.write(b"first\n", more=True)
        assert out.backlog == len(b"first\n")
        assert out.write(b"second\n")
        assert out.backlog == 0
        assert await read_lines(reader, 2) == b"first\nsecond\n"
        assert out.write(b"third\n", more=True)
        out.push()
        assert await read_lines(reader, 1) == b"third\n"
        out.push()
        assert out.write(b"z" * WRITE_SIZE, more=True)
        assert out.backlog < WRITE_SIZE, "what fills a pipe waits for nothing"
        out.close()

    in_loop(scenario)


def test_a_full_backlog_drops_the_newest_and_reports_once(ends: tuple[int, int]) -> None:
    writer, reader = ends
    losses: list[int] = []

    async def scenario() -> None:
        out = LineStream(writer, losses.append, limit=16 * len(LINE))
        taken = sum(out.write(LINE) for _ in range(2000))
        assert out.dropped == 2000 - taken > 0
        assert losses == []
        got = await read_lines(reader, taken)
        assert got == LINE * taken
        assert await out.flush(1)
        assert out.write(LINE)
        assert losses == [out.dropped]
        out.close()

    in_loop(scenario)


def test_the_loop_goes_on_while_no_reader_reads(ends: tuple[int, int]) -> None:
    writer, _ = ends

    async def scenario() -> None:
        out = LineStream(writer, lambda _: None)
        for _ in range(1000):
            out.write(LINE)
        assert not await out.flush(0.05)
        out.close()

    in_loop(scenario)


def test_flags_of_the_shared_description_stay_as_they_were(ends: tuple[int, int]) -> None:
    writer, _ = ends
    before = fcntl.fcntl(writer, fcntl.F_GETFL)

    async def scenario() -> None:
        out = LineStream(writer, lambda _: None)
        out.write(LINE)
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == before
        out.close()

    in_loop(scenario)
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == before


def test_a_gone_reader_closes_the_stream_and_counts_what_was_left(
    ends: tuple[int, int],
) -> None:
    writer, reader = ends
    losses: list[int] = []

    async def scenario() -> None:
        out = LineStream(writer, losses.append)
        for _ in range(1000):
            out.write(LINE)
        os.close(reader)
        assert not await out.flush(1)
        assert out.closed
        assert out.closed_reason
        assert out.backlog == 0
        dropped = out.dropped
        assert dropped > 0
        assert not out.write(LINE)
        out.close()
        assert sum(losses) == out.dropped == dropped + 1

    in_loop(scenario)


def test_close_reports_lines_that_were_never_written() -> None:
    reader, writer = os.pipe()
    losses: list[int] = []

    async def scenario() -> None:
        out = LineStream(writer, losses.append)
        for _ in range(200):
            out.write(LINE)
        out.close()
        out.close()
        written = len(os.read(reader, 1 << 20)) // len(LINE)
        assert losses == [200 - written]

    in_loop(scenario)
    os.close(reader)
    os.close(writer)


def test_regular_files_and_dev_null_are_written_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        for path in (tmp_path / "events.jsonl", Path("/dev/null")):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            out = LineStream(fd, lambda _: None)
            assert all(out.write(LINE) for _ in range(100))
            assert out.backlog == 0
            assert await out.flush(0)
            out.close()
            os.close(fd)
        assert (tmp_path / "events.jsonl").read_bytes() == LINE * 100

    in_loop(scenario)


def test_a_full_disk_keeps_lines_until_there_is_room() -> None:
    async def scenario() -> None:
        fd = os.open("/dev/full", os.O_WRONLY)
        out = LineStream(fd, lambda _: None, limit=3 * len(LINE))
        assert [out.write(LINE) for _ in range(4)] == [True, True, True, False]
        assert not out.closed
        assert not await out.flush(0)
        room = os.open("/dev/null", os.O_WRONLY)
        os.dup2(room, fd)
        assert await out.flush(0)
        out.close()
        os.close(room)
        os.close(fd)

    in_loop(scenario)
