"""A sound file, a filled log, and disks, for the tests of the store."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sensor.store.database import FILE_NAME
from sensor.store.log import Store
from tests.store.damaged_files import ENTRIES, EVENTS, Sample
from tests.store.disks import SMALL, Faulty
from tests.store.entries import BOOT, PATIENCE, WEB, made, opened
from tests.store.queried import START, STOP


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("sound")
    with opened(directory) as store:
        for first in range(0, EVENTS, 100):
            store.append([ENTRIES[number] for number in range(first, first + 100)])
            assert store.flush(PATIENCE)
        store.note(BOOT, 5, (WEB,), ())
        store.acknowledge("forward", 500)
        store.count(BOOT, {"dropped": 1})
    return Sample((directory / FILE_NAME).read_bytes())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """300 entries, one a second: starts and stops of 10 names in turn."""
    with opened(tmp_path_factory.mktemp("log")) as store:
        store.append(
            [
                made(number, kind=STOP if number % 3 == 0 else START, name=f"app-{number % 10}")
                for number in range(300)
            ]
        )
        store.flush(PATIENCE)
        yield store


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "castoff-test", place],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Have commits fail with these codes, one after the other, once a store is open."""
    Faulty.errors = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        "sensor.store.database.sqlite3.connect",
        lambda *args, **named: connect(*args, **named, factory=Faulty),
    )
    return Faulty.errors.extend
