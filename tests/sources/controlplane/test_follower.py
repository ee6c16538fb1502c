"""A record of a followed file is read once, whatever happens to the file."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane import follower
from sensor.sources.controlplane.follower import FileFollower, FollowedPlaces
from sensor.sources.controlplane.reader import Reader

TRAIL = Path(__file__).parents[2] / "corpora/controlplane/aws/cloudtrail.jsonl"
LINES = TRAIL.read_bytes().splitlines(keepends=True)
IDS = [json.loads(line)["eventID"] for line in LINES]


OPEN: list[FileFollower] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPEN:
        for _ in OPEN.pop().close():
            pass


def following(directory: Path, places: FollowedPlaces | None = None) -> FileFollower:
    made = FileFollower(
        (directory,), lambda name: Reader(name, whole=True), places=places or FollowedPlaces()
    )
    OPEN.append(made)
    return made


def ids(one: FileFollower) -> list[str | None]:
    return [found.request.id for found in one.poll() if isinstance(found, ControlRecord)]


def append(path: Path, *data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(b"".join(data))


def test_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log, one = tmp_path / "audit.log", following(tmp_path)
    append(log, LINES[0], LINES[1][:40])
    assert ids(one) == IDS[:1]
    append(log, LINES[1][40:])
    assert ids(one) == IDS[1:2]
    assert ids(one) == []


def test_a_renamed_file_goes_on_and_the_new_one_is_read(tmp_path: Path) -> None:
    log, one = tmp_path / "audit.log", following(tmp_path)
    append(log, LINES[0])
    assert ids(one) == IDS[:1]
    append(log, LINES[1])
    log.rename(tmp_path / "audit-1.log")
    append(log, LINES[2])
    assert sorted(map(str, ids(one))) == sorted(IDS[1:3])


def test_what_was_written_before_a_file_was_removed_is_read(tmp_path: Path) -> None:
    log, one = tmp_path / "audit.log", following(tmp_path)
    append(log, LINES[0])
    assert ids(one) == IDS[:1]
    append(log, LINES[1])
    log.unlink()
    assert ids(one) == IDS[1:2]


@pytest.mark.parametrize("count", [1, 4])
def test_a_file_that_was_written_anew_is_read_from_its_begin(tmp_path: Path, count: int) -> None:
    """Also where it has grown beyond its former size meanwhile (logrotate's copytruncate)."""
    log, one = tmp_path / "audit.log", following(tmp_path)
    append(log, LINES[0], LINES[1])
    assert ids(one) == IDS[:2]
    os.truncate(log, 0)
    append(log, *LINES[2 : 2 + count])
    assert ids(one) == IDS[2 : 2 + count]


def test_a_compressed_file_is_read_when_it_is_whole(tmp_path: Path) -> None:
    data, one = gzip.compress(LINES[0] + LINES[1]), following(tmp_path)
    late = tmp_path / "late.json.gz"
    late.write_bytes(data[:50])
    assert ids(one) == []
    append(late, data[50:])
    assert ids(one) == []
    assert ids(one) == IDS[:2]
    assert ids(one) == []


def test_a_follower_goes_on_where_an_earlier_one_came_to(tmp_path: Path) -> None:
    log, one = tmp_path / "audit.log", following(tmp_path)
    append(log, LINES[0], LINES[1][:30])
    assert ids(one) == IDS[:1]
    places = FollowedPlaces.from_document(json.loads(json.dumps(one.where().document())))
    append(log, LINES[1][30:])
    again = following(tmp_path, places)
    assert ids(again) == IDS[1:2]


def test_a_new_file_with_the_inode_of_an_old_one_is_read_from_its_begin(tmp_path: Path) -> None:
    log, one = tmp_path / "audit.log", following(tmp_path)
    append(log, LINES[0])
    ids(one)
    ((device, inode, *rest),) = one.where().tails
    log.unlink()
    append(log, LINES[1], LINES[2])
    status = log.stat()
    places = FollowedPlaces(((status.st_dev, status.st_ino, *rest),))
    assert ids(following(tmp_path, places)) == IDS[1:3]
    assert (device, inode) != (0, 0)


def test_places_of_an_earlier_version_have_no_head(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    append(log, LINES[0], LINES[1])
    status = log.stat()
    old = FollowedPlaces.from_document(
        {"tails": [[status.st_dev, status.st_ino, len(LINES[0]), 2]], "done": []}
    )
    assert ids(following(tmp_path, old)) == IDS[1:2]


def test_the_newest_files_are_followed_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "FILES_LIMIT", 2)
    for number in range(4):
        path = tmp_path / f"{number}.log"
        path.write_bytes(LINES[number])
        os.utime(path, (number, number))
    one = following(tmp_path)
    assert ids(one) == IDS[2:4]
    assert one.skipped == 2


def test_what_is_done_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(LINES[0]))
    one = following(tmp_path)
    assert ids(one) + ids(one) == IDS[:1]

    def fail(_: Path) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(follower, "opened", fail)
    assert ids(one) == []


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["tails", "done"]), inner)
        ),
    )
)
def test_places_of_any_form_are_read_or_refused(document: object) -> None:
    try:
        places = FollowedPlaces.from_document(document)
    except ValueError:
        return
    assert FollowedPlaces.from_document(json.loads(json.dumps(places.document()))) == places
