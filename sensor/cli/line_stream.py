"""Lines to a file descriptor whose reader may be slow, without ever waiting for it.

Rules:

- ``write`` never blocks the event loop: what the descriptor does not take now is kept, up to
  ``BACKLOG_LIMIT``, and written when it can be;
- beyond that limit the newest line is dropped, whole, and counted: no line is ever torn;
- the descriptor's own flags are left alone. O_NONBLOCK belongs to the open file description, which
  standard output shares with the shell and everything else on that terminal. So a pipe or terminal
  is opened anew through /proc/self/fd (a description of our own), and a socket is written with
  MSG_DONTWAIT. Where the second opening is refused (a pipe made by another user), ``poll`` is asked
  before each write of at most PIPE_BUF bytes, which a ready pipe takes whole (pipe(7)) as long as
  no other process fills it in between;
- once the reader is gone the stream is closed, says so, and swallows what follows.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import stat
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG_LIMIT = 4 * 1024 * 1024
"""Bytes kept for a reader that is slow; a start is 1 to 3 KB, so this is some 2,000 of them."""
WRITE_SIZE = 64 * 1024
"""Bytes handed over in one call: what a pipe of default size holds."""
_READER_GONE = {errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.EIO, errno.ENXIO, errno.ENOTCONN}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LineStream:
    """A bounded, non-blocking writer of whole lines to ``fd``, used inside the running loop.

    ``on_loss`` is called with the number of lines of a loss once it is over: when the next line is
    taken, or at ``close``. ``dropped`` counts from the first on. The descriptor stays the caller's.
    """

    def __init__(
        self, fd: int, on_loss: Callable[[int], None], *, limit: int = BACKLOG_LIMIT
    ) -> None:
        self.dropped = 0
        self.closed_reason: str | None = None
        self._on_loss = on_loss
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._backlog = bytearray()
        self._unreported = 0
        self._waiting = False
        self._drained: asyncio.Future[None] | None = None
        self._way = _way_of_writing(fd)

    @property
    def closed(self) -> bool:
        """True when nothing is written any more: the reader is gone, or ``close`` was called."""
        return self.closed_reason is not None

    @property
    def backlog(self) -> int:
        """Bytes that wait for the reader."""
        return len(self._backlog)

    def write(self, line: bytes, *, more: bool = False) -> bool:
        """Write a line now or later; False when it was dropped.

        With ``more`` it waits for the next one or for :meth:`push`, which has to come at once.
        """
        if self.closed or len(self._backlog) + len(line) > self._limit:
            self.dropped += 1
            self._unreported += 1
            return False
        self._backlog += line
        if not self._waiting and not (more and len(self._backlog) < WRITE_SIZE):
            self._pump()
        self._report_loss()
        return True

    def push(self) -> None:
        """Hand over what waits for more."""
        if not self._waiting and not self.closed:
            self._pump()

    async def flush(self, seconds: float) -> bool:
        """Wait until all is written, at most so many seconds; False when something is left."""
        if not self._waiting:
            self._pump()
        if self._waiting:
            self._drained = self._loop.create_future()
            try:
                await asyncio.wait_for(self._drained, seconds)
            except TimeoutError:
                return False
            finally:
                self._drained = None
        return not self._backlog and not self.closed

    def close(self) -> None:
        """Give up what is not written, report the last loss, and write nothing any more."""
        if not self.closed:
            lost = self._backlog.count(b"\n")
            self.dropped += lost
            self._unreported += lost
            self._shut("closed by the agent")
        self._report_loss()

    def _pump(self) -> None:
        """Write until the backlog is empty or the descriptor takes no more."""
        while self._backlog:
            try:
                with memoryview(self._backlog) as view:
                    written = self._way.send(view[:WRITE_SIZE])
            except BlockingIOError:
                self._wait()
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    # A full disk: the lines stay, and the next write tries again.
                    self._settle()
                    return
                self._lose_reader(error)
                return
            del self._backlog[:written]
        self._settle()

    def _lose_reader(self, error: OSError) -> None:
        if error.errno not in _READER_GONE:
            raise error
        lost = self._backlog.count(b"\n")
        self.dropped += lost
        self._unreported += lost
        self._shut(os.strerror(error.errno or errno.EPIPE))

    def _wait(self) -> None:
        if not self._waiting and self._way.pollable:
            self._waiting = True
            self._loop.add_writer(self._way.fd, self._pump)

    def _settle(self) -> None:
        """Stop listening for room and wake who waits in ``flush``."""
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._way.fd)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _shut(self, reason: str) -> None:
        self.closed_reason = reason
        # Not cleared in place: a failed call's traceback may still hold a view of the old one.
        self._backlog = bytearray()
        self._settle()
        self._way.close()

    def _report_loss(self) -> None:
        if self._unreported:
            lost, self._unreported = self._unreported, 0
            self._on_loss(lost)


@dataclass(frozen=True, slots=True)
class _Way:
    """How to write to a descriptor without waiting: ``send`` returns the bytes that were taken."""

    fd: int
    send: Callable[[memoryview], int]
    pollable: bool
    close: Callable[[], None]


def _way_of_writing(fd: int) -> _Way:
    """Choose by the kind of file.

    Regular files and devices like /dev/null do not make a writer wait for a reader and cannot be
    polled (epoll_ctl(2), EPERM): they are written directly.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        connection = socket.socket(fileno=os.dup(fd))
        return _Way(
            fd=connection.fileno(),
            send=lambda data: connection.send(data, socket.MSG_DONTWAIT),
            pollable=True,
            close=connection.close,
        )
    if not (stat.S_ISFIFO(mode) or os.isatty(fd)):
        return _Way(fd, lambda data: os.write(fd, data), pollable=False, close=_keep_open)
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        own = os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return _Way(fd, _polling_writer(fd), pollable=True, close=_keep_open)
    return _Way(own, lambda data: os.write(own, data), pollable=True, close=lambda: os.close(own))


def _keep_open() -> None:
    """Leave the descriptor to the caller, whose it is."""


def _polling_writer(fd: int) -> Callable[[memoryview], int]:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)

    def send(data: memoryview) -> int:
        if not poller.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return os.write(fd, data[: select.PIPE_BUF])

    return send
