"""``castoff normalize``: events from the records of control planes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from sensor.cli.explained_records import Readings, json_line, summary
from sensor.cli.readings_table import ReadingsTable
from sensor.cli.rendering import renderer, terminal_width
from sensor.correlate.request_events import SETTLE, WHOLE_INPUT, RequestEvents
from sensor.linux import malloc
from sensor.model.control_plane import ControlRecord, RequestSource
from sensor.model.events import Event, Gap
from sensor.model.vocabulary import EventType
from sensor.outputs import registry
from sensor.outputs.delivery import Record
from sensor.schema.document import encode_line
from sensor.schema.text import brief, visible
from sensor.sources.controlplane.follower import FileFollower
from sensor.sources.controlplane.inputs import InputUnreadable, listed, opened, pieces
from sensor.sources.controlplane.reader import BadRecord, Counts, Loss, Reader, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Found = ControlRecord | BadRecord | Loss

SOURCES = {
    "auto": None,
    "kubernetes": frozenset({RequestSource.KUBERNETES}),
    "aws": frozenset({RequestSource.AWS, RequestSource.KUBERNETES}),
    "azure": frozenset({RequestSource.AZURE, RequestSource.KUBERNETES}),
    "gcp": frozenset({RequestSource.GCP, RequestSource.KUBERNETES}),
    "docker": frozenset({RequestSource.DOCKER}),
}
"""What each source's files may hold: a managed cluster's audit log is Kubernetes'."""
FORMATS = ("native", "table", *(name for name in registry.FORMATS if name != "native"))
POLL_SECONDS = 1.0
BAD_LIMIT = 100
"""Records that cannot be read and are named; more are counted only."""
DATA_ERROR = 65


@click.command()
@click.argument("source", type=click.Choice(list(SOURCES)))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Print in this format. Default: native; with --explain: table.",
)
@click.option("--explain", is_flag=True, help="Print how each record was read, and what for.")
@click.option("--follow", is_flag=True, help="Follow directories: new, rotated and grown files.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Follow directories and ship to the outputs of this file, as a service.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="CIDR",
    help="Look behind this proxy of the API server for the client's address. May be repeated.",
)
def command(
    source: str,
    files: tuple[Path, ...],
    form: str | None,
    config: Path | None,
    proxies: tuple[str, ...],
    *,
    explain: bool,
    follow: bool,
) -> None:
    """Print the events that the records of SOURCE in FILES lead to.

    FILES are files and directories; without any, standard input is read. gzip, UTF-16, JSON lines,
    arrays and the envelopes of cloud services are recognised. The exit code is 65 when a record
    could not be read.
    """
    malloc.large_apart()
    counts = Counts()
    networks = _networks(proxies)
    if config is not None:
        from sensor.cli import normalize_service

        directories = _directories(files) if files else ()
        normalize_service.run(config, directories, SOURCES[source], networks)
        return

    def reader(name: str) -> Reader:
        return Reader(name, proxies=networks, whole=explain, sources=SOURCES[source], counts=counts)

    ending = _ending(follow=follow)
    found = _followed(files, reader, ending) if follow else _read(files, reader)
    shown, head = _explained(form) if explain else (None, b"")
    made = RequestEvents(SETTLE if follow else WHOLE_INPUT)
    run = _Run(counts, _writer(form, explain=explain), shown, made, grows=follow, head=head)
    try:
        run.all(found)
    except KeyboardInterrupt:
        run.end()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for line in summary(counts, run.events, explain=explain, readings=run.readings):
        click.echo(f"castoff: {line}", err=True)
    if (forgotten := made.forgotten()) > 0:
        click.echo(
            f"castoff: {forgotten} pods, tasks, workloads and writes were forgotten", err=True
        )
    if counts.bad or counts.foreign:
        sys.exit(DATA_ERROR)


def _explained(form: str | None) -> tuple[Callable[[ControlRecord], bytes], bytes]:
    """Return how a record that was read is shown, and the head of the list."""
    if form == "native":
        return json_line, b""
    table = ReadingsTable(terminal_width())
    return table.line, table.head()


def _networks(proxies: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(proxy) for proxy in proxies)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--proxy") from None


def _read(files: tuple[Path, ...], reader: Callable[[str], Reader]) -> Iterator[Found | None]:
    if not files:
        yield from read(pieces(sys.stdin.buffer), reader("-"))
    for given in files:
        if str(given) == "-":
            yield from read(pieces(sys.stdin.buffer), reader("-"))
            continue
        for path in [one for one, _ in listed(given)] if given.is_dir() else [given]:
            # A file that was named may be a link or a pipe; one that was found may not.
            stream = opened(path) if path is not given else _named(path)
            if stream is not None:
                with stream:
                    yield from read(pieces(stream), reader(str(path)))


def _named(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputUnreadable(
            f"{path}: {error.strerror}", "Name a file that this user may read."
        ) from None


def _directories(files: tuple[Path, ...]) -> tuple[Path, ...]:
    if not files:
        raise click.UsageError("--follow needs a directory")
    for path in files:
        if not path.is_dir():
            raise click.UsageError(f"--follow and --config need directories: {path} is not one")
    return files


def _ending(*, follow: bool) -> threading.Event:
    """Have SIGTERM end the command in order: at once, or behind the record that is read now."""
    ending = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        # A second signal ends it in any case: standard output may not be read any more.
        signal.signal(number, signal.SIG_DFL)
        ending.set()
        if not follow:
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return ending


def _followed(
    files: tuple[Path, ...], reader: Callable[[str], Reader], ending: threading.Event
) -> Iterator[Found | None]:
    follower = FileFollower(_directories(files), reader)
    while not ending.is_set():
        for found in follower.poll():
            yield found
            if ending.is_set():
                return
        yield None
        ending.wait(POLL_SECONDS)
    yield from follower.close()


def _writer(form: str | None, *, explain: bool) -> Callable[[Event], bytes]:
    if explain:
        return lambda _: b""
    if form in {None, "native"}:
        return encode_line
    if form == "table":
        render, head = renderer("table")
        sys.stdout.buffer.write(head)
        return render
    made = registry.format_of(form or "native")

    def write(event: Event) -> bytes:
        line = encode_line(event)
        return made.line(Record(0, event.id, event.type, event.time, line))

    return write


class _Run:
    """Writes what is found, and counts it."""

    def __init__(
        self,
        counts: Counts,
        write: Callable[[Event], bytes],
        shown: Callable[[ControlRecord], bytes] | None,
        made: RequestEvents,
        *,
        grows: bool,
        head: bytes,
    ) -> None:
        self._head = head
        self._counts = counts
        self._write = write
        self._shown = shown
        self.readings = None if shown is None else Readings()
        self._made = made
        self._grows = grows
        self.events = 0

    def all(self, found: Iterator[Found | None]) -> None:
        """Write all that is found, to its end."""
        out = sys.stdout.buffer
        out.write(self._head)
        for one in found:
            if one is None:
                self._events(self._made.settle(time.time_ns()))
                out.flush()
            elif isinstance(one, BadRecord):
                self._bad(one)
            elif isinstance(one, Loss):
                self._events(iter((self._gap(one),)))
            elif self._shown is not None:
                out.write(self._shown(one))
                if self.readings is not None:
                    self.readings.add(one)
            else:
                log = one.request.ref.file if self._grows and one.request.ref is not None else None
                self._events(self._made.feed(one, time.time_ns(), log))
        self.end()

    def end(self) -> None:
        """Write what waited for more input."""
        self._events(self._made.close(time.time_ns()))
        sys.stdout.buffer.flush()

    def _events(self, events: Iterator[Event]) -> None:
        for event in events:
            self.events += 1
            sys.stdout.buffer.write(self._write(event))

    def _bad(self, bad: BadRecord) -> None:
        if self._counts.bad <= BAD_LIMIT:
            place = f"{visible(bad.ref.file)}:{bad.ref.line}"
            place += f" item {bad.ref.item}" if bad.ref.item else ""
            click.echo(f"castoff: {place}: {brief(bad.reason)}", err=True)

    @staticmethod
    def _gap(loss: Loss) -> Event:
        now = time.time_ns()
        return Event(
            type=EventType.GAP,
            id=f"gap-{loss.source}-{loss.ref.file}-{loss.ref.line}-{loss.ref.item}",
            time=now,
            observed=now,
            realtime_offset=0,
            host=None,
            gap=Gap(loss.source, loss.reason, now, now),
        )
