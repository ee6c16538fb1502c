"""Which processes are engines, and whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.access import engines
from sensor.access.engines import ENGINES_MAX, OF_ONE_UID, EngineProcess
from tests.access.fake import node_of, put
from tests.access.fake_engine import made_up


def found(root: Path) -> tuple[EngineProcess, ...]:
    return engines.read(node_of(root))


def test_an_engine_has_its_owner_and_its_command_line(tmp_path: Path) -> None:
    made_up(tmp_path, 77, "/usr/bin/dockerd", "-H", "fd://")
    made_up(tmp_path, 78, "vim", "dockerd")
    (one,) = found(tmp_path)
    assert (one.pid, one.program, one.uid, one.nested) == (77, "dockerd", 0, False)
    assert one.arguments == ("/usr/bin/dockerd", "-H", "fd://")
    assert one.is_hosts


@pytest.mark.parametrize(
    ("uid", "pids"), [(1000, "5"), (0, "5 1")], ids=["of-a-user", "in-a-container"]
)
def test_an_engine_of_a_user_or_of_a_container_is_not_the_hosts(
    uid: int, pids: str, tmp_path: Path
) -> None:
    made_up(tmp_path, 5, "dockerd", uid=uid, pids=pids)
    (one,) = found(tmp_path)
    assert not one.is_hosts


def test_an_engine_is_known_by_its_file_whatever_it_calls_itself(tmp_path: Path) -> None:
    made_up(tmp_path, 5, "harmless")
    (tmp_path / "proc/5/exe").symlink_to("/usr/bin/containerd (deleted)")
    assert [one.program for one in found(tmp_path)] == ["containerd"]


def test_a_long_name_is_known_by_what_the_kernel_keeps_of_it(tmp_path: Path) -> None:
    made_up(tmp_path, 5, "balena-engine-daemon")
    assert [one.program for one in found(tmp_path)] == ["balena-engine-daemon"]


def test_many_engines_of_one_user_crowd_out_none_of_the_others(tmp_path: Path) -> None:
    for pid in range(1, ENGINES_MAX + 2):
        made_up(tmp_path, pid, "dockerd", uid=1000)
    made_up(tmp_path, 900, "dockerd", uid=1001)
    made_up(tmp_path, 901, "dockerd")
    node = node_of(tmp_path)
    read = engines.read(node)
    assert read[0].pid == 901
    assert sum(one.uid == 1000 for one in read) == OF_ONE_UID
    assert sum(one.uid == 1001 for one in read) == 1
    assert node.unread == [
        f"/proc: {ENGINES_MAX + 1 - OF_ONE_UID} processes with an engine's name were left out"
    ]


def test_a_process_that_ended_meanwhile_is_no_engine(tmp_path: Path) -> None:
    put(tmp_path, "proc/5/unrelated", "")
    assert found(tmp_path) == ()
