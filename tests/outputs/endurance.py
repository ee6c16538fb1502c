"""Events committed to a log and shipped through a network and a collector that fail all the time.

The agent's shipping part (``shipper.py``) is killed, the collector (npm's FluentServer) is killed,
and a proxy between them drops, delays, repeats, changes and cuts. At the end what the log has and
what the collector has is compared.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.event_log import ids_on_disk
from tests.outputs.fault_proxy import Fault, FaultProxy, Misbehaviour
from tests.outputs.forward.collector import Collector, collector

PATIENCE = 120.0
"""Seconds without progress after which it is given up."""

POLL = 0.02

CONFIG = """
[outputs.collector]
type = "forward"
servers = ["127.0.0.1:{port}"]
ack_seconds = 2.0
rest_seconds = 0.5
window = 8
"""


@dataclass(frozen=True)
class Plan:
    """``kills`` of the agent and as many of the collector, spread over the run."""

    events: int
    kills: int
    how: Misbehaviour
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    committed: int
    """Distinct events in the log."""
    lost: int
    """Of these, those that the collector does not have."""
    foreign: int
    """Events that the collector has and the log does not."""
    repeated: int
    """Copies beyond the first, each with the id of the first."""
    agent_kills: int
    collector_kills: int
    faults: Counter[Fault]
    seconds: float


class Agent:
    """The shipping process, started again after each kill where durable events end."""

    def __init__(self, directory: Path, last: int, durable: int = 0) -> None:
        self.durable = durable
        self._directory = directory
        self._last = last
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.outputs.shipper", str(self._directory)]
        self._process = subprocess.Popen(
            [*command, str(self.durable + 1), str(self._last)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, args=(self._process,))
        self._reading.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                self.durable = max(self.durable, int(line))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def end(self, *, kill: bool) -> None:
        """Kill it, or have it end in good order."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        if kill:
            process.kill()
        process.stdin.close()
        process.wait(60)
        assert self._reading is not None
        self._reading.join()
        process.stdout.close()


@contextmanager
def _proxied(upstream: int, how: Misbehaviour) -> Iterator[FaultProxy]:
    """Run the proxy in a thread of its own."""
    proxy = FaultProxy(upstream, how)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(10)
        yield proxy
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(directory: Path, plan: Plan, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run the plan; raises AssertionError when nothing moves any more."""
    dice = random.Random(plan.seed)
    began = time.monotonic()
    with collector(directory, print="ids") as server, _proxied(server.port, plan.how) as proxy:
        (directory / "castoff.toml").write_text(CONFIG.format(port=proxy.port))
        received = _Received(server)
        agent = Agent(directory, plan.events)
        agent.start()
        try:
            moments = sorted(
                [(dice.uniform(0.02, 0.98) * plan.events, True) for _ in range(plan.kills)]
                + [(dice.uniform(0.02, 0.98) * plan.events, False) for _ in range(plan.kills)]
            )
            for moment, of_agent in moments:
                received.wait_for(int(moment), agent)
                if of_agent:
                    agent.end(kill=True)
                    agent.start()
                else:
                    server.kill()
                    time.sleep(dice.uniform(0.0, 0.5))
                    server.start()
                killed = "agent" if of_agent else "collector"
                say(f"{len(received.ids)} events have come, the {killed} was killed")
            received.wait_for(plan.events, agent)
        finally:
            agent.end(kill=False)
        received.look()
        committed = ids_on_disk(directory / "state" / "castoff.db")
        return Outcome(
            committed=len(committed),
            lost=len(committed - received.ids.keys()),
            foreign=len(received.ids.keys() - committed),
            repeated=received.ids.total() - len(received.ids),
            agent_kills=plan.kills,
            collector_kills=plan.kills,
            faults=proxy.made,
            seconds=time.monotonic() - began,
        )


class _Received:
    """The ids that the collector has, read as they come."""

    def __init__(self, server: Collector) -> None:
        self.ids: Counter[str] = Counter()
        self._server = server

    def look(self) -> None:
        for chunk in self._server.new():
            self.ids.update(chunk["ids"])

    def wait_for(self, count: int, agent: Agent) -> None:
        moved = time.monotonic()
        while len(self.ids) < count:
            before = len(self.ids)
            self.look()
            if len(self.ids) > before:
                moved = time.monotonic()
            assert agent.running, "the agent ended"
            assert time.monotonic() - moved < PATIENCE, f"{len(self.ids)} events and no more"
            time.sleep(POLL)
