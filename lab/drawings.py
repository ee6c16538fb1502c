"""The state machines, drawn into ``docs/architecture.md`` from their tables.

``python -m lab.drawings`` fails when a drawing is stale; ``--write`` renews it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from sensor.correlate.containers import LIFE
from sensor.model.transitions import Machine
from sensor.outputs.engine.backoff import CIRCUIT
from sensor.outputs.engine.stretch import STRETCH
from sensor.outputs.forward.protocol import CONNECTION
from sensor.sources.engines.stream import STREAM

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/architecture.md"
MACHINES: tuple[Machine[Any, Any], ...] = (LIFE, STREAM, STRETCH, CIRCUIT, CONNECTION)
_BEGIN, _END = "<!-- drawn: state machines -->", "<!-- end -->"
_PLACE = re.compile(f"(?<={_BEGIN}\n).*?(?={_END})", re.DOTALL)


def drawing(machine: Machine[Any, Any]) -> str:
    """Return a state diagram in Mermaid's language, with its title."""
    lines = [f"    [*] --> {start.name}" for start in machine.starts]
    lines += [
        f"    {before.name} --> {after.name}: {what.value}"
        for (before, what), after in machine.table.items()
    ]
    text = "\n".join(lines)
    return f"**{machine.name.capitalize()}**\n\n```mermaid\nstateDiagram-v2\n{text}\n```\n"


def drawn(text: str) -> str:
    """Return a document with its drawings renewed. Raises ValueError without their place."""
    new, count = _PLACE.subn(
        lambda _: "\n" + "\n".join(map(drawing, MACHINES)) + "\n", text, count=1
    )
    if not count:
        message = f"no place for drawings: {_BEGIN}"
        raise ValueError(message)
    return new


def main(arguments: list[str]) -> int:
    """Check or renew the drawings; 1 when one is stale."""
    text = DOCUMENT.read_text(encoding="utf-8")
    new = drawn(text)
    if "--write" in arguments:
        DOCUMENT.write_text(new, encoding="utf-8")
    elif new != text:
        print(f"{DOCUMENT.name}: a drawing is stale: python -m lab.drawings --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
