"""An agent's socket to ask, and the command to ask it with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.bridge import Running, running
from tests.api.sample_agent import Log, View


@pytest.fixture(scope="module")
def log() -> Log:
    return Log(5)


@pytest.fixture(scope="module")
def agent(log: Log) -> Iterator[Running]:
    with running(View(), log) as one:
        yield one
