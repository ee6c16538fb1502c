"""Kills of both sides and a failing network lose nothing. ``python -m bench.delivery`` has more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outputs.endurance import Plan, run
from tests.outputs.fault_proxy import Misbehaviour
from tests.outputs.forward.collector import MISSING


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_what_is_committed_arrives_and_what_arrives_twice_has_one_id(tmp_path: Path) -> None:
    how = Misbehaviour(seed=5, share=0.2, tear=0.01, limit=15)
    outcome = run(tmp_path, Plan(events=5000, kills=3, how=how))
    assert (outcome.committed, outcome.lost, outcome.foreign) == (5000, 0, 0)
    assert outcome.faults.total() > 0
