"""Looking up names without waiting for ever.

``getaddrinfo(3)`` cannot be cancelled and may hang for as long as resolv.conf(5) lets it, so it
runs in a thread of its own, which is not joined at the end. A name is looked up once at a time:
who asks meanwhile waits for the same answer. Beyond ``LOOKUPS_MAX`` names under way no other is
begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable

LOOKUPS_MAX = 8
ADDRESSES_MAX = 8
"""Addresses of one name that are tried."""

Resolve = Callable[[str, int], list[str]]
"""From a host and port to numeric addresses. Blocks; raises OSError and UnicodeError."""


class TooManyLookups(OSError):
    """So many lookups hang that no other is begun."""


class Lookups:
    """The lookups under way of one process; used from any event loop."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, int], list[_Waiter]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the numeric addresses of a host. Raises OSError (socket.gaierror)."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future())
        self._join((host, port), waiter)
        return (await waiter.answer)[:ADDRESSES_MAX]

    def _join(self, name: tuple[str, int], waiter: _Waiter) -> None:
        with self._lock:
            if name in self._waiting:
                # Those that gave up meanwhile would pile up while the lookup hangs.
                others = [one for one in self._waiting[name] if not one.answer.done()]
                self._waiting[name] = [*others, waiter]
                return
            if len(self._waiting) >= LOOKUPS_MAX:
                raise TooManyLookups(f"{LOOKUPS_MAX} lookups of names hang")
            self._waiting[name] = [waiter]
        threading.Thread(target=self._look, args=name, name="castoff-lookup", daemon=True).start()

    def _look(self, host: str, port: int) -> None:
        found: list[str] | OSError
        try:
            found = self._resolve(host, port)
        except OSError as error:
            found = error
        except UnicodeError:  # the idna codec: a label is empty or too long
            found = OSError(f"{host!r} is not a host name")
        with self._lock:
            waiters = self._waiting.pop((host, port))
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # its loop has gone
                waiter.loop.call_soon_threadsafe(waiter.settle, found)


class _Waiter:
    def __init__(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[str]]) -> None:
        self.loop = loop
        self.answer = answer

    def settle(self, found: list[str] | OSError) -> None:
        if self.answer.done():
            return
        if isinstance(found, OSError):
            self.answer.set_exception(found)
        else:
            self.answer.set_result(found)


def system(host: str, port: int) -> list[str]:
    """Ask the system's resolver: a :data:`Resolve`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


LOOKUPS = Lookups(system)
