"""What asking the node costs it, and how long it takes: ``python -m bench.asking``.

An agent with everything on and a log of a million events: its memory, its answers, the command
line. Then 50 followers, one of whom never reads, while containers run 8 at a time, in turn with
no follower. Wants a disk below ``--directory``. Ends with 1 when a target is missed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import selectors
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bench import store
from bench.agent import COMMAND as CASTOFF
from bench.agent import Agent, wall
from bench.burst import PARALLEL
from bench.command import parser, reporting
from bench.engine import engines
from bench.footprint import pss_mib
from bench.node import own_lab
from bench.numbers import percentile, sure_median
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.engines import unique
from lab.image import IMAGE
from sensor.api.client import AgentClient
from sensor.schema.document import encode_line
from sensor.schema.times import rfc3339
from sensor.store.database import FILE_NAME
from sensor.store.log import Store, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.agent import Line
    from bench.engine import Engines
    from sensor.store.entry import NewEntry

COMMAND = "python -m bench.asking"
EVENTS = 1_000_000
PSS_MIB = 45.0
QUERY_MS = 50.0
QUERY_ROWS = 100
STATUS_MS = 200.0
FOLLOW_MS = 100.0
FOLLOWERS = 50
DELAY_MS = 50.0
ROUNDS = 24
SAMPLES = 20
BEGAN = 1_700_000_000 * store.SECOND
STEP = store.SECOND // 10
NS_PER_MS = 1e6


# --------------------------------------------------------------------------- a large log


def large_log(directory: Path, count: int) -> None:
    """Make a log of so many events, a tenth of a second apart.

    Few are encoded, and stand in it again and again.
    """
    samples = [
        store.entry(number, encode_line(store.event(number))) for number in range(store.SAMPLES)
    ]

    def entries(first: int) -> list[NewEntry]:
        return [
            dataclasses.replace(
                samples[number % len(samples)],
                id=f"{number:032x}",
                time=number * STEP,
                wall=BEGAN + number * STEP,
            )
            for number in range(first, min(first + store.BLOCK, count))
        ]

    made = Store(directory, StoreSettings(sync="normal", max_bytes=8 << 30))
    store.fill(made, (entries(first) for first in range(0, count, store.BLOCK)))
    made.close()


def timed(agent: Agent, target: str) -> float:
    """Milliseconds until an answer to GET ``target`` is complete."""
    client = AgentClient(agent.socket)
    began = time.perf_counter()
    lines = sum(1 for _ in client.lines(target))
    took = (time.perf_counter() - began) * 1000
    if lines < QUERY_ROWS:
        raise RuntimeError(f"{target} gave {lines} lines only")
    return took


def queries(agent: Agent, events: int) -> Iterator[Row]:
    """Ask the socket for the first 100 rows, by time, type and container."""
    middle = BEGAN + events // 2 * STEP
    since, until = (rfc3339(middle + later * store.SECOND) for later in (0, 86_400))
    name = store.entry(events // 2 % store.SAMPLES, b"").name
    asked = {
        "time": {"since": since, "until": until},
        "type": {"type": "stop", "since": rfc3339(0)},
        "container": {"filter": f"container={name}", "since": rfc3339(0)},
    }
    for what, words in asked.items():
        target = f"/v1/events?{urlencode({**words, 'limit': QUERY_ROWS})}"
        took = [timed(agent, target) for _ in range(SAMPLES)]
        median, worst = statistics.median(took), max(took)
        yield Row(
            f"first {QUERY_ROWS} of {events:,} events by {what}, through the socket",
            f"median {median:.0f} ms, worst {worst:.0f} ms",
            f"{QUERY_MS:.0f} ms",
            median <= QUERY_MS,
            COMMAND,
            {"median_ms": median, "worst_ms": worst},
        )


def status(agent: Agent) -> Row:
    """Time ``castoff status`` from its start to its end."""
    took = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        subprocess.run(
            [CASTOFF, "status", "--socket", agent.socket], check=True, stdout=subprocess.DEVNULL
        )
        took.append((time.perf_counter() - began) * 1000)
    median, worst = statistics.median(took), max(took)
    return Row(
        "castoff status, the whole command",
        f"median {median:.0f} ms, worst {worst:.0f} ms",
        f"{STATUS_MS:.0f} ms",
        median <= STATUS_MS,
        COMMAND,
        {"median_ms": median, "worst_ms": worst},
    )


def follow(agent: Agent, running: Engines) -> Row:
    """Time from an init's first execve to the line of ``castoff events -f``."""
    waits: list[float] = []
    with subprocess.Popen(
        [CASTOFF, "events", "-f", "--type", "start", "-o", "json", "--socket", agent.socket],
        stdout=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None
        lines = command.stdout

        def read() -> None:
            for line in lines:
                wait = time.time_ns() - wall(json.loads(line)["time"])
                waits.append(wait / NS_PER_MS)

        reader = threading.Thread(target=read)
        reader.start()
        # Until it follows: what came before it was there is no sample.
        agent.wait_for(lambda: agent_followers(agent) >= 1, "a client follows")
        waits.clear()
        for _ in range(SAMPLES):
            running.docker.run_to_end("--rm", IMAGE, "true")
        agent.wait_for(lambda: len(waits) >= SAMPLES, "all starts are shown")
        command.terminate()
        reader.join()
    p50, worst = percentile(waits, 0.5), max(waits)
    return Row(
        f"castoff events -f shows a start, {len(waits)} docker run one by one",
        f"p50 {p50:.0f} ms, worst {worst:.0f} ms after the execve",
        f"{FOLLOW_MS:.0f} ms",
        worst <= FOLLOW_MS,
        COMMAND,
        {"p50_ms": p50, "worst_ms": worst},
    )


def agent_followers(agent: Agent) -> int:
    """Ask how many follow."""
    metrics = AgentClient(agent.socket).get("/metrics").decode()
    lines = [one for one in metrics.splitlines() if one.startswith("castoff_control_followers ")]
    return int(float(lines[0].split()[1]))


# --------------------------------------------------------------------------- followers


@contextmanager
def following(agent: Agent, count: int) -> Iterator[None]:
    """Have so many follow meanwhile: all but one read what they get."""
    request = b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    over = threading.Event()
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as readers:
        for number in range(count):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(agent.socket))
            client.sendall(request)
            if number:
                readers.register(client, selectors.EVENT_READ)

        def read() -> None:
            while not over.is_set():
                for key, _ in readers.select(0.1):
                    assert isinstance(key.fileobj, socket.socket)
                    key.fileobj.recv(1 << 16)

        thread = threading.Thread(target=read)
        thread.start()
        agent.wait_for(lambda: agent_followers(agent) >= count, f"{count} follow")
        try:
            yield
        finally:
            over.set()
            thread.join()
    agent.wait_for(lambda: agent_followers(agent) == 0, "no follower is left")


def round_of(agent: Agent, running: Engines) -> tuple[list[float], list[float]]:
    """Run 8 containers at once: ms that each command took, and ms until each start was reported."""
    first = len(agent.lines)
    ids: list[str] = []

    def run(name: str) -> float:
        began = time.perf_counter()
        identity, code = running.docker.run_to_end("--rm", "--name", name, IMAGE, "true")
        if code != 0:
            raise RuntimeError(f"docker run of {name} ended with {code}")
        ids.append(identity)
        return (time.perf_counter() - began) * 1000

    with ThreadPoolExecutor(PARALLEL) as pool:
        took = list(pool.map(run, [unique("follow") for _ in range(PARALLEL)]))

    def reported() -> list[Line]:
        return [
            line
            for line in agent.lines[first:]
            if line.is_a("start") and line.container["id"] in ids
        ]

    agent.wait_for(lambda: len(reported()) >= len(ids), "every start is reported")
    return took, [(line.read - wall(line.event["time"])) / NS_PER_MS for line in reported()]


def followers(agent: Agent, running: Engines, rounds: int) -> Iterator[Row]:
    """Compare rounds with followers and rounds without, in turn."""
    runs: dict[bool, list[list[float]]] = {True: [], False: []}
    waits: dict[bool, list[list[float]]] = {True: [], False: []}
    for number in range(2 * rounds):
        followed = bool(number % 2)
        with following(agent, FOLLOWERS) if followed else contextlib.nullcontext():
            took, reported = round_of(agent, running)
        runs[followed].append(took)
        waits[followed].append(reported)
    # The agent delays no start: what docker run takes is shown, and varies by itself
    # more than the target.
    for what, found, target in (
        ("docker run ends", runs, None),
        ("its start is reported", waits, DELAY_MS),
    ):
        pairs = zip(found[False], found[True], strict=True)
        later = [statistics.median(b) - statistics.median(a) for a, b in pairs]
        low, median, high = sure_median(later)
        yield Row(
            f"{FOLLOWERS} followers, one stuck, {PARALLEL} docker run at once: {what} later by",
            f"median {median:+.1f} ms ({low:+.1f} to {high:+.1f}), {len(later)} pairs",
            f"{target:.0f} ms" if target else None,
            high <= target if target else None,
            COMMAND,
            {"median_ms": median, "low_ms": low, "high_ms": high},
        )


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--events", type=int, default=EVENTS, help="size of the log")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of rounds of followers")
    options.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="for the log")
    options.add_argument("--log", type=Path, help="a log of an earlier run, or where to leave one")
    arguments = options.parse_args()
    with (
        reporting(arguments.json) as rows,
        tempfile.TemporaryDirectory(prefix="castoff-bench-", dir=arguments.directory) as base,
    ):
        state = arguments.log or Path(base) / "state"
        if not (state / FILE_NAME).exists():
            say(f"making a log of {arguments.events:,} events")
            large_log(state, arguments.events)
        with own_lab() as lab, engines(lab) as running:
            stamp = compiled("stamp", lab.sub("programs"))
            config = lab.directory / "large.toml"
            config.write_text("[store]\nmax_mib = 8192\nmax_age_days = 36500\n")
            with Agent(lab, stamp, "run", "--config", config, state=state) as agent:
                agent.settle(running.runc)
                rows.extend([follow(agent, running), status(agent)])
                rows.extend(queries(agent, arguments.events))
                rows.extend(followers(agent, running, arguments.rounds))
                pss = pss_mib(agent)
                rows.append(
                    Row(
                        f"agent's memory (PSS) then, a log of {arguments.events:,} events",
                        f"{pss:.1f} MiB",
                        f"{PSS_MIB:.0f} MiB",
                        pss <= PSS_MIB,
                        COMMAND,
                        {"pss_mib": pss},
                    )
                )


if __name__ == "__main__":
    main()
