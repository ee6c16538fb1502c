"""Plain words: which words of CONTRIBUTING's list still stand in prose, and where.

Prose is what a person reads: docstrings, comments, the help and messages of the command line (every
string literal with a space in it), and Markdown outside of code. ``python -m lab.words`` prints
each place and fails when a word stands more often than :data:`LEFT` allows. A word that is rarer
than its allowance fails, too: lower the number, so that it never rises again.

Sentences of Markdown that have more than :data:`LONG` words count as another word of the list. Code
in backticks is one word, and none in a table, where it is often a list of names.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    *("sensor", "docs", "deploy", "packaging", "tests", "lab", "bench"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
)
LEFT_OUT = ("tests/corpora/", "lab/words.py", "tests/test_words.py")
"""What others wrote, and what holds the words to find them."""
LONG = 25
"""Words of a sentence in the documents, at most."""
LONG_SENTENCE = "long sentence"
WORDS = {
    "tell": re.compile(r"\b(?:tells?|told|telling)\b", re.IGNORECASE),
    "nobody": re.compile(r"\b(?:nobody|somebody|anybody|all_users|whoever)\b", re.IGNORECASE),
    "is none": re.compile(r"(?<![Tt]here )\b(?:is|are) (?:none|no)\b"),
    "all the same": re.compile(r"\ball the same\b|\bfor good\b", re.IGNORECASE),
}
"""The word of the list, and the forms of it that count."""

LEFT = {"tell": 0, "nobody": 0, "is none": 0, "all the same": 0, LONG_SENTENCE: 0}
"""How often each may stand. Only ever lowered."""

_SQL = re.compile(r"\s*(?:CREATE|INSERT|SELECT|UPDATE) ")
"""Column names on disk are not prose."""
_CODE = re.compile(r"^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```.*?^```|^(?: {4}|\t).*?$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[\w'./%-]*\w[\w'./%-]*")
_END = re.compile(r"(?<=[.!?:;])\**\s+(?=[\w`*(\[])")
_ITEM = re.compile(r"(?:[-*]|\d+\.)\s")


class Place(NamedTuple):
    """Where a word stands."""

    path: str
    line: int
    word: str
    text: str


def prose_of_python(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment, docstring and sentence in a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            if _SQL.match(node.value):
                continue
            for number, line in enumerate(node.value.splitlines()):
                yield node.lineno + number, re.sub(r"``.*?``", "", line)


def prose_of_markdown(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of what is not code."""
    blank = _CODE.sub(lambda found: "\n" * found.group().count("\n"), source)
    yield from enumerate(blank.splitlines(), 1)


def sentences_of_markdown(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line in which it begins, and the text, of each sentence outside of code blocks."""
    paragraph: list[str] = []
    began = 0
    lines = _BLOCK.sub(lambda found: "\n" * found.group().count("\n"), source).splitlines()
    for number, line in enumerate([*lines, ""], 1):
        text = line.strip()
        if not text or text.startswith(("#", "|")) or _ITEM.match(text):
            yield from ((began, one) for one in _END.split(" ".join(paragraph)) if one)
            paragraph = []
        if text.startswith("|"):
            cells = _INLINE.sub("", text).strip("|").split("|")
            yield from ((number, one) for cell in cells for one in _END.split(cell.strip()))
        elif text and not text.startswith("#"):
            began = began if paragraph else number
            paragraph.append(text)


def words_in(sentence: str) -> int:
    """Return how many words a reader reads: code and the text of a link count, addresses do not."""
    return len(_WORD.findall(_LINK.sub(r"\1", _INLINE.sub("x", sentence))))


def places(path: Path, name: str) -> Iterator[Place]:
    """Yield each place of a file in which a word of the list stands."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        for line, text in sentences_of_markdown(source):
            if words_in(text) > LONG:
                yield Place(name, line, LONG_SENTENCE, text)
    prose = prose_of_markdown if path.suffix == ".md" else prose_of_python
    for line, text in prose(source):
        for word, pattern in WORDS.items():
            yield from (Place(name, line, word, text.strip()) for _ in pattern.finditer(text))


def files() -> list[str]:
    """Return the tracked Python and Markdown files of the rooms that the project wrote."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *ROOMS],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [
        name for name in listed if name.endswith((".py", ".md")) and not name.startswith(LEFT_OUT)
    ]


def main() -> int:
    """Print what stands where; 1 when a count differs from its allowance."""
    found = [place for name in files() for place in places(ROOT / name, name)]
    counts = Counter(place.word for place in found)
    wrong = {word: allowed for word, allowed in LEFT.items() if counts[word] != allowed}
    for place in found:
        if place.word in wrong or "-v" in sys.argv:
            print(f"{place.path}:{place.line}: {place.word}: {place.text[:100]}")
    for word, allowed in wrong.items():
        print(f"{word}: {counts[word]} places, {allowed} allowed (lab/words.py, LEFT)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
