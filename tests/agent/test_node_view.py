"""Which container a process is in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sensor.agent.node_view import NodeView
from sensor.agent.parsers import parsers
from sensor.correlate.core import Correlator
from sensor.identity import cgroup
from sensor.model.agent_records import ClockSynced
from sensor.model.events import Event
from sensor.model.inventory import FoundContainer, InventoryTaken
from sensor.model.process import NS_PER_TICK, CgroupPaths, ProcessKey
from sensor.model.vocabulary import ContainerId, EventType
from tests.correlate.observations import HOST, OFFSET
from tests.correlate.scenario import WEB

ID = ContainerId("4f2d" * 16)
SESSION = "1:pids:/user.slice/user-1000.slice/session-1.scope\n"


def process(proc: Path, pid: int, parent: int, ticks: int, text: str = SESSION) -> None:
    fields = ["S", str(parent), *["0"] * 17, str(ticks), "0"]
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} (x y) {' '.join(fields)}\n")
    (proc / str(pid) / "cgroup").write_text(text)


@pytest.fixture
def view(tmp_path: Path) -> NodeView:
    core = Correlator(parsers())
    init = ProcessKey(82, 500 * NS_PER_TICK)
    found = FoundContainer(
        ID, None, init, CgroupPaths("/user.slice/x", None), (), (), None, supervisor_uid=1000
    )
    core.feed(1, [HOST, ClockSynced(0, OFFSET), InventoryTaken(1, (found,))])
    for pid, parent, ticks in (
        (1, 0, 1),
        (80, 1, 400),
        (82, 80, 500),
        (90, 82, 600),
        (91, 90, 700),
    ):
        process(tmp_path, pid, parent, ticks)
    return NodeView(core, Counter(), cgroup.parse, lambda: OFFSET, tmp_path)


@pytest.mark.parametrize(("pid", "expected"), [(82, ID), (90, ID), (91, ID), (80, None), (1, None)])
def test_a_process_without_a_cgroup_of_its_own_is_known_by_its_init(
    view: NodeView, pid: int, expected: ContainerId | None
) -> None:
    """Case rootless-podman-no-cgroup."""
    found = view.container_of(pid)
    assert (found.container if found is not None else None) == expected


def test_a_pid_that_was_used_again_is_not_an_init(view: NodeView, tmp_path: Path) -> None:
    (tmp_path / "82/stat").write_text((tmp_path / "82/stat").read_text().replace(" 500 ", " 999 "))
    assert view.container_of(91) is None


def test_a_cgroup_goes_before_the_ancestors(view: NodeView, tmp_path: Path) -> None:
    other = "9a7b" * 16
    process(tmp_path, 95, 82, 800, f"0::/docker/{other}\n")
    found = view.container_of(95)
    assert found is not None
    assert found.container == other


def test_a_process_that_is_gone_is_an_error(view: NodeView) -> None:
    with pytest.raises(ProcessLookupError):
        view.container_of(4711)


def test_a_container_that_is_gone_keeps_the_name_of_its_start(tmp_path: Path) -> None:
    started: list[Event] = []
    core = Correlator(parsers(), started.append)
    core.feed(1, [HOST, ClockSynced(0, OFFSET)])
    core.feed(2, [*WEB.life(0), WEB.exits(10)])
    core.feed(20_000_000_000, [])
    (container,) = (one.container for one in started if one.type is EventType.START)
    assert container is not None
    (view,) = NodeView(core, Counter(), cgroup.parse, lambda: OFFSET, tmp_path).containers()
    assert view.state == "stopped"
    assert (view.name, view.runtime) == (container.name, container.runtime) == ("web", "docker")
