"""All of a node: what is there, and what could not be read."""

from __future__ import annotations

from pathlib import Path

from sensor.access.survey import survey
from tests.access.fake import node_of
from tests.evidence.logs import make_log


def test_a_survey_has_ways_of_every_kind_and_the_log_s_beginning(tmp_path: Path) -> None:
    node = node_of(
        tmp_path / "node",
        proc__sys__kernel__hostname="node-7\n",
        etc__crontab="0 3 * * * root docker start x\n",
        etc__subuid="carol:100000:65536\n",
    )
    found = survey(make_log(tmp_path / "state", 5), 0, node)
    assert found.host == "node-7"
    assert {way.who for way in found.ways} == {"root", "toor", "alice", "bob", "carol"}
    assert found.covers is not None
    assert found.unread == ()


def test_without_a_log_nothing_is_called_unused(tmp_path: Path) -> None:
    found = survey(None, 1 << 62, node_of(tmp_path))
    assert "last use: there is no log" in found.unread
    assert not any(way.is_unused(found.now, found.covers) for way in found.ways)
