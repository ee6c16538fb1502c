"""Events for a report: the node's log, exports of several nodes, what a collector gives out."""

from __future__ import annotations

import sys
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import CastoffError
from sensor.evidence import manifest
from sensor.evidence.comparison import ShipmentComparison
from sensor.evidence.file_check import read_shipped
from sensor.evidence.shipped import LINE_LIMIT, document_of, files_of, lines_of
from sensor.evidence.verdict import Discrepancy, Findings
from sensor.schema.log_stamp import stamped
from sensor.store.chain_walk import ChainWalk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sensor.report.event_view import Document

STDIN = "-"

DIRECTORIES_MAX = 10_000


@dataclass(slots=True)
class ChainState:
    """How the chain of one source stands, for the first page."""

    source: str
    log: str
    events: int = 0
    first: int | None = None
    last: int | None = None
    digest: str | None = None
    policy: str | None = None
    """SHA-256 of the policy's files on the node when it was exported."""
    outside: int = 0
    checked: int = 0
    """Events whose digests were computed."""
    findings: Findings = field(default_factory=Findings)

    @property
    def state(self) -> str:
        """``whole``, ``explained`` breaks only, ``broken``, or ``unproven``."""
        if self.findings.unexplained:
            return "broken"
        if self.findings.count:
            return "explained"
        return "whole" if self.checked else "unproven"


_WORST_FIRST = ("broken", "unproven", "explained", "whole")


def worst(chains: Iterable[ChainState]) -> str:
    """Return the state of the worst of some sources; without any, nothing is proven."""
    states = {chain.state for chain in chains}
    return next((state for state in _WORST_FIRST if state in states), "unproven")


class Sources:
    """Where a report's events come from; iterate once for the documents."""

    def __init__(
        self, log: Path | None, paths: tuple[Path, ...], since: int | None, until: int | None
    ) -> None:
        """``log`` is the node's log; ``paths`` are files and directories, ``-`` standard input."""
        self._log = log
        self._paths = paths
        self._since = since
        self._until = until
        self.chains: list[ChainState] = []

    def __iter__(self) -> Iterator[Document]:
        if self._log is not None:
            yield from self._node(self._log)
        for path in self._paths:
            if str(path) == STDIN:
                yield from self._standard_input()
                continue
            for one in _deliveries(path):
                yield from self._shipped(one)

    def _node(self, path: Path) -> Iterator[Document]:
        walk = ChainWalk(path, self._since, self._until)
        state = ChainState(str(path), "")
        self.chains.append(state)
        try:
            for kept in walk:
                state.log = walk.log_id
                state.events += 1
                for problem in kept.problems:
                    state.findings.add(
                        Discrepancy(
                            str(path),
                            problem.what,
                            problem.first,
                            problem.last,
                            problem.explained,
                        )
                    )
                if kept.number is None:
                    state.outside += 1
                else:
                    state.first = state.first or kept.number
                    state.last, state.digest = kept.number, kept.digest.hex()
                    state.checked += 1
                document = None
                if kept.line is not None:
                    document = document_of(stamped(kept.line, walk.log_id, kept.number))
                if document is not None:
                    yield document
        except CastoffError as error:
            state.findings.add(Discrepancy(str(path), error.problem))

    def _shipped(self, path: Path) -> Iterator[Document]:
        state = ChainState(str(path), "")
        self.chains.append(state)
        comparison = ShipmentComparison()
        try:
            checked = read_shipped(path, comparison, state.findings)
            made = manifest.read(path) if path.is_dir() else None
            if made is not None:
                state.digest, state.policy = made.digest, made.policy
            state.log = ", ".join(checked.logs[:4])
            state.events, state.outside = checked.events, checked.without_place
            state.checked = checked.chained
            for of in comparison.logs.values():
                state.first, state.last = of.first, of.last
                for first, last in of.holes():
                    reason = "given up with a damaged file" if of.skipped(first, last) else None
                    what = f"events of log {of.log_id} are missing"
                    state.findings.add(Discrepancy(str(path), what, first, last, reason))
            for file in files_of(path):
                for line in lines_of(file):
                    document = line.parsed()
                    if line.problem is None and document:
                        if line.place is not None and "log" in document:
                            place = {"id": line.place.log_id, "sequence": line.place.number}
                            document["log"] = place
                        yield document
        except CastoffError as error:
            state.findings.add(Discrepancy(str(path), error.problem))

    def _standard_input(self) -> Iterator[Document]:
        state = ChainState("standard input", "")
        self.chains.append(state)
        number = 0
        while raw := sys.stdin.buffer.readline(LINE_LIMIT + 1):
            number += 1
            document = document_of(raw) if len(raw) <= LINE_LIMIT else None
            inner = document.get("event") if document is not None else None
            if isinstance(inner, str):
                document = document_of(inner.encode("utf-8", "replace"))
            if document is None:
                if raw.strip():
                    where = f"standard input, line {number}"
                    state.findings.add(Discrepancy(where, "it is not a JSON document"))
                if len(raw) > LINE_LIMIT:
                    return
                continue
            state.events += 1
            yield document


def _deliveries(path: Path) -> Iterator[Path]:
    """Yield what is one delivery: a file, a directory with events, each directory in it."""
    if not path.is_dir() or files_of(path):
        yield path
        return
    inner = sorted(one for one in path.iterdir() if one.is_dir())[:DIRECTORIES_MAX]
    yield from inner or (path,)
