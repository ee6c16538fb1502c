"""A verification: the chain of a node's log, what was shipped, and both beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.evidence.comparison import ShipmentComparison, is_same
from sensor.evidence.file_check import read_shipped
from sensor.evidence.verdict import Discrepancy, Findings, LogChecked, Verification
from sensor.store.chain_walk import ChainWalk

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.evidence.comparison import ShippedLog


@dataclass(slots=True)
class _Tally:
    """What the walk over the log adds up."""

    events: int = 0
    outside: int = 0
    first: int | None = None
    last: int | None = None
    digest: str | None = None
    compared: int = 0
    heads: int = 0


def verify(log: Path | None, since: int | None, against: tuple[Path, ...]) -> Verification:
    """Verify a log, if one is given, and what was shipped.

    ``since`` is wall time in ns. Raises :class:`StateUnusable` for what cannot be opened.
    """
    findings = Findings()
    comparison = ShipmentComparison()
    shipped = tuple(read_shipped(path, comparison, findings) for path in against)
    checked = None
    tally = _Tally()
    if log is not None:
        checked, tally = _walk(log, since, comparison, findings)
    for of in comparison.logs.values():
        _holes(of, checked, findings)
    if comparison.overfull:
        what = "there is more than one verification compares: give fewer files"
        findings.add(Discrepancy(", ".join(map(str, against)), what))
    return Verification(checked, shipped, tally.compared, tally.heads, findings)


# ---------------------------------------------------------------------------- the log


def _walk(
    path: Path, since: int | None, comparison: ShipmentComparison, findings: Findings
) -> tuple[LogChecked, _Tally]:
    walk, tally = ChainWalk(path, since), _Tally()
    shipped: ShippedLog | None = None
    where = str(path)
    for kept in walk:
        if tally.events == 0:
            shipped = comparison.logs.get(walk.log_id)
            _anchor(walk, shipped, findings, where)
        tally.events += 1
        for problem in kept.problems:
            findings.add(
                Discrepancy(where, problem.what, problem.first, problem.last, problem.explained)
            )
        if kept.number is None:
            tally.outside += 1
            continue
        tally.first = tally.first or kept.number
        tally.last, tally.digest = kept.number, kept.digest.hex()
        if shipped is not None:
            _beside(shipped, kept.number, kept.line, tally, findings, where)
    if shipped is not None:
        _beyond(shipped, tally, findings, where)
    begins = None if walk.begins is None else walk.begins.reason.value
    checked = LogChecked(
        where,
        walk.log_id,
        tally.events,
        tally.first,
        tally.last,
        tally.digest,
        tally.outside,
        begins,
    )
    return checked, tally


def _anchor(walk: ChainWalk, shipped: ShippedLog | None, findings: Findings, where: str) -> None:
    """Compare what the chain rests on with heads that were shipped."""
    anchor = walk.begins
    if anchor is None or shipped is None:
        return
    for head in shipped.heads.get(anchor.link, []):
        if head.digest != anchor.digest.hex():
            what = f"the chain rests on another digest than {head.where} says"
            findings.add(Discrepancy(where, what, anchor.link, anchor.link))


def _beside(
    shipped: ShippedLog,
    number: int,
    line: bytes | None,
    tally: _Tally,
    findings: Findings,
    where: str,
) -> None:
    mark = shipped.mark(number)
    if mark and line is not None:
        tally.compared += 1
        if not is_same(mark, line):
            what = "the event in the log is not the one that was shipped"
            findings.add(Discrepancy(where, what, number, number))
    for head in shipped.heads.get(number, []):
        tally.heads += 1
        if head.digest != tally.digest:
            what = (
                f"the chain's digest here is not the one that {head.where} carries:"
                " this event or one before it was changed since"
            )
            findings.add(Discrepancy(where, what, number, number))


def _beyond(shipped: ShippedLog, tally: _Tally, findings: Findings, where: str) -> None:
    """Look for what was shipped and lies behind the log's end."""
    last = tally.last or 0
    heads = [number for number in shipped.heads if number > last]
    end = max([shipped.last or 0, *heads], default=0)
    if end > last:
        what = f"the log ends at number {last}, but events up to {end} were shipped"
        findings.add(Discrepancy(where, what, last + 1, end))


def _holes(of: ShippedLog, checked: LogChecked | None, findings: Findings) -> None:
    """Report numbers that are missing among what was shipped."""
    for first, last in of.holes():
        explained = None
        if of.skipped(first, last):
            explained = "the node gave these numbers up with a damaged file"
        kept = (
            checked is not None
            and checked.log_id == of.log_id
            and checked.first is not None
            and checked.first <= first
        )
        where = f"shipped of log {of.log_id}"
        what = "not among what was shipped" + (", but the log has them" if kept else "")
        findings.add(Discrepancy(where, what, first, last, explained))
