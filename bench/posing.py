"""A plain user who imitates all others while a labelled run goes on."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.rows import Row
from lab.strangers import stranger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCRIPT = Path(__file__).with_name("poser.py")
NAMES = ("docker", "runc", "crun", "dockerd")
READY_SECONDS = 30.0


@dataclass(slots=True)
class Posing:
    """What the user did, and in which events the user is named."""

    uid: int
    made: int = 0

    def rows(self, starts: Iterable[Mapping[str, Any]], command: str) -> list[Row]:
        """Hold the starts of the labelled run against the targets."""
        named = [start for start in starts if self._is_named(start)]
        exact = sum(start["confidence"]["initiator"] == "exact" for start in named)
        return [
            Row(
                "imitated commands and claims of a plain user beside them",
                f"{self.made}",
                "more than 0",
                self.made > 0,
                command,
                {"imitations": self.made},
            ),
            Row(
                "starts of others that name that user: exact, at all",
                f"{exact}, {len(named)}",
                "0, 0",
                not named,
                command,
                {"exact": exact, "named": len(named)},
            ),
        ]

    def _is_named(self, start: Mapping[str, Any]) -> bool:
        parties = [start["initiator"], *(start["candidates"] or ())]
        return any(((one or {}).get("user") or {}).get("uid") == self.uid for one in parties)


@contextmanager
def posing(engine: Path) -> Iterator[Posing]:
    """Have a plain user of no rights imitate everybody until the block ends."""
    with stranger("poser") as user:
        for name in NAMES:
            user.copy("bash", name)
        script = Path(shutil.copy2(SCRIPT, user.home))
        words = [sys.executable, "-I", str(script), str(user.home), str(engine)]
        process = user.begin(words)
        found = Posing(user.uid)
        try:
            yield found
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=READY_SECONDS)
            found.made = int(output.split()[-1]) if output.split() else 0
