"""Captures of other versions are read faithfully, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.errors import CaptureMalformed
from sensor.model.agent_records import ClockSynced, HostFacts
from sensor.model.kernel_records import InitExit
from sensor.sources.capture import Arrival
from sensor.sources.codec import layout_of
from tests.sources.captured import GOOD_ENTRY, header, packed, read, write


def without_field(name: str, field: str) -> dict[str, tuple[str, ...]]:
    layout = layout_of(Arrival)
    return layout | {name: tuple(one for one in layout[name] if one != field)}


def test_a_field_that_came_later_reads_as_its_default() -> None:
    layout = without_field("InitExit", "oom_killed")
    entry = [1, [["InitExit", 1, 2, [3, 4], 9, True, None, [None, "/x"]]]]
    (arrival,) = read(packed(header(layout=layout), entry))
    (observation,) = arrival.observations
    assert isinstance(observation, InitExit)
    assert observation.oom_killed is False


def test_fields_are_matched_by_name_and_not_by_place() -> None:
    layout = layout_of(Arrival) | {"ClockSynced": ("realtime_offset", "time")}
    (arrival,) = read(packed(header(layout=layout), [1, [["ClockSynced", 10, 20]]]))
    assert arrival.observations == (ClockSynced(time=20, realtime_offset=10),)


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        pytest.param(
            without_field("InitExit", "status"),
            "InitExit: the capture lacks field status",
            id="lost",
        ),
        pytest.param(
            layout_of(Arrival) | {"ProcessKey": ("pid", "start_time", "tid")},
            "ProcessKey: unknown or repeated field tid",
            id="unknown",
        ),
        pytest.param(
            layout_of(Arrival) | {"ProcessKey": ("pid", "pid", "start_time")},
            "ProcessKey: unknown or repeated field",
            id="repeated",
        ),
    ],
)
def test_a_layout_that_cannot_be_read_faithfully_is_refused(
    layout: dict[str, tuple[str, ...]], reason: str
) -> None:
    with pytest.raises(CaptureMalformed) as caught:
        read(packed(header(layout=layout)))
    assert reason in caught.value.problem


def test_a_class_that_came_later_may_be_missing_from_the_layout() -> None:
    layout = {name: fields for name, fields in layout_of(Arrival).items() if name != "KernelLoss"}
    assert len(read(packed(header(layout=layout), GOOD_ENTRY))) == 1


def test_surrogates_that_never_were_bytes_become_replacement_characters(tmp_path: Path) -> None:
    host = HostFacts("a\ud800b\udcff", "boot", None, "kernel", None)
    (arrival,) = read(write(tmp_path / "file", Arrival(1, (host,))))
    (observation,) = arrival.observations
    assert isinstance(observation, HostFacts)
    assert observation.name == "a\ufffdb\udcff"
