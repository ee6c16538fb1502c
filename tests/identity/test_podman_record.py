"""Podman's own database: labels, restart policy, the run before (case podman-ran-before)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.identity.podman_record import BOLT, PodmanRecord, podman_record
from sensor.identity.reading import RootReader
from sensor.model.container import EngineRecord
from tests.identity.sample_node import ID, Node, open_descriptors

GRAPH = "/var/lib/containers/storage"
SECOND = 1_000_000_000
CONFIG = {"labels": {"a": "b"}, "restart_policy": "always", "name": "web"}
STOPPED = {
    "state": 5,
    "startedTime": "2026-01-02T03:04:05.5+01:00",
    "finishedTime": "2026-01-02T03:05:05Z",
    "exitCode": 3,
    "restartCount": 2,
    "stoppedByUser": True,
}
NEVER = {"state": 1, "startedTime": "0001-01-01T00:00:00Z", "finishedTime": "0001-01-01T00:00:00Z"}


def sqlite(node: Node, state: object, config: object = CONFIG, name: str = "db.sql") -> Path:
    path = node.root / GRAPH[1:] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    for table, value in (("ContainerConfig", config), ("ContainerState", state)):
        connection.execute(f"CREATE TABLE {table} (ID TEXT PRIMARY KEY NOT NULL, JSON TEXT)")
        connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (ID, json.dumps(value)))
    connection.commit()
    connection.close()
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", ["db.sql", "libpod/db.sql"])
def test_a_container_that_ran_before_is_known_as_that(
    node: Node, reading: RootReader, name: str
) -> None:
    sqlite(node, STOPPED, name=name)
    before = open_descriptors()
    found = podman_record(GRAPH, ID, reading)
    assert found == PodmanRecord(
        labels=(("a", "b"),),
        record=EngineRecord(
            has_run=True,
            started_wall=1_767_319_445 * SECOND + SECOND // 2,
            finished_wall=1_767_323_105 * SECOND,
            exit_code=3,
            restart_count=2,
            manually_stopped=True,
            restart_policy="always",
        ),
    )
    reading.close()
    assert open_descriptors() <= before


def test_one_that_never_ran_is_known_as_that(node: Node, reading: RootReader) -> None:
    sqlite(node, NEVER, {})
    found = podman_record(GRAPH, ID, reading)
    assert found is not None
    assert found.record.has_run is False
    assert found.record.restart_policy == "no"
    assert found.record.exit_code is None


def test_an_unknown_container_and_a_missing_database_are_unknown(
    node: Node, reading: RootReader
) -> None:
    assert podman_record(GRAPH, ID, reading) is None
    sqlite(node, NEVER)
    assert podman_record(GRAPH, "1f" * 32, reading) is None
    assert reading.problems == []


def test_a_database_that_others_can_write_is_not_read(node: Node, reading: RootReader) -> None:
    sqlite(node, STOPPED).chmod(0o666)
    assert podman_record(GRAPH, ID, reading) is None
    assert reading.problems == ["podman_state:untrusted"]


def test_a_view_that_never_ends_is_left(node: Node, reading: RootReader) -> None:
    path = node.root / GRAPH[1:] / "db.sql"
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE ContainerState (ID TEXT, JSON TEXT)")
    connection.execute("INSERT INTO ContainerState VALUES (?, '{}')", (ID,))
    connection.execute(
        "CREATE VIEW ContainerConfig AS WITH RECURSIVE n(ID, JSON) AS"
        " (SELECT 'x', '{}' UNION ALL SELECT 'x', '{}' FROM n) SELECT ID, JSON FROM n"
    )
    connection.commit()
    connection.close()
    assert podman_record(GRAPH, ID, reading) is None
    assert reading.problems == ["podman_state:malformed"]


@settings(deadline=None)
@given(data=st.binary(max_size=20_000))
def test_no_bytes_of_a_database_make_it_raise(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    node = Node(tmp_path_factory.mktemp("node"))
    for name in (BOLT, "db.sql"):
        node.write(f"{GRAPH}/{name}", data)
    reading = RootReader(os_open(node.root))
    try:
        assert podman_record(GRAPH, ID, reading) is None
    finally:
        reading.close()
        os.close(reading.root)
        shutil.rmtree(node.root)


@pytest.mark.skipif(
    shutil.which("podman") is None or os.geteuid() != 0, reason="needs podman and root"
)
def test_podmans_own_database_is_read() -> None:
    """``podman create`` starts nothing: a container that never ran, with labels and a policy."""
    with tempfile.TemporaryDirectory(prefix="c") as name:
        base = Path(name)
        (base / "rootfs").mkdir()
        words = f"""podman --root {base}/root --runroot {base}/run --tmpdir {base}/tmp
            --storage-driver vfs --events-backend none create --network none --label a=b
            --restart always --rootfs {base}/rootfs true"""
        done = subprocess.run(
            words.split(), capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        reading = RootReader(os_open(base))
        found = podman_record("/root", done.stdout.strip(), reading)
        reading.close()
        os.close(reading.root)
    assert found == PodmanRecord(
        labels=(("a", "b"),),
        record=EngineRecord(
            has_run=False, restart_count=0, manually_stopped=False, restart_policy="always"
        ),
    )


def os_open(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY)
