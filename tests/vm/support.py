"""What was run in guests, kept as JSON and written into docs/support.md.

    python -m tests.vm.support

A cell is one guest: a kernel and what was played in it. conftest.py hands over how tests ended.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/support.json"
DOCUMENT = ROOT / "docs/support.md"
BEGIN, END = "<!-- results -->\n", "<!-- end -->\n"

LINE_MAX = 16
"""Names in a line of the document."""

Report = dict[str, object]


@dataclass(slots=True)
class Cell:
    """One guest and how its tests ended."""

    name: str
    kernel: str = "?"
    date: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    part: list[str] = field(default_factory=list)
    """What was played, where it was not all."""


_cells: dict[str, Cell] = {}
_ended: dict[str, list[tuple[str, str]]] = defaultdict(list)


def cell_of(nodeid: str) -> str:
    """Name of a test's cell: its file and the first part of its parameters."""
    file, _, rest = nodeid.partition("::")
    kind = Path(file).stem.removeprefix("test_")
    parameter = rest.partition("[")[2].rstrip("]").partition("-")[0]
    return f"{kind} {parameter}".strip()


def booted(nodeid: str, parameter: str, reports: list[Report]) -> None:
    """Note what a guest said of itself."""
    name = f"{cell_of(nodeid).split()[0]} {parameter}"
    cell = _cells.setdefault(name, Cell(name))
    cell.date = time.strftime("%Y-%m-%d", time.gmtime())
    for report in reports:
        if report["what"] == "boot":
            cell.kernel = str(report["kernel"])
            found = report.get("versions")
            cell.versions = dict(found) if isinstance(found, dict) else {}


def ended(nodeid: str, outcome: str) -> None:
    """Note how a test ended."""
    _ended[cell_of(nodeid)].append((nodeid.partition("::")[2], outcome))


def save(*, part: bool) -> None:
    """Add this session's cells to the results; an earlier run of a cell is replaced.

    A run of a part is a cell of its own, so that it does not replace a whole one. It replaces what
    it plays again of another part of that day, and no more. A whole run replaces parts before it.
    """
    known = load()
    for played, cell in _cells.items():
        tests = _ended.get(played, [])
        name = cell.name = f"{played}, a part" if part else played
        cell.part = sorted(_plain(test) for test, _ in tests) if part else []
        cell.passed = sum(outcome == "passed" for _, outcome in tests)
        cell.failed = sorted(test for test, outcome in tests if outcome == "failed")
        cell.skipped = sorted(test for test, outcome in tests if outcome == "skipped")
        if part and name in known and _of_one_day(known[name], cell):
            _join(known[name], cell)
        if not part:
            known.pop(f"{played}, a part", None)
        known[name] = cell
    if _cells:
        ordered = [asdict(known[name]) for name in sorted(known)]
        RESULTS.write_text(json.dumps(ordered, indent=1) + "\n")


def _of_one_day(earlier: Cell, cell: Cell) -> bool:
    return (earlier.kernel, earlier.date) == (cell.kernel, cell.date)


def _join(earlier: Cell, cell: Cell) -> None:
    """Add what the earlier part played and this one did not."""
    kept = set(earlier.part) - set(cell.part)
    cell.part = sorted({*cell.part, *kept})
    for mine, theirs in ((cell.failed, earlier.failed), (cell.skipped, earlier.skipped)):
        mine += [test for test in theirs if _plain(test) in kept]
        mine.sort()
    cell.passed = len(cell.part) - len(cell.failed) - len(cell.skipped)


def _plain(test: str) -> str:
    """The scenario or step of a test, or the test itself where it has none."""
    parameter = test.partition("[")[2].rstrip("]").partition("-")[2]
    return parameter or test.partition("[")[0].removeprefix("test_")


def load() -> dict[str, Cell]:
    """Return the results of all sessions."""
    if not RESULTS.exists():
        return {}
    return {each["name"]: Cell(**each) for each in json.loads(RESULTS.read_text())}


def table(cells: dict[str, Cell]) -> str:
    """Return the results as Markdown."""
    lines = ["| cell | kernel | run on | passed | failed | skipped |", "|---|---|---|---|---|---|"]
    notes: list[str] = []
    for name in sorted(cells):
        cell = cells[name]
        numbers = f"{cell.passed} | {len(cell.failed)} | {len(cell.skipped)}"
        lines.append(f"| {name} | {cell.kernel} | {cell.date} | {numbers} |")
        if cell.part:
            notes += [f"- {name}: {listed}" for listed in _listed(cell.part)]
        for word, tests in (("failed", cell.failed), ("skipped", cell.skipped)):
            notes += [f"- {name}, {word}: `{test}`" for test in tests]
    newest = max(cells.values(), key=lambda cell: cell.date, default=None)
    if newest is not None and newest.versions:
        listed = ", ".join(f"{name} {version}" for name, version in newest.versions.items())
        guests = "Debian 12 guests with systemd, emulated; cgroup v1 in cells with `@v1`, else v2"
        lines += ["", f"{guests}: {listed}."]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _listed(names: list[str]) -> list[str]:
    """Names in lines that can be read."""
    lines = [names[at : at + LINE_MAX] for at in range(0, len(names), LINE_MAX)]
    return [", ".join(f"`{one}`" for one in line) for line in lines]


def main() -> None:
    """Write the results into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table(load())}\n{END}{after}")
    sys.stdout.write(table(load()))


if __name__ == "__main__":
    main()
