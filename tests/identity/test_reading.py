"""Problems are named, and named once."""

from __future__ import annotations

import os

from sensor.identity.files import Failure
from sensor.identity.reading import FileKind, RootReader
from tests.identity.sample_node import Node


def test_a_missing_file_is_a_problem_unless_it_is_optional(reading: RootReader) -> None:
    assert reading.document(FileKind.BUNDLE, "/none", optional=True) is None
    assert reading.array(FileKind.STORAGE_IMAGES, "/none", 10) is None
    assert reading.names(FileKind.POD_LOGS, "/none", 10) == ()
    assert reading.problems == []
    assert reading.document(FileKind.BUNDLE, "/none") is None
    assert reading.document(FileKind.BUNDLE, "/none") is None
    assert reading.problems == ["bundle:missing"]


def test_every_other_failure_is_one(node: Node, reading: RootReader) -> None:
    os.mkfifo(node.root / "fifo")
    node.write("/broken", b"[")
    node.write("/large", b"[" + b" " * 100 + b"]")
    reading.document(FileKind.DOCKER_DAEMON, "/fifo", optional=True)
    reading.array(FileKind.STORAGE_IMAGES, "/broken", 10)
    reading.array(FileKind.STORAGE_IMAGES, "/large", 10)
    (node.root / "loop").symlink_to("loop")
    reading.names(FileKind.POD_LOGS, "/loop", 10)
    assert reading.problems == [
        "docker_daemon:not_regular",
        "storage_images:malformed",
        "storage_images:too_large",
        "pod_logs:symlink",
    ]


def test_a_note_is_a_kind_and_a_reason(reading: RootReader) -> None:
    reading.note(FileKind.PROCESS_ROOT, Failure.PROCESS_GONE)
    assert reading.problems == ["process_root:process_gone"]
