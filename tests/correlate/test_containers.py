"""One container: its key, and how it moves from one phase to another."""

from __future__ import annotations

import pytest

from sensor.correlate import containers
from sensor.correlate.container_table import ContainerTable
from sensor.correlate.containers import LIFE, ContainerKey, container_key
from sensor.model.inventory import KnowledgeRestored, KnownContainer
from sensor.model.observations import Observation
from sensor.model.vocabulary import ContainerId
from tests.correlate.causes import runs, starts
from tests.correlate.observations import ns
from tests.correlate.scenario import DB, PLAIN, WEB, Box, Core, numbered
from tests.walks import walked

OTHER = numbered(9)
HEX = "0123456789abcdef" * 4


def key(name: str) -> ContainerKey:
    return ContainerKey(ContainerId(name), None)


@pytest.mark.parametrize(
    ("id_", "scope"),
    [
        (HEX, None),
        (HEX.upper(), "/run/runc"),
        (HEX[:63], "/run/runc"),
        (HEX + "0", "/run/runc"),
        ("web", "/run/runc"),
    ],
)
def test_only_64_hex_digits_are_unique_without_their_root(id_: str, scope: str | None) -> None:
    assert container_key(ContainerId(id_), "/run/runc") == ContainerKey(ContainerId(id_), scope)


def test_every_transition_of_a_container_happens() -> None:
    stopped_unseen = KnownContainer(
        id=PLAIN.id,
        scope=None,
        boot_id="another boot",
        init=None,
        running=False,
        starts=1,
        started_wall=1,
        stopped_wall=2,
        exit_code=0,
        signal=None,
        pod_uid=None,
        pod_container=None,
    )
    with walked(containers, "LIFE") as taken:
        core = Core()
        core >> KnowledgeRestored(ns(0), "another boot", 1, (stopped_unseen,))
        # It runs twice; in the second run it ends while it is paused.
        core >> runs(WEB, 10) >> starts(WEB.again(), 5000) >> paused(WEB.again(), 5100)
        core >> resumed(WEB.again(), 5200) >> paused(WEB.again(), 5300) >> WEB.again().exits(5400)
        # It is created and fails twice, once after a creation that was repeated.
        core >> DB.create(10_000) >> DB.again().create(10_001)
        core >> DB.again().created(10_010, 1)
        # Inits without a creating command: of an unknown container, and of a known one again.
        core >> OTHER.execs(20_000) >> OTHER.exits(20_100)
        core.wait(until=22_000)
        core >> OTHER.again().execs(23_000)
        core.wait(until=25_000)
        table = ContainerTable()
        again = table.obtain(key("again"))
        for _ in range(2):
            table.end_run(again, None)
    assert taken == set(LIFE.table)


def paused(box: Box, at: float) -> list[Observation]:
    return [box.other(at, "pause"), box.other_done(at + 1, "pause")]


def resumed(box: Box, at: float) -> list[Observation]:
    return [box.other(at, "resume"), box.other_done(at + 1, "resume")]
