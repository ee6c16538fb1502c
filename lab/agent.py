"""The agent under test: the command of this checkout, its events read as a collector would.

Every line is validated against the published schema as it arrives; a line that is not valid fails
the next call that looks at events, and only that one.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from lab.daemon import tail
from lab.engines import Lab, unique
from lab.runc import Runc
from lab.waiting import NeverHappenedError, until
from sensor.api.client import AgentClient

CHECKOUT = Path(__file__).resolve().parents[1]
COMMAND = CHECKOUT / "bin" / "castoff"
SCHEMA = CHECKOUT / "docs" / "schema" / "castoff.event.1.schema.json"
LOCK = Path("/run/castoff/lock")
EVENT_SECONDS = 15.0
READY_SECONDS = 60.0
READ_SECONDS = 0.05
"""For lines that the agent has written and this process has not read yet."""

Event = dict[str, Any]


@functools.cache
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def holder() -> str | None:
    """Return the pid of an agent that runs on this node, if there is one."""
    try:
        with LOCK.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return LOCK.read_text().strip()
    return None


def unload_probes() -> None:
    """Take the probes out of the kernel, so that the next agent begins with nothing."""
    done = subprocess.run(
        [COMMAND, "probes", "unload"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"probes unload: {done.stdout}{done.stderr}"


class Agent:
    """One agent process after another on the same state directory.

    ``events`` holds what all of them wrote. An agent that is started again after a kill may write
    an event once more, which is what at-least-once means: :meth:`of` drops repetitions by the
    event's id, as a collector does.
    """

    def __init__(self, lab: Lab, runc: Runc, name: str) -> None:
        home = lab.sub("agents", name)
        self.state_dir = home / "state"
        self.database = self.state_dir / "castoff.db"
        # Not below home: a socket's path may have 107 bytes, and a test's name be long.
        self.socket = lab.directory / f"{unique('agent')}.sock"
        self.log = home / "stderr.log"
        self.events: list[Event] = []
        self.options: list[str | Path] = []
        """More words of its command line."""
        self.environment: dict[str, str] = {}
        self.boot: Path | None = None
        """A file that stands for the kernel's id of this boot, as after a reboot of the node."""
        self.validating = True
        """Off for a test of more events than can be validated while they come."""
        self._lab = lab
        self._runc = runc
        self._problems: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        lab.logs[f"agent {name}"] = self.log

    # ------------------------------------------------------------------ the process

    def command(self) -> list[str | Path]:
        where: list[str | Path] = ["--state-dir", self.state_dir, "--socket", self.socket]
        command: list[str | Path] = [COMMAND, "run", "--output", "-", *where, *self.options]
        if self.boot is None:
            return command
        covered = f'mount --bind {self.boot} /proc/sys/kernel/random/boot_id && exec "$@"'
        return ["unshare", "--mount", "--propagation=slave", "sh", "-c", covered, "sh", *command]

    @property
    def pid(self) -> int:
        assert self._process is not None, "the agent does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it reports a container that was started for this purpose."""
        self.launch()
        self.settle()

    def launch(self) -> None:
        """Start it and wait until it has written something."""
        written = len(self.events)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._lab.mark, **self.environment},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()
        self.wait_for(lambda: len(self.events) > written, "the agent begins", READY_SECONDS)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            # Only a killed agent may leave one behind.
            return
        try:
            event = json.loads(line)
        except ValueError as error:
            self._problems.append(f"not JSON: {error}: {line!r}")
            return
        self.events.append(event)
        if not self.validating:
            return
        self._problems.extend(
            f"not of the schema: {problem.json_path}: {problem.message}: {line.decode()}"
            for problem in validator().iter_errors(event)
        )

    def _look(self) -> None:
        """Fail when the agent has ended, or has written what it must not."""
        self._complain()
        if self._process is not None:
            code = self._process.poll()
            assert code is None, f"the agent ended with {code}\n{tail(self.log)}"

    def _complain(self) -> None:
        problems = tuple(self._problems)
        del self._problems[: len(problems)]
        assert not problems, "\n".join(problems)

    def hang_up(self) -> None:
        """Send it SIGHUP, as ``systemctl reload`` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def counter(self, name: str) -> int | None:
        """Ask it for one of the counters of its status."""
        return dict(AgentClient(self.socket).status().counters).get(name)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it as systemd does, and expect it to end well and with everything written."""
        code = self._end(number)
        assert code == 0, f"exit code {code} after {number.name}\n{tail(self.log)}"
        self._complain()

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it whatever state it is in."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None, "the agent does not run"
        assert self._reader is not None
        self._process.send_signal(number)
        try:
            code = self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join()
            self._process = None
        return code

    # ------------------------------------------------------------------ its events

    def of(self, container: str, *types: str) -> list[Event]:
        """Return the container's events in the order of writing, each once."""
        found = {
            event["id"]: event
            for event in tuple(self.events)
            if event["container"] is not None
            and event["container"]["id"] == container
            and (not types or event["type"] in types)
        }
        return list(found.values())

    def starts(self, container: str) -> list[Event]:
        return self.of(container, "container.start")

    def stops(self, container: str) -> list[Event]:
        return self.of(container, "container.stop")

    def failures(self, container: str) -> list[Event]:
        return self.of(container, "container.start_failed")

    def mentioning(self, text: str, since: int = 0) -> list[Event]:
        """Return every event that contains ``text`` anywhere, from number ``since`` on."""
        return [event for event in self.events[since:] if text in json.dumps(event)]

    def repeated(self) -> list[Event]:
        """Return the events whose id came before. The list is empty unless an agent was killed."""
        count = Counter(event["id"] for event in self.events)
        return [event for event in self.events if count[event["id"]] > 1]

    def false_gaps(self) -> list[Event]:
        """Return false gaps: about a container that was reported, or lost records.

        Another container's gap may be true: another user may use this machine.
        """
        reported = {
            event["container"]["id"]
            for event in self.events
            if event["container"] is not None and event["type"] != "gap"
        }
        return [
            event
            for event in self.events
            if event["type"] == "gap"
            and (
                event["gap"]["source"] == "kernel"
                or (event["container"] is not None and event["container"]["id"] in reported)
            )
        ]

    def wait_for(
        self, condition: Callable[[], object], what: str, timeout: float = EVENT_SECONDS
    ) -> None:
        """Wait until ``condition`` about the events holds."""

        def answer() -> bool:
            self._look()
            return bool(condition())

        try:
            until(answer, what, timeout)
        except NeverHappenedError as error:
            raise NeverHappenedError(f"{error}\n{self._recent()}") from error

    def _recent(self, count: int = 12) -> str:
        return "the last events:\n" + "\n".join(map(summary, self.events[-count:]))

    def settle(self) -> None:
        """Wait until the agent has reported all that happened up to now.

        The kernel's records of a container started now come after everything before it. What the
        agent then still holds back are starts whose description is being read: once it says that
        there are none, an event that is not there will not come.
        """
        name = unique("sentinel")
        self._runc.run(name, "true")
        self._runc.delete(name)
        self.wait_for(lambda: self.starts(name) and self.stops(name), f"{name} starts and stops")
        client = AgentClient(self.socket)
        self.wait_for(
            lambda: dict(client.status().counters).get("starts.waiting") == 0,
            "no start waits for its description",
        )
        self.quiet(READ_SECONDS)

    def exactly(self, count: int, kind: str, container: str) -> list[Event]:
        """Return the container's events of ``kind``, of which there must be ``count``."""
        type_ = f"container.{kind}"
        self.wait_for(
            lambda: len(self.of(container, type_)) >= count, f"{count} {type_} of {container}"
        )
        self.settle()
        found = self.of(container, type_)
        assert len(found) == count, summaries(self.of(container))
        return found

    def one_start(self, container: str) -> Event:
        """Return the only start of the container."""
        return self.exactly(1, "start", container)[0]

    def one_stop(self, container: str) -> Event:
        """Return the only stop of the container."""
        return self.exactly(1, "stop", container)[0]

    def quiet(self, seconds: float) -> None:
        """Let time pass, for what the agent does by the clock alone."""
        end = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() > end, "time passes", seconds + EVENT_SECONDS)


def summary(event: Event) -> str:
    """Return one line that shows an event to a person."""
    container = event["container"] or {}
    parts = [event["time"], event["type"], container.get("id"), container.get("name")]
    parts += [json.dumps(event[key]) for key in ("start", "stop", "gap", "sensor") if event[key]]
    return " ".join(str(part) for part in parts)


def summaries(events: Iterable[Event]) -> str:
    return "\n".join(map(summary, events)) or "(no events)"
