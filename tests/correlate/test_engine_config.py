"""Who wrote an engine's configuration becomes an event with program and login."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.model.agent_records import AccountsRead
from sensor.model.api_calls import Caller
from sensor.model.witness_records import EngineConfigWritten
from tests.correlate.scenario import Core

CALLER = Caller(42, None, 0, 1000, 3, "vi", "/usr/bin/vi")
WRITE = EngineConfigWritten(9, "audit:1", CALLER, "/etc/docker/daemon.json")


@pytest.mark.parametrize(
    ("caller", "by", "program"),
    [
        (CALLER, "alice", "/usr/bin/vi"),
        (replace(CALLER, loginuid=None), "root", "/usr/bin/vi"),
        (replace(CALLER, loginuid=7777), "7777", "/usr/bin/vi"),
        (replace(CALLER, loginuid=None, uid=None, exe=None), None, "an unknown program"),
    ],
    ids=["a login", "an account", "a number", "unknown"],
)
def test_a_write_names_file_program_and_author(
    caller: Caller, by: str | None, program: str
) -> None:
    core = Core()
    core.feed([AccountsRead(1, ((1000, "alice"), (0, "root")))])
    (event,) = core.feed([replace(WRITE, caller=caller)])
    assert event.sensor is not None
    assert event.sensor.action == "engine_config_written"
    assert (event.sensor.by, event.sensor.detail) == (by, f"/etc/docker/daemon.json by {program}")
