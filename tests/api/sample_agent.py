"""An agent to ask: a view, a log in memory, and a server around them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sensor.api.deliveries import Rewound
from sensor.api.limits import LIMITS, Limits
from sensor.api.server import ControlServer
from sensor.api.status import DeliveryState
from sensor.api.view import ContainerView, Membership
from sensor.errors import CastoffError, StateUnusable
from sensor.judge import baseline_text
from sensor.judge.alert_event import group_of
from sensor.judge.alert_row import AlertEntry
from sensor.judge.change_text import Adder, of_json
from sensor.judge.judge import Judge
from sensor.judge.late_change import SeenStart
from sensor.judge.ledger import ChangeEntry
from sensor.judge.origin import WorkloadRecord
from sensor.judge.state import PolicyState
from sensor.store.entry import LogEntry, NewEntry
from sensor.store.query import Page, Query
from tests.api.test_status import DELIVERY, STATUS
from tests.judge.samples import NOW as JUDGED_NOW
from tests.judge.samples import start

NOW = 4_000_000_000 * 1_000_000_000
"""Long after every test, in wall ns."""

WEB = "4f2d" * 16
DATABASE = "4f9a" * 16
OLD = "0a0b" * 16
EVIL = "e0" * 32
CONTAINERS = (
    ContainerView(OLD, "web", "docker", "nginx:1", "stopped", None, None, 2, exit_code=1),
    ContainerView(
        WEB, "web", "docker", "nginx:1.25", "running", 4242, "2026-01-31T12:00:00.000000000Z", 1
    ),
    ContainerView(DATABASE, "db", "podman", "postgres:16", "paused", 77, None, 1),
    ContainerView(EVIL, "\x1b[2Jevil\u202e\nrow\udcff", None, None, "created", None, None, 0),
)


class View:
    def __init__(self, containers: Sequence[ContainerView] = CONTAINERS) -> None:
        self.shown = tuple(containers)
        self.members = {4243: Membership(WEB, (DATABASE,), f"/docker/{WEB}"), 1: None}

    def containers(self) -> tuple[ContainerView, ...]:
        return self.shown

    def container_of(self, pid: int) -> Membership | None:
        try:
            return self.members[pid]
        except KeyError as error:
            raise ProcessLookupError(pid) from error

    def event_counts(self) -> tuple[tuple[str, int], ...]:
        return (("container.start", 3), ("gap", 1))


def line(number: int, type_: str = "container.start", **container: object) -> bytes:
    """An event of second ``number`` after the epoch, as its JSON line."""
    seconds = f"{number % 60:02d}"
    document: dict[str, object] = {
        "schema": "castoff.event/1",
        "type": type_,
        "id": f"id-{number}",
        "time": f"1970-01-01T00:00:{seconds}.000000000Z",
        "container": {
            "id": WEB,
            "name": "web",
            "runtime": "docker",
            "oci_runtime": "runc",
            "image": {"name": "nginx:1.25", "id": "sha256:abcd", "digest": None},
            "labels": {"tier": "front"},
            "command": ["nginx"],
            "pid": 4242,
            **container,
        },
        "start": {"kind": "first", "trigger": "user_command"},
        "initiator": None,
        "confidence": {"container": "exact", "trigger": "exact", "initiator": "none"},
        "evidence": [],
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def entry(number: int, body: bytes) -> LogEntry:
    """An event of second ``number`` after the epoch, as the log has it."""
    document = json.loads(body)
    container = document["container"]
    wall = number * 1_000_000_000
    return LogEntry(
        number,
        NewEntry(
            id=document["id"],
            type=document["type"],
            time=wall,
            wall=wall,
            boot_id="boot",
            container_id=container["id"],
            name=container["name"],
            body=body,
        ),
    )


class Log:
    """A log in memory: sequence n happened in second n after the epoch."""

    stream = "abc123"

    def __init__(self, count: int = 0) -> None:
        self.events: dict[int, bytes] = {number: line(number) for number in range(1, count + 1)}
        self.dropped = 0
        self.failing: str | None = None
        self.pages = 0

    def newest(self) -> int:
        return max(self.events, default=0)

    def oldest(self) -> int:
        self._check()
        return self.dropped

    def page(self, query: Query) -> Page:
        self._check()
        self.pages += 1
        if not query.newest_first and query.after is not None and query.after < self.dropped:
            raise CastoffError("dropped", "go on")
        found = []
        for number in sorted(self.events, reverse=query.newest_first):
            if query.after is not None and number <= query.after:
                continue
            if query.before is not None and number >= query.before:
                continue
            one = entry(number, self.events[number])
            if query.types and one.entry.type not in query.types:
                continue
            if not (query.since or 0) <= one.entry.wall <= (query.until or 1 << 63):
                continue
            if query.container is not None and not (
                (one.entry.container_id or "").startswith(query.container)
                or one.entry.name == query.container
            ):
                continue
            found.append(one)
        kept = tuple(found[: query.rows])
        begun = (query.before if query.newest_first else query.after) or 0
        return Page(kept, kept[-1].sequence if kept else begun, len(found) > query.rows)

    def _check(self) -> None:
        if self.failing is not None:
            raise StateUnusable(self.failing, "look at the disk")


class Outputs:
    """One output that does what it is asked."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, str, int]] = []

    def states(self) -> tuple[DeliveryState, ...]:
        return (DELIVERY,)

    async def rewind(self, output: str, since: int) -> Rewound:
        if output != DELIVERY.name:
            raise KeyError(output)
        if since > NOW:
            message = "nothing is kept since then"
            raise ValueError(message)
        self.commands.append(("rewind", output, since))
        return Rewound(output, 3, 38)

    async def retry_dead(self, output: str) -> int:
        if output != DELIVERY.name:
            raise KeyError(output)
        self.commands.append(("retry-dead", output, 0))
        return 1


class Judged:
    """A judge that remembers one workload, and takes changes."""

    def __init__(self) -> None:
        self.judge = Judge()
        self.judge.judge(start("web"))
        self.judge.judge(start("box", runtime_path="/tmp/.x/runc"))
        self.by: list[tuple[int | None, int]] = []
        self.seen: dict[str, SeenStart] = {}
        """Starts that the log has."""
        self.on_disk = True
        self.asked_disk = 0

    async def durable(self) -> bool:
        self.asked_disk += 1
        return self.on_disk

    def policy_state(self) -> PolicyState:
        return PolicyState("ab" * 32, ("/etc/castoff/policy.toml",), 3, None)

    def workloads(self) -> tuple[tuple[str, WorkloadRecord], ...]:
        return self.judge.memory.workloads()

    def changes(self) -> tuple[ChangeEntry, ...]:
        return self.judge.ledger.entries(JUDGED_NOW)

    def add_change(self, body: bytes, login: int | None, uid: int) -> ChangeEntry | None:
        self.by.append((login, uid))
        change = of_json(body, JUDGED_NOW, Adder("alice", uid))
        self.judge.ledger.add(change, JUDGED_NOW)
        return self.judge.ledger.get(change.id, JUDGED_NOW)

    async def look_back(self, id_: str) -> ChangeEntry | None:
        moment = self.judge.moment(1, JUDGED_NOW)
        self.judge.acknowledge_late(id_, self.seen, moment)
        return self.judge.ledger.get(id_, JUDGED_NOW)

    def end_change(self, id_: str, login: int | None, uid: int) -> bool:
        self.by.append((login, uid))
        return self.judge.ledger.end(id_, JUDGED_NOW, "alice")

    def alerts(self) -> tuple[tuple[str, AlertEntry], ...]:
        book = self.judge.alerting.book
        return tuple((group_of(one.finding, one.value), one) for one in book.entries())

    def acknowledge(
        self, id_: str, reason: str, by: tuple[int | None, int], *, expected: bool
    ) -> AlertEntry | None:
        self.by.append(by)
        book = self.judge.alerting.book
        entry = book.acknowledge(id_, "alice", reason, self.judge.moment(1, JUDGED_NOW))
        if entry is not None and expected:
            self.judge.alerting.released(entry.id, JUDGED_NOW // 10**9)
        return entry and book.get(entry.id)

    def suppress(
        self, id_: str, reason: str, seconds: int, by: tuple[int | None, int]
    ) -> AlertEntry | None:
        self.by.append(by)
        until = JUDGED_NOW + seconds * 10**9
        moment = self.judge.moment(1, JUDGED_NOW)
        return self.judge.alerting.book.suppress(id_, "alice", reason, until, moment)

    def baseline(self, *, logins: bool) -> dict[str, object]:
        rows = baseline_text.rows(self.judge.alerting.baseline, logins=logins)
        header = {"format": baseline_text.EXPORT, "host": "m1", "sequence": 1}
        return {"header": header, "rows": [one.document() for one in rows], "held_back": []}

    def forget(self, what: dict[str, str], by: tuple[int | None, int]) -> bool:
        self.by.append(by)
        return self.judge.alerting.baseline.forget(what.get("profile", ""))

    def counts(self) -> tuple[tuple[str, str, int], ...]:
        return (("explanation", "none", 1), ("finding", "forbidden", 2))


@contextmanager
def socket_path() -> Iterator[Path]:
    """A path that other users reach too, and that is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="castoff-"))
    directory.chmod(0o755)
    try:
        yield directory / "castoff.sock"
    finally:
        shutil.rmtree(directory)


_OPENED: list[asyncio.StreamWriter] = []
Scenario = Callable[[ControlServer, Path], Awaitable[None]]


def serving(
    scenario: Scenario,
    *,
    view: View | None = None,
    log: Log | None = None,
    limits: Limits = LIMITS,
    seconds: float = 20,
    deliveries: Outputs | None = None,
    judgement: Judged | None = None,
) -> None:
    """Run the scenario while a server answers."""

    async def run() -> None:
        with socket_path() as path:
            server = ControlServer(
                path,
                lambda: STATUS,
                view=view,
                log=log,
                group=None,
                limits=limits,
                deliveries=deliveries,
                judgement=judgement,
            )
            await server.start()
            try:
                async with asyncio.timeout(seconds):
                    await scenario(server, path)
            finally:
                await server.close()
                while _OPENED:
                    writer = _OPENED.pop()
                    writer.close()
                    with contextlib.suppress(ConnectionError):
                        await writer.wait_closed()

    asyncio.run(run())


async def ask(path: Path, target: str, method: str = "GET", sent: bytes = b"") -> tuple[int, bytes]:
    """Send a request and return the answer's status and body, chunks joined."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 24)
    _OPENED.append(writer)
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    length = f"Content-Length: {len(sent)}\r\n" if sent else ""
    writer.write(f"{head}{length}\r\n".encode() + sent)
    status, headers = await _head(reader)
    body = await reader.read()
    writer.close()
    if b"transfer-encoding: chunked" in headers.lower():
        body = _joined(body)
    return status, body


async def documents(path: Path, target: str) -> list[dict[str, object]]:
    """Return the documents of a stream that ends."""
    status, body = await ask(path, target)
    assert status == 200, body
    return [json.loads(one) for one in body.splitlines()]


class Following:
    """A client that follows; ``next`` returns one line's document."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._waiting: list[bytes] = []

    @classmethod
    async def begin(cls, path: Path, query: str = "") -> Following:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 24)
        _OPENED.append(writer)
        target = f"/v1/events?follow=1{query}"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, _ = await _head(reader)
        assert status == 200
        return cls(reader, writer)

    async def next(self) -> dict[str, object] | None:
        """The next document, None at the end."""
        if not self._waiting:
            size = int(await self.reader.readline() or b"0", 16)
            if size == 0:
                return None
            chunk = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            self._waiting = chunk.splitlines()
        document: dict[str, object] = json.loads(self._waiting.pop(0))
        return document

    def close(self) -> None:
        self.writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1]), head


def _joined(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        joined += rest[:length]
        body = rest[length + 2 :]
    return joined
