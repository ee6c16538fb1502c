"""Attackers: throw-away users, and what each attack needs of the node.

Each test names its case in its docstring and speaks as the user that the case speaks of;
``docs/threat-model.md`` lists the attackers, and for each the tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.agent import Agent, Event
from lab.engines import Lab, unique
from lab.requirements import cannot
from lab.runc import Runc
from lab.strangers import Stranger, stranger


def _user(label: str) -> Iterator[Stranger]:
    if os.geteuid() != 0:
        cannot("not root, and users are made for the attacks")
    with stranger(label) as made:
        yield made


@pytest.fixture
def mallory() -> Iterator[Stranger]:
    """A plain user without any rights."""
    yield from _user("mallory")


@pytest.fixture
def reachable(lab: Lab) -> Iterator[Lab]:
    """The run's directory, with its sockets, within reach of plain users."""
    paths = lab.directory.parent, lab.directory
    for path in paths:
        path.chmod(0o711)
    yield lab
    for path in paths:
        path.chmod(0o700)


@pytest.fixture
def box(runc: Runc) -> str:
    """A container of root that runs, by runc."""
    name = unique("box")
    runc.run_detached(name, "sleep", "300")
    return name


@pytest.fixture
def token() -> str:
    """A word that stands in no other event: the command of a container carries it."""
    return unique("token")


def starts_with(agent: Agent, token: str) -> list[Event]:
    """Return the starts whose container runs a command with this word."""
    return [
        event
        for event in agent.mentioning(token)
        if event["type"] == "container.start"
        and token in " ".join(event["container"]["command"] or ())
    ]


def since(agent: Agent) -> Callable[[], list[Event]]:
    """Return what gives the events that came after this call."""
    number = len(agent.events)
    return lambda: agent.events[number:]


def blames(event: Event, uid: int) -> bool:
    """Return whether the event names a process or user of this uid as its cause or a candidate."""
    named = [event["initiator"], *(event["candidates"] or ())]
    return any(f'"uid": {uid}' in json.dumps(one) for one in named if one)


def bundle_of(runc: Runc, token: str, **linux: object) -> Path:
    """Make a bundle whose command carries a word; ``linux`` overrides keys of its section."""
    bundle = runc.bundle(unique("bundle"), "sh", "-c", f": {token}; sleep 0.3")
    config = json.loads((bundle / "config.json").read_text())
    config["linux"].update(linux)
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle
