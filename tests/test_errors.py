"""The tree of errors is whole, and each fix is one sentence or ends with the command to run."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor import errors
from sensor.errors import CastoffError

SENSOR = Path(errors.__file__).parent
TREE = re.findall(
    r"[├└]── (\w+)\s+(\d+)  [^\n]*?(?:\(([\w/]+)\.py\))?\n", errors.__doc__ or "", re.MULTILINE
)
_FIX = re.compile(r"(?:[A-Z\[{].*[.?]|[A-Z][^:]*: \S.*)", re.DOTALL)


def test_the_tree_names_each_error_once() -> None:
    here = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, CastoffError) and one is not CastoffError
    }
    names = [name for name, _, _ in TREE]
    assert here <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("name", "code", "place"), TREE, ids=[name for name, _, _ in TREE])
def test_an_error_of_the_tree_has_its_exit_code(name: str, code: str, place: str) -> None:
    module = f"sensor.{place.replace('/', '.')}" if place else "sensor.errors"
    error = getattr(importlib.import_module(module), name)
    assert issubclass(error, CastoffError)
    assert error.exit_code == int(code)


def text_of(node: ast.expr) -> str | None:
    """Return a literal text, with ``{}`` where a value stands."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return "".join(map(str, parts))
    return None


def fixes() -> Iterator[tuple[str, str]]:
    """Yield each fix that stands in the sources: second argument of an error, or named so."""
    known = {name for name, _, _ in TREE} | {"CastoffError"}
    for path in sorted(SENSOR.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found: ast.expr | None = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                position = {"Finding": 3}.get(node.func.id, 1 if node.func.id in known else None)
                if position is not None and len(node.args) > position:
                    found = node.args[position]
            elif isinstance(node, ast.Assign):
                names = [one.id for one in node.targets if isinstance(one, ast.Name)]
                found = node.value if names == ["fix"] else None
            text = None if found is None else text_of(found)
            if found is not None and text:
                yield f"{path.relative_to(SENSOR)}:{found.lineno}", text


def test_a_fix_is_a_sentence_or_ends_with_a_command() -> None:
    found = list(fixes())
    assert len(found) > 100
    assert [one for one in found if not _FIX.fullmatch(one[1])] == []
