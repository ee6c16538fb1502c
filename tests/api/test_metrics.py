"""The metrics are OpenMetrics as its own parser reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sensor.api.metrics import exposition
from sensor.api.server import ControlServer
from sensor.api.status import SourceState
from tests.api.sample_agent import Log, View, ask, serving
from tests.api.test_status import STATUS


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]  # the library has no types here
        for sample in family.samples
    }


def test_what_is_reported() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        status, body = await ask(path, "/metrics")
        assert status == 200
        found = samples(body)
        assert found["castoff_events_total", (("type", "container.start"),)] == 3
        assert found["castoff_containers_running", ()] == STATUS.containers_running
        assert found["castoff_control_clients", ()] == 1
        assert found["castoff_control_requests_total", ()] == 1
        lost = (("kind", "init_exec"), ("reason", "full"), ("ring", "lifecycle"))
        assert found["castoff_kernel_records_lost_total", lost] == 1
        assert found["process_resident_memory_bytes", ()] > 1 << 20
        assert found["process_open_fds", ()] > 3

    serving(scenario, view=View(), log=Log())


def test_it_works_without_a_view() -> None:
    async def scenario(_: ControlServer, path: Path) -> None:
        assert (await ask(path, "/metrics"))[0] == 200
        assert (await ask(path, "/metrics?x=1"))[0] == 400

    serving(scenario)


def test_odd_names_are_escaped() -> None:
    name = 'a"b\\c\nd'
    status = replace(STATUS, sources=(SourceState(name, "running", None, 7),))
    found = samples(exposition(status, (), {}))
    assert found["castoff_source_observations_total", (("source", name),)] == 7


def test_each_output_that_ships_the_log_has_its_metrics() -> None:
    text = exposition(STATUS, (), {}).decode()
    assert 'castoff_output_lag_events{output="local"} 7\n' in text
    assert 'castoff_output_retried_batches_total{output="local"} 2\n' in text
    assert 'castoff_output_circuit{output="local",castoff_output_circuit="open"} 1\n' in text
    assert 'castoff_output_circuit{output="local",castoff_output_circuit="closed"} 0\n' in text
