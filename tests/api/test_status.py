"""The status document reads back as it was, and tolerates a newer agent."""

from __future__ import annotations

import json

import pytest

from sensor.api.status import (
    AgentStatus,
    DeliveryState,
    DropCount,
    OutputState,
    ProbeSet,
    SourceState,
)

DELIVERY = DeliveryState(
    name="local",
    type="jsonl",
    format="native",
    circuit="open",
    peer="/var/log/castoff/events.jsonl",
    connected=False,
    cursor=41,
    lag_events=7,
    lag_seconds=12.5,
    in_flight=0,
    delivered=41,
    batches=5,
    retries=2,
    refused=0,
    dead=1,
    dead_letters=1,
    held=0,
    credentials=0,
    configuration=0,
    warnings=0,
    defects=0,
    damaged=0,
    resumes_in_seconds=3.5,
    last_error="No space left on device",
    last_error_time="2023-11-14T22:13:20.000000000Z",
)
STATUS = AgentStatus(
    pid=4242,
    version="0.1.0",
    started="2023-11-14T22:13:20.000000000Z",
    uptime_seconds=12.5,
    probes=ProbeSet("ab12", loaded=True, surviving=False, programs=("exec", "exit")),
    drops=(DropCount("lifecycle", "init_exec", dropped=1, limited=0),),
    sources=(SourceState("kernel", "running", None, 7),),
    outputs=(OutputState("stdout", 0, 0, None),),
    starts=3,
    containers_running=2,
    counters=(("identity.timeouts", 1),),
    deliveries=(DELIVERY,),
)


def test_it_reads_back() -> None:
    line = STATUS.to_json()
    assert line.count(b"\n") == 1
    assert AgentStatus.from_json(line) == STATUS


def test_keys_of_a_newer_agent_are_ignored() -> None:
    document = json.loads(STATUS.to_json())
    document["new"] = 1
    document["probes"]["new"] = 1
    document["sources"][0]["new"] = 1
    assert AgentStatus.from_json(json.dumps(document).encode()) == STATUS


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"probes":1}', b"nul", b"\xff"])
def test_anything_else_is_not_a_status(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        AgentStatus.from_json(data)


@pytest.mark.parametrize(
    "key", sorted(json.loads(STATUS.to_json()).keys() - {"deliveries", "problems"})
)
def test_a_missing_key_is_refused(key: str) -> None:
    document = json.loads(STATUS.to_json())
    del document[key]
    with pytest.raises(ValueError, match="no status document"):
        AgentStatus.from_json(json.dumps(document).encode())
