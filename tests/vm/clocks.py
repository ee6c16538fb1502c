"""Scenarios of a wall clock that is set: what happened keeps its order, and ``since`` its sense."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.vm.engines import bundle, run
from tests.vm.observer import EVENT_PATIENCE, TREE, Agent
from tests.vm.scenarios import scenario
from tests.vm.story import Expected

HOUR = 3600
AGREEMENT = 60.0
"""Seconds by which two clocks may differ that agree: asking takes some here."""

CASTOFF = str(TREE / "bin" / "castoff")


@contextmanager
def _a_clock_to_play_with() -> Iterator[None]:
    """Put the clock right again, as CLOCK_BOOTTIME knows it."""
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, offset + time.clock_gettime(time.CLOCK_BOOTTIME))


def _step(seconds: float) -> None:
    """Set the clock, and wait until the agent has noticed."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    end = time.monotonic() + EVENT_PATIENCE
    while time.monotonic() < end:
        status = json.loads(run(CASTOFF, "status", "-o", "json"))
        # Its start, which it knows by the kernel's clock, in terms of the wall clock.
        started = datetime.fromisoformat(status["started"][:19]).replace(tzinfo=UTC).timestamp()
        if abs(started + status["uptime_seconds"] - time.time()) < AGREEMENT:
            return
    raise TimeoutError("the agent did not notice that the clock was set")


def _start(name: str) -> str:
    with bundle(["/bin/busybox", "true"]) as directory:
        run("runc", "run", "--bundle", str(directory), name)
    return name


def _asked(*words: str) -> list[str]:
    """Names of this scenario's containers that started, as the command line lists them."""
    lines = run(CASTOFF, "events", "--type", "start", "-o", "json", *words).splitlines()
    ids = [json.loads(line)["container"]["id"] for line in lines]
    return [id_ for id_ in ids if id_.startswith("clock-")]


@scenario
def the_wall_clock_is_set_back_and_forth(_: Agent) -> list[Expected]:
    names = [_start("clock-1")]
    with _a_clock_to_play_with():
        _step(-HOUR)
        names.append(_start("clock-2"))
        after_back = _asked("--since", "30m")
        _step(3 * HOUR)
        names.append(_start("clock-3"))
        after_forth = _asked("--since", "30m")
        everything = _asked()
    # All of it is minutes ago, whatever the clock said meanwhile.
    if (after_back, after_forth, everything) != (names[:2], names, names):
        raise AssertionError(f"asked: {after_back}, {after_forth}, {everything}")
    return [Expected(name, None, None, stops=[0]) for name in names]
