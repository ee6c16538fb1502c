"""The walks of docs/architecture.md name functions that exist, where they say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
WALKS = re.findall(r"^## (Walk \d: [^\n]*)\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
_PLACED = re.compile(r"`([A-Za-z_][\w.]*)`\s+\(`([\w/]+\.(?:py|c))`\)")
_METHOD = re.compile(r"`([A-Z]\w+\.[a-z_]\w*)`")
_FILE = re.compile(r"`([\w/]+\.(?:py|c|h|toml))`")


def names_in(tree: ast.Module) -> Iterator[str]:
    """Yield what a module defines: ``function``, ``Class``, ``Class.method``, ``CONSTANT``."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}"
                elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                    yield f"{node.name}.{inner.target.id}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (one.id for one in node.targets if isinstance(one, ast.Name))


@cache
def defined(path: Path) -> frozenset[str]:
    """Return the names of a file; of C the functions."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        return frozenset(re.findall(r"\b(\w+)\(", source))
    return frozenset(names_in(ast.parse(source)))


@cache
def everywhere() -> frozenset[str]:
    return frozenset().union(*(defined(path) for path in (ROOT / "sensor").rglob("*.py")))


def located(name: str) -> Path:
    return ROOT / name if name.startswith("probes/") else ROOT / "sensor" / name


@pytest.mark.parametrize(("title", "text"), WALKS, ids=[title for title, _ in WALKS])
def test_each_function_of_a_walk_is_where_the_walk_says(title: str, text: str) -> None:
    assert _PLACED.search(text), title
    for name in _FILE.findall(text):
        assert located(name).is_file(), f"{title}: there is no {name}"
    for name, place in _PLACED.findall(text):
        assert name in defined(located(place)), f"{title}: {place} has no {name}"
    for name in _METHOD.findall(text):
        assert name in everywhere(), f"{title}: nothing defines {name}"


def test_there_are_three_walks() -> None:
    assert len(WALKS) == 3


TABLES = {
    "correlate": "What is in the core?",
    "judge": "What is in the judge?",
    "outputs": "How do outputs deliver?",
    "outputs/engine": "How do outputs deliver?",
}


@pytest.mark.parametrize(("room", "heading"), TABLES.items(), ids=TABLES)
def test_each_module_of_a_room_is_in_its_table(room: str, heading: str) -> None:
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+)`", " ".join(rows))}
    modules = {path.stem for path in (ROOT / "sensor" / room).glob("[!_]*.py")}
    assert modules <= named, sorted(modules - named)
