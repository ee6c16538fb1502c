"""The program that a container's init runs: its name, and whether it is a shell or interpreter.

What merely starts another program is looked through: the small inits that ``docker run --init``
and images put first, ``env`` and BusyBox. Else each container with such an init had one and the
same entry point, and a shell behind it was never new. The name is a claim of the image's, as all
of the command line is: it explains nothing, and is only compared with earlier ones.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_MAX = 160
"""Characters of a name, before its escapes."""
PROGRAMS_CACHED = 512
"""Paths of programs whose name is remembered."""
SHELLS = frozenset(
    {"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "pwsh", "rbash", "sh", "tcsh",
     "zsh"}
)  # fmt: skip
INTERPRETERS = frozenset(
    {"bun", "deno", "lua", "luajit", "node", "nodejs", "perl", "php", "pypy", "python", "ruby",
     "tclsh"}
)  # fmt: skip
STARTERS: dict[str, frozenset[str]] = {
    "busybox": frozenset(),
    "catatonit": frozenset(),
    "docker-init": frozenset({"-p", "-e"}),
    "dumb-init": frozenset({"-r", "--rewrite"}),
    "env": frozenset({"-u", "--unset", "-C", "--chdir"}),
    "podman-init": frozenset(),
    "tini": frozenset({"-p", "-e"}),
    "tini-static": frozenset({"-p", "-e"}),
}
"""Programs that start another one, and those of their options that have a value behind them."""
STARTERS_MAX = 4
"""One behind the other that are looked through."""
WORDS_MAX = 64
"""Words of a command line that are looked at."""

_VERSION = re.compile(r"[0-9.]+$")
_OPTIONS_WITH_VALUE = frozenset({"--rcfile", "--init-file"})
_SCRIPT, _SHELL = "sh -c", "sh"


def entry_point(command: Sequence[str] | None) -> tuple[str | None, bool]:
    """Return the program without its version, ``sh -c`` kept apart, and whether it is a shell."""
    if not command or not command[0]:
        return None, False
    name = _program_name(command[0])
    if name in STARTERS:
        name, command = _started(name, command[:WORDS_MAX])
    if name in SHELLS:
        return (_SCRIPT if _has_script(command[1:WORDS_MAX]) else _SHELL), True
    return name, name in INTERPRETERS


def runs_scripts(entry: str) -> bool:
    """Whether an entry point is a shell or an interpreter."""
    return entry in {_SHELL, _SCRIPT} or entry in INTERPRETERS


@lru_cache(maxsize=PROGRAMS_CACHED)
def _program_name(path: str) -> str:
    base = path.rpartition("/")[2]
    name = (_VERSION.sub("", base) or base)[:NAME_MAX]
    # Bytes that are not text stand as escapes, as the store has them.
    return name.encode("utf-8", "backslashreplace").decode()


def _started(name: str, command: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the program behind those that only start another, and its command line."""
    for _ in range(STARTERS_MAX):
        behind = _behind(name, command)
        if not behind or not behind[0]:
            break
        name, command = _program_name(behind[0]), behind
        if name not in STARTERS:
            break
    return name, command


def _behind(name: str, command: Sequence[str]) -> Sequence[str]:
    """Return what a program starts: what follows its options, and for ``env`` its variables."""
    with_value = STARTERS[name]
    index = 1
    while index < len(command):
        word = command[index]
        if word == "--":
            return command[index + 1 :]
        is_option = word.startswith("-")
        if not is_option and not (name == "env" and "=" in word):
            break
        index += 2 if word in with_value else 1
    return command[index:]


def _has_script(words: Sequence[str]) -> bool:
    """Whether a shell's words have a script in them: ``-c``, before a word without a dash."""
    skip = False
    for word in words:
        if skip:
            skip = False
            continue
        if word.startswith("--"):
            skip = word in _OPTIONS_WITH_VALUE
            continue
        if not word.startswith(("-", "+")):
            # BusyBox and some images have the shell's name once more.
            if _program_name(word) in SHELLS:
                continue
            return False
        if "c" in word and word[0] == "-":
            return True
        # "-o pipefail", also as "-euo pipefail".
        skip = word.endswith(("o", "O"))
    return False
