"""``python -m bench.judge``: what judging a start costs, alone and with a large policy.

The starts are those of the golden captures, many times over, as ``bench.wire`` makes them for a
node on which a name keeps its image. CPU time of this process alone; no agent runs.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import machine
from bench.rows import Row, missed, table
from bench.wire import starts
from sensor.agent.host_zone import zone_of
from sensor.api.server import ControlServer
from sensor.api.storelog import StoreLog
from sensor.judge.alerting import Alerting
from sensor.judge.assessment import Assessment
from sensor.judge.change_text import Adder, of_json
from sensor.judge.judge import Judge
from sensor.judge.policy_text import SourceText, read
from sensor.model.vocabulary import BaselineState
from sensor.outputs.forward.record import bare
from sensor.schema.start_reader import event_of, wall_of
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Event as Event_

    from sensor.api.status import AgentStatus
    from sensor.judge.case import Facts
    from sensor.judge.feature import Features
    from sensor.judge.habit import Habit
    from sensor.judge.policy import Policy
    from sensor.model.events import Event

COMMAND = "python -m bench.judge"
COUNT = 20_000
STORED = 100_000
RULES, CHANGES, RULES_OF_A_SITE = 1000, 100, 10
REPETITIONS = 3
BATCH = 100
PATIENCE = 60.0
SOCKET = "castoff.sock"
COMMAND_LINE = Path(__file__).resolve().parents[1] / "bin" / "castoff"
VERDICT_MS, ALONE_MS, LOADED_MS, STORED_SECONDS, WIRE_SHARE = 0.1, 0.15, 0.2, 20.0, 0.15
NS_PER_MS = 1_000_000

NEW_FIELDS = {
    "host": ("lsm",),
    "container": ("namespace", "restart_policy", "oci_runtime_path", "cwd"),
    "initiator": ("unit",),
    "verdict": ("explanation", "findings", "workload", "level"),
}
"""What a start had not before it was judged."""
REAL = {
    "host": {"lsm": ["capability", "landlock", "yama", "apparmor"]},
    "container": {
        "namespace": "moby",
        "restart_policy": "unless-stopped",
        "oci_runtime_path": "/usr/bin/runc",
        "cwd": "/app",
    },
}
"""What captures that were recorded earlier lack and an agent of today reads."""


def policy_text(rules: int) -> bytes:
    """Return a policy of that many rules of all kinds, as a file."""
    lines = ["[window.office]", 'days = ["mon-fri"]', 'from = "08:00"', 'to = "18:00"']
    for number in range(rules):
        match number % 5:
            case 0:
                lines += [f"[expect.r{number}]", f'image = "registry.example/team-{number}/*"']
            case 1:
                lines += [f"[expect.r{number}]", f'workload = "name/shop-{number}"']
                lines += ['login = ["alice", "deploy"]', 'window = "office"']
            case 2:
                lines += [f"[forbid.r{number}]", f'login = "intruder-{number}"']
            case 3:
                lines += [f"[expect.r{number}]", f'namespace = "team-{number}-*"']
            case _:
                lines += [f"[forbid.r{number}]", f'label = "castoff.test/{number}=*"']
    return "\n".join(lines).encode()


def policy(rules: int, now: int) -> Policy:
    """Return the same, read."""
    return read([SourceText("policy.toml", policy_text(rules))], zone_of, now)


def changes(judge: Judge, count: int, now: int) -> None:
    """Record that many changes that go on."""
    for number in range(count):
        body = {
            "id": f"CHG-{number}",
            "by": "carol",
            "for_seconds": 6 * 86_400,
            "workload": [f"name/shop-{number}-*"],
            "login": "alice",
        }
        judge.ledger.add(of_json(json.dumps(body).encode(), now, Adder("root", 0)), now)


class NoPast(Alerting):
    """Neither compares nor learns: what is left is the verdict by policy, changes and lifecycle."""

    def assess(self, facts: Facts, features: Features, *, settled: bool) -> Assessment:
        """Return that nothing is new and nothing is known."""
        del facts, settled
        return Assessment(features, BaselineState.LEARNING, "node", 0, None, ())

    def learn(self, facts: Facts, features: Features, habit: Habit | None = None) -> None:
        """Learn nothing."""


def without_past() -> Judge:
    """Return a judge without a baseline."""
    judge = Judge()
    judge.alerting = NoPast(UTC, rows=judge.memory.rows)
    return judge


def cost(judge: Judge, events: list[Event]) -> float:
    """Return the ms of CPU that judging one of the events takes, rows for the store included."""
    begin = time.process_time_ns()
    for event in events:
        judge.judge(event)
        judge.take_rows()
        judge.take_alerts()
    return (time.process_time_ns() - begin) / len(events) / NS_PER_MS


def judging(events: list[Event]) -> list[Row]:
    """Measure judging without and with the baseline, and with a large policy."""
    now = min(event.time for event in events)
    verdict = statistics.median(cost(without_past(), events) for _ in range(REPETITIONS))
    alone = statistics.median(cost(Judge(), events) for _ in range(REPETITIONS))
    loaded = []
    for _ in range(REPETITIONS):
        judge = Judge(policy(RULES, now))
        changes(judge, CHANGES, now)
        loaded.append(cost(judge, events))
    with_all = statistics.median(loaded)
    return [
        Row(
            "CPU time of judging a start without the baseline",
            f"{verdict:.3f} ms",
            f"≤ {VERDICT_MS} ms",
            verdict <= VERDICT_MS,
            COMMAND,
            {"judging_verdict_ms": verdict},
        ),
        Row(
            "CPU time of judging a start with the baseline, without a policy",
            f"{alone:.3f} ms",
            f"≤ {ALONE_MS} ms",
            alone <= ALONE_MS,
            COMMAND,
            {"judging_ms": alone},
        ),
        Row(
            f"CPU time of judging a start, {RULES} rules and {CHANGES} changes",
            f"{with_all:.3f} ms",
            f"≤ {LOADED_MS} ms",
            with_all <= LOADED_MS,
            COMMAND,
            {"judging_loaded_ms": with_all},
        ),
    ]


def restless(events: list[Event]) -> Row:
    """Measure judging where each start of a workload has another image and differs in more."""
    spent = statistics.median(cost(Judge(), events) for _ in range(REPETITIONS))
    return Row(
        "the same, each start with any image and of any kind",
        f"{spent:.3f} ms",
        "-",
        None,
        COMMAND,
        {"judging_restless_ms": spent},
    )


def _events(lines: list[bytes]) -> list[Event]:
    documents = map(json.loads, lines)
    return [event for one in documents if (event := event_of(one)) is not None]


@contextmanager
def stored(lines: list[bytes]) -> Iterator[Path]:
    """Keep the lines in a log on disk and serve them from another process, as the agent does.

    Yields the socket.
    """
    with tempfile.TemporaryDirectory(prefix="castoff-bench-") as place:
        store = Store(Path(place), StoreSettings())
        for at in range(0, len(lines), BATCH):
            store.append([_entry(line) for line in lines[at : at + BATCH]])
            store.flush(PATIENCE)
        store.close(PATIENCE)
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        server = context.Process(target=_serve, args=(place, ready), daemon=True)
        server.start()
        try:
            ready.wait(PATIENCE)
            yield Path(place) / SOCKET
        finally:
            server.terminate()
            server.join(PATIENCE)


def _serve(place: str, ready: Event_) -> None:
    async def run() -> None:
        store = Store(Path(place), StoreSettings())
        log = StoreLog(store, LogReader(store.path))
        server = ControlServer(Path(place) / SOCKET, _no_status, log=log, group=None)
        await server.start()
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(run())


def _no_status() -> AgentStatus:
    message = "this bench has no agent"
    raise RuntimeError(message)


def _entry(line: bytes) -> NewEntry:
    document = json.loads(line)
    wall = wall_of(document["time"]) or 0
    container = document["container"]
    return NewEntry(
        id=document["id"],
        type=document["type"],
        time=wall,
        wall=wall,
        boot_id=document["host"]["boot_id"],
        container_id=container["id"],
        name=container["name"],
        body=line,
    )


def trial(lines: list[bytes]) -> Row:
    """Measure ``castoff policy test`` over a log of starts, the agent's answer included."""
    with stored(lines) as socket, tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(policy_text(RULES_OF_A_SITE))
        file.flush()
        begin, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = subprocess.run(
            [
                *(COMMAND_LINE, "policy", "test", "--since", "30d", "--policy", file.name),
                *("--socket", socket, "-o", "json"),
            ],
            check=True,
            capture_output=True,
        )
        seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    judged = sum(json.loads(line)["starts"] for line in answer.stdout.splitlines())
    assert judged > len(lines) // 2, f"{judged} starts of {len(lines)} were judged"
    return Row(
        f"castoff policy test over {len(lines):,} stored starts",
        f"{seconds:.1f} s, {cpu:.1f} s of CPU",
        f"≤ {STORED_SECONDS:.0f} s",
        seconds <= STORED_SECONDS,
        COMMAND,
        {"policy_test_seconds": seconds, "policy_test_cpu_seconds": cpu},
    )


def wire(lines: list[bytes]) -> list[Row]:
    """Compare the bytes of starts on the wire with and without what judging added."""
    judge = Judge()
    now_: list[bytes] = []
    before: list[bytes] = []
    for line in lines:
        document = json.loads(line)
        event = event_of(document)
        if event is None:
            continue
        verdict = judge.verdict(event)
        for block, values in REAL.items():
            document[block] |= values
        document["verdict"] |= {
            "reasons": list(verdict.reasons),
            "findings": list(verdict.findings),
            "workload": verdict.workload,
        }
        now_.append(json.dumps(bare(document), separators=(",", ":")).encode())
        before.append(json.dumps(bare(_earlier(document)), separators=(",", ":")).encode())
    return [
        _share("bare", sum(map(len, now_)), sum(map(len, before)), len(now_)),
        _share("gzip, batches of 500", _packed(now_), _packed(before), len(now_)),
    ]


def _earlier(document: dict[str, Any]) -> dict[str, Any]:
    cut = dict(document)
    for block, names in NEW_FIELDS.items():
        inner = cut.get(block)
        if isinstance(inner, dict):
            cut[block] = {key: value for key, value in inner.items() if key not in names}
    cut["verdict"] = {**cut["verdict"], "reasons": []}
    return cut


def _packed(lines: list[bytes]) -> int:
    batches = (lines[at : at + 500] for at in range(0, len(lines), 500))
    return sum(len(gzip.compress(b"\n".join(batch), 6, mtime=0)) for batch in batches)


def _share(how: str, now: int, before: int, count: int) -> Row:
    share = now / before - 1
    return Row(
        f"bytes of a start on the wire, {how}, against the fields of before",
        f"{now / count:.0f} for {before / count:.0f}: {share:+.1%}",
        f"≤ {WIRE_SHARE:.0%} more",
        share <= WIRE_SHARE,
        COMMAND,
        {"wire_share": share, "wire_bytes": now / count},
    )


def main() -> None:
    """Measure all of it and print one table."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--stored", type=int, default=STORED, help="starts in the log")
    arguments = parser.parse_args()
    lines = [record.line for record in starts(arguments.stored, settled=True)]
    others = [record.line for record in starts(COUNT)]
    rows = [*judging(_events(lines[:COUNT])), restless(_events(others))]
    rows += [*wire(others[:2000]), trial(lines)]
    print(f"{machine()}\n\n{table(rows)}")
    sys.exit(1 if missed(rows) else 0)


if __name__ == "__main__":
    main()
