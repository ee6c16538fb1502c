"""Which of several servers to use: the first that works, and the first of all again after a while.

Pure: time comes in as seconds of any clock that does not go back.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.outputs.network.dial import Address


@dataclass(slots=True)
class Servers:
    """The servers in the order of preference; one that failed is left alone for ``rest``."""

    addresses: tuple[Address, ...]
    rest: float
    _failed: dict[Address, float] = field(default_factory=dict)

    def order(self, now: float) -> tuple[Address, ...]:
        """Return all servers, those at rest last, the one that failed longest ago before others."""
        resting = {one: at for one, at in self._failed.items() if now < at + self.rest}
        ready = [one for one in self.addresses if one not in resting]
        return (*ready, *sorted(resting, key=resting.__getitem__))

    def better(self, than: Address, now: float) -> Address | None:
        """Return a server that is preferred to the one in use and may be tried, if any."""
        first = self.order(now)[0]
        ranks = {one: rank for rank, one in enumerate(self.addresses)}
        return first if ranks[first] < ranks[than] else None

    def failed(self, address: Address, now: float) -> None:
        """Note that a server did not work."""
        self._failed[address] = now

    def works(self, address: Address) -> None:
        """Note that a server works."""
        self._failed.pop(address, None)
