"""State machines: no state is out of reach, and what a table lacks is a defect."""

from __future__ import annotations

from typing import Any

import pytest

from lab.drawings import MACHINES
from sensor.correlate.containers import LIFE, ContainerStep, Phase
from sensor.model.transitions import InvalidTransition, Machine

NAMES = [machine.name for machine in MACHINES]


@pytest.mark.parametrize("machine", MACHINES, ids=NAMES)
def test_every_state_is_reached_from_a_start(machine: Machine[Any, Any]) -> None:
    reached = set(machine.starts)
    while more := {after for (before, _), after in machine.table.items() if before in reached}:
        if more <= reached:
            break
        reached |= more
    assert reached == set(machine.starts[0].__class__.__members__.values())


@pytest.mark.parametrize("machine", MACHINES, ids=NAMES)
def test_every_input_moves_some_state(machine: Machine[Any, Any]) -> None:
    inputs = {what for _, what in machine.table}
    assert inputs == set(next(iter(inputs)).__class__.__members__.values())


def test_an_input_that_a_state_does_not_take_names_both() -> None:
    with pytest.raises(InvalidTransition, match="container: STOPPED does not take PAUSE"):
        LIFE.after(Phase.STOPPED, ContainerStep.PAUSE)
