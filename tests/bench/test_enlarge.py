"""A capture made longer stands for as many different containers."""

from __future__ import annotations

from pathlib import Path

import sensor
from bench.enlarge import BETWEEN, enlarge
from sensor.model.agent_records import HostFacts
from sensor.model.container import Description
from sensor.model.inventory import ContainerDescribed
from sensor.model.kernel_records import InitExit
from sensor.model.process import CgroupPaths, ProcessKey
from sensor.model.vocabulary import ContainerId
from sensor.sources.capture import Arrival, CaptureWriter, open_capture

HOST = HostFacts("host", "boot", None, "6.18", None)
ID = "0123456789abcdef" * 4
NAME = "castoff-bench-0123456789ab"


def described(time: int) -> ContainerDescribed:
    id_ = ContainerId(ID)
    return ContainerDescribed(time, id_, Description(id_, name=NAME, created_wall=time + 5))


def ended(time: int) -> InitExit:
    cgroup = CgroupPaths(f"/docker/{ID}", None)
    return InitExit(time, 1, ProcessKey(7, time - 50), 0, started=True, root=None, cgroup=cgroup)


def test_repetitions_have_times_ids_and_names_of_their_own(tmp_path: Path) -> None:
    source, target = tmp_path / "short", tmp_path / "long"
    with CaptureWriter(source, sensor=sensor.__version__) as writer:
        writer.write(Arrival(100, (HOST, described(90))))
        writer.write(Arrival(200, (ended(190),)))
    assert enlarge(source, target, 6) == 7
    with open_capture(target) as capture:
        arrivals = list(capture)
    observations = [one for arrival in arrivals for one in arrival.observations]
    assert observations[:3] == [HOST, described(90), ended(190)]
    assert [type(one) for one in observations].count(HostFacts) == 1
    ids = {one.id for one in observations if isinstance(one, ContainerDescribed)}
    names = {one.description.name for one in observations if isinstance(one, ContainerDescribed)}
    assert len(ids) == len(names) == 3
    assert {f"/docker/{id_}" for id_ in ids} == {
        one.cgroup.v1 for one in observations if isinstance(one, InitExit)
    }
    assert all(name is not None and len(name) == len(NAME) for name in names)
    span = 100 + BETWEEN
    assert [arrival.now for arrival in arrivals] == [
        100, 200, 100 + span, 200 + span, 100 + 2 * span, 200 + 2 * span,
    ]  # fmt: skip
    last = observations[-1]
    assert isinstance(last, InitExit)
    assert last.process == ProcessKey(7, 140 + 2 * span)
