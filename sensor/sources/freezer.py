"""Whether a pause happened, on hosts whose containers are in the v1 freezer hierarchy.

The v2 hierarchy has tracepoints for it. The v1 freezer has none, so its state is read when a
command that pauses or resumes ends: its words say where to look, the kernel says what is so.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.model.observations import CgroupFrozen, CommandExec, CommandExit, Observation
from sensor.model.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sensor.model.process import ProcessKey

COMMANDS_MAX = 64
"""Commands that are remembered until they end; the oldest is forgotten first."""

LOOKS_MAX = 8
"""Looks in LOOKS_SPAN; each reads a file of every container."""

LOOKS_SPAN = 1_000_000_000
"""Nanoseconds."""

INITS_MAX = 4096
"""Containers looked at for one command."""

_WORDS = frozenset({"pause", "resume"})


class FreezerReader:
    """Puts a :class:`CgroupFrozen` in front of the end of a command that pauses or resumes."""

    def __init__(
        self,
        inits: Callable[[], Iterable[int]],
        root: Path | None,
        proc: Path = Path("/proc"),
    ) -> None:
        """``inits`` gives the pids of the containers' inits; ``root`` None without a v1 freezer."""
        self._inits = inits
        self._root = root
        self._proc = proc
        self._commands: OrderedDict[ProcessKey, frozenset[str]] = OrderedDict()
        self._looks: deque[int] = deque(maxlen=LOOKS_MAX)
        self.limited = 0

    def sift(self, observations: Sequence[Observation]) -> list[Observation]:
        """Return the batch with what the freezer says."""
        if self._root is None:
            return [*observations]
        found: list[Observation] = []
        for observation in observations:
            if type(observation) is CommandExec:
                self._on_command(observation)
            elif type(observation) is CommandExit:
                words = self._commands.pop(observation.process, None)
                if words is not None and not observation.again:
                    found += self._look(observation, words)
            found.append(observation)
        return found

    def _on_command(self, command: CommandExec) -> None:
        if command.role is not Role.RUNTIME or not _WORDS & set(command.argv):
            return
        self._commands[command.process.key] = frozenset(command.argv)
        if len(self._commands) > COMMANDS_MAX:
            self._commands.popitem(last=False)

    def _look(self, exit_: CommandExit, words: frozenset[str]) -> list[CgroupFrozen]:
        """Read the freezer of the containers that a command may be about."""
        if len(self._looks) == LOOKS_MAX and exit_.time - self._looks[0] < LOOKS_SPAN:
            self.limited += 1
            return []
        self._looks.append(exit_.time)
        found: list[CgroupFrozen] = []
        for pid in islice(self._inits(), INITS_MAX):
            path = self._cgroup(pid)
            if path is None or not _is_named(path, words):
                continue
            state = self._state(path)
            if state is not None:
                ref = f"freezer:{path}"
                found.append(
                    CgroupFrozen(
                        exit_.time, ref, path, frozen=state, settled=True, process=exit_.process
                    )
                )
        return found

    def _cgroup(self, pid: int) -> str | None:
        try:
            text = (self._proc / str(pid) / "cgroup").read_text(errors="surrogateescape")
        except OSError:
            return None
        for line in text.splitlines():
            _, controllers, path = line.split(":", 2)
            if "freezer" in controllers.split(","):
                return path
        return None

    def _state(self, path: str) -> bool | None:
        if self._root is None or ".." in path.split("/"):
            return None
        try:
            state = (self._root / path.lstrip("/") / "freezer.state").read_text().strip()
        except OSError:
            return None
        return state == "FROZEN"


def _is_named(path: str, words: frozenset[str]) -> bool:
    """Whether a part of a path is, or ends in, one of the words: ``docker-<id>.scope``."""
    leaf = path.rsplit("/", 1)[-1].removesuffix(".scope")
    return leaf in words or leaf.rsplit("-", 1)[-1] in words or bool(words & set(path.split("/")))


def freezer_root(mounts: Path = Path("/proc/self/mounts")) -> Path | None:
    """Return where the v1 freezer is mounted, if it is."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 3 and fields[2] == "cgroup" and "freezer" in fields[3].split(","):  # noqa: PLR2004 - device, place, type, options
            return Path(fields[1].encode().decode("unicode_escape"))
    return None
