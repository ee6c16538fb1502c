"""Walk over the words of a command line: options, their values, and what is neither.

Options follow pflag: ``--name value``, ``--name=value``, ``-n value`` and bundles of letters, in
which the first letter that takes a value ends the bundle (``-dp 80:80``, ``-eA=b``). With ``go``
they follow Go's flag package, which accepts ``-name`` for ``--name`` and bundles nothing.
"""

from __future__ import annotations

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one level of a command line.

    ``values`` take a word; so does a long one not in ``switches`` when ``unknown_takes_value``.
    """

    values: frozenset[str]
    switches: frozenset[str] = frozenset()
    unknown_takes_value: bool = False
    go: bool = False
    """Go's flag package: ``-name`` is ``--name``, and letters do not bundle."""

    def takes_value(self, name: str) -> bool:
        """Whether a word follows the option of that name."""
        if name in self.values:
            return True
        long = len(name) > 1
        return self.unknown_takes_value and long and name not in self.switches


def options(values: str, switches: str = "", *, unknown: bool = False, go: bool = False) -> Options:
    """Make a table of names that are separated by spaces."""
    return Options(
        frozenset(values.split()), frozenset(switches.split()), unknown_takes_value=unknown, go=go
    )


def joined(directory: str, path: str) -> str:
    """Return a path as its process takes it, without links resolved: ``/a`` and ``../b/c``."""
    parts: list[str] = []
    whole = path if path.startswith("/") else f"{directory}/{path}"
    for part in whole.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


class Words:
    """A cursor over a command line."""

    __slots__ = ("at", "words")

    def __init__(self, words: tuple[str, ...], at: int) -> None:
        self.words = words
        self.at = at

    def options(self, table: Options) -> dict[str, str]:
        """Pass over options; returns the last value of each."""
        found: dict[str, str] = {}
        words = self.words
        while self.at < len(words):
            word = words[self.at]
            if not word.startswith("-") or word == "-":
                break
            self.at += 1
            if word == "--":
                break
            if word.startswith("--") or table.go:
                self._long(word.lstrip("-"), table, found)
            else:
                self._bundle(word[1:], table, found)
        return found

    def _long(self, text: str, table: Options, found: dict[str, str]) -> None:
        name, separator, value = text.partition("=")
        if not separator and table.takes_value(name):
            value = self.word() or ""
        found[name] = value

    def _bundle(self, letters: str, table: Options, found: dict[str, str]) -> None:
        for index, letter in enumerate(letters):
            if table.takes_value(letter):
                rest = letters[index + 1 :]
                found[letter] = rest.removeprefix("=") if rest else self.word() or ""
                return
            if letters.startswith("=", index + 1):
                # "-t=false": a switch with its value.
                found[letter] = letters[index + 2 :]
                return
            found[letter] = ""

    def word(self) -> str | None:
        """Take the next word."""
        if self.at >= len(self.words):
            return None
        self.at += 1
        return self.words[self.at - 1]

    def peek(self) -> str | None:
        """Return the next word and leave it."""
        return self.words[self.at] if self.at < len(self.words) else None
