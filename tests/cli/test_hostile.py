"""Names and labels that are made to mislead: shown escaped and bounded by every verb."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sensor.api.view import ContainerView, Membership
from sensor.cli.whois import VALUE_MAX
from sensor.schema.text import columns
from tests.api.bridge import Running, running
from tests.api.sample_agent import EVIL, WEB, Log, View, line
from tests.cli.asking import ask

LABEL = 64 * 1024
ATTACKS = {
    "escape": "\x1b]0;owned\x07\x1b[2J\x1b[1;1H",
    "newline": "web\n12:00:00  start  forged",
    "return": "web\rforged",
    "right_to_left": "web\u202egnp.exe\u2066",
    "zero_width": "w\u200beb\u200d\ufeff",
    "c1": "\x9b2J\x85",
    "no_utf8": "\udcff\udcfe",
    "long": "x" * LABEL,
    "rich_markup": "[red]web[/red] :skull:",
}
VERBS = [
    ("events", ()),
    ("events", ("--no-trunc",)),
    ("containers", ("--all",)),
    ("containers", ("--all", "--no-trunc")),
    ("containers", (EVIL[:12],)),
    ("explain", (EVIL[:12],)),
    ("explain", (EVIL[:12], "--no-trunc")),
    ("whois", ("4243",)),
]


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> str:
    return ATTACKS[request.param]


@pytest.fixture
def agent(attack: str) -> Iterator[Running]:
    """An agent whose container has the attack wherever a user chooses the text."""
    log = Log()
    image = {"name": attack, "id": attack, "digest": None}
    log.events[1] = line(
        1, id=EVIL, name=attack, image=image, labels={attack: attack}, command=[attack],
        user=attack, cgroup=f"/{attack}",
    )  # fmt: skip
    view = View((ContainerView(EVIL, attack, attack, attack, "running", 7, None, 1),))
    view.members[4243] = Membership(EVIL, (WEB,), f"/docker/{attack}")
    with running(view, log) as one:
        yield one


@pytest.mark.parametrize(("verb", "arguments"), VERBS)
def test_nothing_of_it_reaches_the_terminal(
    agent: Running, attack: str, verb: str, arguments: tuple[str, ...]
) -> None:
    done = ask(verb, agent, *arguments)
    assert done.exit_code == 0, done.output
    lines = done.output.split("\n")
    assert all(one.isprintable() for one in lines)
    assert "forged" not in [one.strip() for one in lines]
    assert not any(one.startswith("12:00:00") for one in lines)
    if attack == ATTACKS["rich_markup"]:
        assert attack in done.output, "no markup is interpreted"


@pytest.mark.parametrize("verb", ["events", "containers", "explain"])
def test_lines_fit_the_terminal(agent: Running, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = {"containers": "answer"}.get(verb, verb)
    monkeypatch.setattr(f"sensor.cli.{asks}.width", lambda **_: 80)
    arguments = {"events": (), "containers": ("--all",), "explain": (EVIL[:12],)}[verb]
    done = ask(verb, agent, *arguments)
    assert done.exit_code == 0
    assert max(map(columns, done.output.split("\n"))) <= 80


def test_whois_shows_a_bounded_piece_of_each(agent: Running) -> None:
    done = ask("whois", agent, "4243")
    assert max(map(len, done.output.split("\n"))) <= 4 * VALUE_MAX + 20


def test_json_is_as_it_was_sent_and_one_line(agent: Running, attack: str) -> None:
    done = ask("events", agent, "-o", "json")
    (only,) = done.output.splitlines()
    if "\udcff" not in attack:
        assert json.loads(only)["container"]["name"] == attack
    assert only.isascii() or only.isprintable()
