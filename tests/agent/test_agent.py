"""The agent as a whole: one per node, nothing missed and nothing reported twice across its runs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.requirements import cannot
from sensor.agent.agent import Agent
from sensor.agent.config import AgentSection, Config, SocketSection, SourcesSection
from sensor.agent.lock import lock_node
from sensor.agent.parts import ConsoleState
from sensor.bpf import loader, pins
from sensor.errors import PermissionMissing, ProbesBusy
from sensor.model.events import Event
from sensor.model.vocabulary import EventType
from tests.bpf.conftest import bundle, why_not
from tests.bpf.live import Bundle

__all__ = ["bundle"]

PATIENCE = 20.0


# --------------------------------------------------------------- the lock


def test_one_agent_holds_the_node(tmp_path: Path) -> None:
    first = lock_node(tmp_path / "run")
    with pytest.raises(ProbesBusy, match=f"pid {os.getpid()}") as caught:
        lock_node(tmp_path / "run")
    assert caught.value.exit_code == 75
    os.close(first)
    os.close(lock_node(tmp_path / "run"))


def test_a_lock_names_its_present_holder_only(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("123456789012\n")
    descriptor = lock_node(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    os.close(descriptor)


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        lock_node(tmp_path)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(lock_node(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_without_the_rights_the_fix_is_reported(tmp_path: Path) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        try:
            lock_node(tmp_path / "run")
        except PermissionMissing as error:
            os._exit(error.exit_code)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 77


# --------------------------------------------------------------- whole runs


@dataclass
class Gathered:
    """Takes events as standard output does."""

    events: list[Event]
    changed: asyncio.Event
    ready: asyncio.Event
    closed: bool = False

    def take(self, event: Event, line: bytes, *, more: bool) -> None:
        assert line
        assert not more or self.events
        self.events.append(event)
        self.changed.set()
        if event.sensor is not None and event.sensor.action == "inventory_taken":
            self.ready.set()

    def push(self) -> None:
        assert self.events

    def state(self) -> ConsoleState:
        return ConsoleState("gathered", 0, 0, None)

    async def close(self) -> None:
        self.closed = True


class Node:
    """Agents on a node of their own: one pin root, one state, one after the other."""

    def __init__(self, base: Path) -> None:
        self.pin_root = pins.BPFFS / f"castoff-test-agent-{os.getpid()}"
        self.base = base
        self.events: list[Event] = []

    def of(self, box: Bundle, type_: EventType = EventType.START) -> list[Event]:
        return [
            event
            for event in self.events
            if event.type is type_ and event.container is not None and event.container.id == box.id
        ]

    def run(self, *steps: Callable[[], object], until: Callable[[], bool]) -> None:
        """Run an agent from its start to its end; ``steps`` are taken while it watches."""
        self.events = []

        async def session() -> None:
            config = Config(
                agent=AgentSection(state_dir=self.base / "state", run_dir=self.base / "run"),
                socket=SocketSection(path=self.base / "castoff.sock"),
                sources=SourcesSection(audit="off", docker=False, containerd=False, podman=False),
                pin_root=self.pin_root,
            )
            changed, ready = asyncio.Event(), asyncio.Event()
            gathered = Gathered(self.events, changed, ready)
            agent = Agent(config, open_console=lambda _: gathered)
            running = asyncio.create_task(agent.run())
            await asyncio.wait(
                {running, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED
            )
            for step in steps:
                await asyncio.to_thread(step)
            while not until():
                changed.clear()
                await changed.wait()
            agent.stop()
            await running
            assert gathered.closed

        previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            asyncio.run(asyncio.wait_for(session(), PATIENCE))
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    reason = why_not()
    if reason is not None:
        cannot(reason)
    monkeypatch.setattr(loader, "LIFECYCLE_PAGES", 64)
    monkeypatch.setattr(loader, "COMMANDS_PAGES", 64)
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    made = Node(tmp_path / "node")
    made.base.mkdir()
    yield made
    os.setpriority(os.PRIO_PROCESS, 0, priority)
    loader.unload(made.pin_root)


@pytest.mark.kernel
def test_every_run_is_reported_once_whether_an_agent_watched_or_not(
    node: Node, bundle: Bundle
) -> None:
    node.run(
        lambda: bundle.run("/bin/sh", "-c", "exit 3"),
        until=lambda: bool(node.of(bundle, EventType.STOP)),
    )
    (start,) = node.of(bundle)
    (stop,) = node.of(bundle, EventType.STOP)
    assert start.start is not None
    assert start.start.kind == "first"
    assert stop.stop is not None
    assert stop.stop.exit_code == 3

    bundle.run("/bin/sh", "-c", "exit 4")
    node.run(until=lambda: bool(node.of(bundle, EventType.STOP)))
    (unwatched,) = node.of(bundle)
    assert unwatched.id != start.id
    assert unwatched.observed > unwatched.time
    (stop,) = node.of(bundle, EventType.STOP)
    assert stop.stop is not None
    assert stop.stop.exit_code == 4
    assert unwatched.start is not None
    assert unwatched.start.previous is not None
    assert unwatched.start.previous.exit_code == 3

    node.run(until=lambda: True)
    assert node.of(bundle) == node.of(bundle, EventType.STOP) == []


@pytest.mark.kernel
def test_a_container_that_outlives_an_agent_is_followed_by_the_next(
    node: Node, bundle: Bundle
) -> None:
    bundle.write("/bin/sleep", "1000")
    node.run(
        lambda: bundle.runc("run", "--no-pivot", "-d", bundle.id),
        until=lambda: bool(node.of(bundle)),
    )
    assert node.of(bundle, EventType.STOP) == []
    node.run(
        lambda: bundle.runc("kill", bundle.id, "KILL"),
        until=lambda: bool(node.of(bundle, EventType.STOP)),
    )
    assert node.of(bundle) == []
    (stop,) = node.of(bundle, EventType.STOP)
    assert stop.stop is not None
    assert stop.stop.signal == 9
