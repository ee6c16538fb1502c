"""Draws the chain of causes of a start, one step below the other, with the evidence of each.

Pure: steps go in and lines come out, safe to show on a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.schema.text import columns, fit, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensor.api.causes import CauseStep, Witnessed

DETAIL_GAP = "  "
CLOCK = slice(11, 23)
"""Where a time of RFC 3339 has hours to milliseconds."""
_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_SURE = {"exact": "\x1b[32m", "inferred": "\x1b[33m", "ambiguous": "\x1b[33m", "none": "\x1b[31m"}
_KINDS = {
    "login": "login",
    "candidate": "perhaps",
    "request": "request",
    "orchestrator": "orchestrator",
    "trigger": "cause",
    "engine": "engine",
    "supervisor": "supervisor",
    "runtime": "runtime",
    "init": "init",
}


@dataclass(frozen=True, slots=True)
class TreeStyle:
    """How the tree looks. ``width`` is None where nothing is cut."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True

    def lines(self, steps: Sequence[CauseStep]) -> Iterator[str]:
        """Return the lines, outermost cause first."""
        branch, pipe, mark = ("└─ ", "│", "·") if self.unicode else ("`- ", "|", "-")
        for depth, step in enumerate(steps):
            indent = "   " * max(0, depth - 1) + (branch if depth else "")
            yield self._step(indent, step)
            below = "   " * depth + (pipe if depth + 1 < len(steps) else " ")
            for witness in step.evidence:
                yield self._evidence(f"{below}    {mark} ", witness)

    def _step(self, indent: str, step: CauseStep) -> str:
        kind = f"{_KINDS[step.kind]} " if step.kind in _KINDS else ""
        pid = f" [{step.pid}]" if step.pid is not None else ""
        detail = DETAIL_GAP + visible(step.detail) if step.detail else ""
        sure = f"{DETAIL_GAP}({step.confidence})"
        room = None if self.width is None else self.width - columns(indent + pid + sure)
        head, detail = _cut(kind + visible(step.label), detail, room)
        if not self.colour:
            return f"{indent}{head}{pid}{detail}{sure}"
        tone = _SURE.get(step.confidence, "")
        return f"{indent}{_BOLD}{head}{_RESET}{pid}{_DIM}{detail}{_RESET}{tone}{sure}{_RESET}"

    def _evidence(self, indent: str, witness: Witnessed) -> str:
        clock = (witness.time or "")[CLOCK]
        ref = f" {witness.ref}" if witness.ref else ""
        line = indent + visible(f"{witness.source} {clock} {witness.what}{ref}")
        if self.width is not None and columns(line) > self.width:
            line = fit(line, self.width)
        return f"{_DIM}{line}{_RESET}" if self.colour else line


def _cut(head: str, detail: str, room: int | None) -> tuple[str, str]:
    """Cut the detail first, then the head, to the room that there is."""
    if room is None or columns(head) + columns(detail) <= room:
        return head, detail
    left = room - columns(head)
    if left > len(DETAIL_GAP) + 1:
        return head, fit(detail, left)
    if left >= 0:
        return head, ""
    return fit(head, max(1, room)), ""
