"""The state of ``castoff normalize --config``: its lock, its places, and what is durable."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import CastoffError
from sensor.sources.controlplane.follower import FollowedPlaces

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.agent.persistence import Persistence

DURABLE_LOOK = 0.002
"""Seconds between two looks whether a batch is durable; a sync of the disk takes longer."""
PLACES_FILE = "places.json"
PLACES_LIMIT = 16 << 20
BUSY = 75
log = logging.getLogger("castoff")


class AggregatorBusy(CastoffError):
    """Another process uses the state directory."""

    exit_code = BUSY


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is durable when the store says so: a batch's number, or places in files."""

    number: int
    places: FollowedPlaces | None = None


class DurableMarks:
    """Knows up to where events, and places in files, are durable."""

    def __init__(self, keeper: Persistence, directory: Path) -> None:
        self._keeper = keeper
        self._directory = directory
        self._marks = self._durable = 0
        self._places: FollowedPlaces | None = None
        self._written: FollowedPlaces | None = None

    def mark(self, places: FollowedPlaces | None = None) -> int:
        """Mark what was kept so far; ``places`` are written when it is durable."""
        self._marks += 1
        if places is not None:
            self._places = places
        # The store gives back the last of its tokens that is durable, and drops those before it:
        # each one has the latest places.
        self._keeper.store.mark(_Mark(self._marks, self._places))
        return self._marks

    def settle(self) -> None:
        """Note what has become durable: a later mark covers all before it."""
        durable: object = self._keeper.released()
        if not isinstance(durable, _Mark):
            return
        self._durable = durable.number
        if durable.places is not None and durable.places != self._written:
            self._written = durable.places
            _write_places(self._directory, durable.places)

    async def wait(self) -> None:
        """Return when all that was kept so far is durable."""
        number = self.mark()
        while self._durable < number:
            await asyncio.sleep(DURABLE_LOOK)
            self.settle()

    async def has_room(self) -> None:
        """Return when the store takes more: what it has no room for would be lost."""
        while True:
            if not self._keeper.store.is_behind():
                return
            await asyncio.sleep(DURABLE_LOOK)


def lock(directory: Path) -> int:
    """Take the directory for this process. Raises :class:`AggregatorBusy`."""
    handle = os.open(
        directory / "normalize.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise AggregatorBusy(
            f"{directory} is in use by another castoff normalize",
            "Give each service a state directory of its own: agent.state_dir.",
        ) from None
    return handle


def read_places(directory: Path) -> FollowedPlaces:
    """Return where an earlier run has come; from the begin where that cannot be read."""
    try:
        with (directory / PLACES_FILE).open("rb") as stream:
            return FollowedPlaces.from_document(json.loads(stream.read(PLACES_LIMIT)))
    except FileNotFoundError:
        return FollowedPlaces()
    except (OSError, ValueError) as error:
        log.warning("the places in the files are unknown, they are read again: %s", error)
        return FollowedPlaces()


def _write_places(directory: Path, places: FollowedPlaces) -> None:
    """Replace the file in one step: it is whole after a crash."""
    beside = directory / f"{PLACES_FILE}.new"
    with beside.open("w", encoding="ascii") as stream:
        json.dump(places.document(), stream)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(directory / PLACES_FILE)
