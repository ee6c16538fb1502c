"""What is durable is known, and one process has a directory."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sensor.agent.aggregator_state import AggregatorBusy, DurableMarks, lock, read_places
from sensor.agent.persistence import Persistence
from sensor.sources.controlplane.follower import FollowedPlaces
from sensor.store.log import StoreSettings


def test_one_process_has_a_directory(tmp_path: Path) -> None:
    held = lock(tmp_path)
    with pytest.raises(AggregatorBusy):
        lock(tmp_path)
    os.close(held)
    os.close(lock(tmp_path))


def test_places_are_written_when_what_was_read_is_durable(tmp_path: Path) -> None:
    places = FollowedPlaces(((1, 2, 300, 4),), ((5, 6, 7, 8),))

    async def story() -> None:
        keeper = Persistence(tmp_path, StoreSettings(), "boot", lambda _: None)
        try:
            marks = DurableMarks(keeper, tmp_path)
            marks.mark(places)
            assert read_places(tmp_path) == FollowedPlaces()
            async with asyncio.timeout(30):
                await marks.has_room()
                await marks.wait()
        finally:
            keeper.close()

    asyncio.run(story())
    assert read_places(tmp_path) == places


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tails": [[1]], "done": []}'])
def test_damaged_places_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "places.json").write_text(text)
    assert read_places(tmp_path) == FollowedPlaces()
