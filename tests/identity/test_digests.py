"""Digests of pulled images, and for how long an answer holds."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from sensor.identity import digests
from sensor.identity.digests import PulledDigests
from sensor.identity.reading import RootReader
from tests.identity.sample_node import Node

PATH = "/data/docker/image/overlay2/repositories.json"
IMAGE_ID = "sha256:" + "1f" * 32
OLD = "sha256:" + "d1" * 32
NEW = "sha256:" + "d2" * 32


def index(digest: str, name: str = "nginx") -> dict[str, object]:
    return {"Repositories": {name: {f"{name}:1.25": IMAGE_ID, f"{name}@{digest}": IMAGE_ID}}}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were read."""
    paths: list[str] = []
    document = RootReader.document

    def noted(reading: RootReader, kind: Any, path: str, *, optional: bool = False) -> object:
        paths.append(path)
        return document(reading, kind, path, optional=optional)

    monkeypatch.setattr(RootReader, "document", noted)
    return paths


def test_an_unchanged_file_is_read_once_for_an_image(
    node: Node, reading: RootReader, parsed: list[str]
) -> None:
    node.write(PATH, index(OLD))
    known = PulledDigests()
    assert [known.digest(PATH, IMAGE_ID, "nginx:1.25", reading) for _ in range(3)] == [OLD] * 3
    assert parsed == [PATH]
    assert known.digest(PATH, IMAGE_ID, "other:1", reading) == OLD
    assert known.digest(PATH, "sha256:" + "00" * 32, "nginx:1.25", reading) is None
    assert len(parsed) == 3


def test_a_replaced_file_is_read_again(node: Node, reading: RootReader) -> None:
    known = PulledDigests()
    assert known.digest(PATH, IMAGE_ID, "nginx:1.25", reading) is None
    for digest in (OLD, NEW, OLD):
        target = node.write(f"{PATH}.new", index(digest))
        target.replace(node.root / PATH.lstrip("/"))
        assert known.digest(PATH, IMAGE_ID, "nginx:1.25", reading) == digest
    (node.root / PATH.lstrip("/")).unlink()
    assert known.digest(PATH, IMAGE_ID, "nginx:1.25", reading) is None
    assert reading.problems == []


def test_a_file_that_was_written_to_is_read_again(node: Node, reading: RootReader) -> None:
    known = PulledDigests()
    file = node.write(PATH, index(OLD))
    os.utime(file, ns=(0, 1))
    assert known.digest(PATH, IMAGE_ID, None, reading) == OLD
    file.write_bytes(json.dumps(index(NEW)).encode())
    assert known.digest(PATH, IMAGE_ID, None, reading) == NEW


@pytest.mark.parametrize("broken", [b"{", b"[]"], ids=repr)
def test_a_broken_file_is_reported_every_time(
    node: Node, reading: RootReader, broken: bytes
) -> None:
    node.write(PATH, broken)
    known = PulledDigests()
    for _ in range(2):
        reading.problems.clear()
        assert known.digest(PATH, IMAGE_ID, None, reading) is None
        assert len(reading.problems) == 1


def test_what_is_not_a_file_is_reported(node: Node, reading: RootReader) -> None:
    os.mkfifo(node.write(f"{PATH}.new", b"").with_name("repositories.json"))
    assert PulledDigests().digest(PATH, IMAGE_ID, None, reading) is None
    assert reading.problems == ["docker_repositories:not_regular"]


def test_what_is_kept_is_bounded(
    node: Node, reading: RootReader, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "MAX_KEPT", 2)
    node.write(PATH, index(OLD))
    known = PulledDigests()
    for name in ("a", "b", "c", "c", "a"):
        known.digest(PATH, IMAGE_ID, name, reading)
    assert len(parsed) == 4
    long = "n" * digests.MAX_KEPT_TEXT
    for _ in range(2):
        known.digest(PATH, IMAGE_ID, long, reading)
    assert len(parsed) == 6
