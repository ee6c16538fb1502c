"""The table shows one safe line an event that fits the terminal."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.cli.table import IMAGELESS, Table, colour_wanted, own_name
from sensor.model.events import Event
from sensor.schema.text import columns
from tests.outputs.sample_events import CONTAINER, EVENTS, START


def test_a_start_without_a_terminal_is_not_cut() -> None:
    cells = Table().line(START).split("  ")
    assert [cell.strip() for cell in cells if cell] == [
        "22:13:33.000",
        "reactivation",
        "4f2d4f2d4f2d",
        "docker",
        "web",
        "nginx:1.25",
        "! ~docker start web by alice as root, down for 1 h",
    ]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("start_bare", "unknown"),
        ("start_pod", "orchestrator, attempt 4"),
        ("stop", "killed by signal 9, out of memory after 1 ms"),
        ("start_failed", "docker start web by alice as root: no such file, exit code 1"),
        ("start_failed_bare", "no such file, exit code 1"),
        ("gap", "kernel: ring full, 3 lost"),
        ("sensor", "started, 2 containers running"),
        ("alert", "high new-privilege: privilege: expected none, seen privileged"),
        ("alert_acknowledged", "critical new-privilege, acknowledged: why"),
    ],
)
def test_the_last_column_says_why(name: str, end: str) -> None:
    assert Table().line(EVENTS[name]).endswith(f"  {end}")


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("width", [1, 40, 80, 109, 110, 200])
def test_lines_fit_the_terminal(event: Event, width: int) -> None:
    table = Table(width)
    assert columns(table.line(event)) <= width
    assert columns(table.header()) <= width


@given(st.text(st.characters(codec=None, exclude_categories=())), st.none() | st.integers(1, 200))
def test_nothing_that_a_person_chose_reaches_the_terminal_raw(text: str, width: int | None) -> None:
    container = dataclasses.replace(CONTAINER, name=text)
    line = Table(width).line(dataclasses.replace(START, container=container))
    assert line.isprintable()


def test_colour_wraps_the_line_and_changes_nothing_else() -> None:
    plain = Table(100).line(EVENTS["gap"])
    assert Table(100, colour=True).line(EVENTS["gap"]) == f"\x1b[1;33m{plain}\x1b[0m"


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        pytest.param({}, True, True, id="terminal"),
        pytest.param({}, False, False, id="pipe"),
        pytest.param({"NO_COLOR": "1"}, True, False, id="NO_COLOR"),
        pytest.param({"NO_COLOR": ""}, True, True, id="empty NO_COLOR"),
        pytest.param({"TERM": "dumb"}, True, False, id="dumb terminal"),
    ],
)
def test_colours_are_for_terminals_without_no_color(
    environment: dict[str, str],
    terminal: bool,
    wanted: bool,
) -> None:
    assert colour_wanted(environment, terminal=terminal) is wanted


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_first_words_of_a_cause_are_never_cut(width: int) -> None:
    container = dataclasses.replace(CONTAINER, name="with-a-very-long-name-" * 4)
    line = Table(width).line(dataclasses.replace(START, container=container))
    assert "docker start web" in line
    assert "IMAGE" in Table(width).header() or width < IMAGELESS


@pytest.mark.parametrize(
    ("name", "id_", "shown"),
    [
        ("web", "ab" * 32, "web"),
        (None, "ab" * 32, "-"),
        (None, "short", "-"),
        (None, "castoff-selftest-3b7c0b94", "castoff-selftest-3b7c0b94"),
        (None, None, "-"),
    ],
)
def test_an_id_that_a_person_made_up_and_that_is_cut_stands_for_the_name(
    name: str | None, id_: str | None, shown: str
) -> None:
    assert own_name(name, id_) == shown


@pytest.mark.parametrize("width", [80, 100, 200])
def test_pods_of_a_deployment_are_distinguished_at_any_width(width: int) -> None:
    pods = [f"web-7c5ddbdf54-{random}" for random in ("2b8fg", "zxk4m", "qq9wd")]
    event = EVENTS["start_pod"]
    assert event.orchestrator is not None
    assert event.container is not None
    container = dataclasses.replace(event.container, name="app")
    lines = [
        Table(width).line(
            dataclasses.replace(
                event,
                container=container,
                orchestrator=dataclasses.replace(event.orchestrator, pod=pod, container="app"),
            )
        )
        for pod in pods
    ]
    assert len(set(lines)) == len(pods)
    assert all(pod[-5:] in line for pod, line in zip(pods, lines, strict=True))
