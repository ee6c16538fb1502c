"""The mirror: each module of ``sensor/`` has a test file of its name in its room of ``tests/``.

``python -m lab.mirror`` names each module without one that ``tests/mirror.txt`` does not list, and
each line of that list that is not needed any more. The list only shrinks. A module that is tested
through another one stands there with the name of that test file. ``judge/findings/*`` means all
modules of a room that are data, and one test that walks them. A module without a function that does
anything only names things, and needs no test file.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXCEPTIONS = ROOT / "tests/mirror.txt"


def modules(root: Path) -> set[str]:
    """Return each module below ``sensor/``, as a path without ``.py``."""
    found = (root / "sensor").rglob("*.py")
    return {
        str(path.relative_to(root / "sensor").with_suffix(""))
        for path in found
        if not path.name.startswith("__") and has_behaviour(path.read_text(encoding="utf-8"))
    }


def has_behaviour(source: str) -> bool:
    """Return whether a module has a function with more than a docstring or ``...``."""
    return any(
        not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
    )


def tested(root: Path, module: str) -> bool:
    """Return whether the module's room of ``tests/`` has a test file of its name."""
    path = Path(module)
    return (root / "tests" / path.parent / f"test_{path.name}.py").exists()


def exceptions(text: str) -> dict[str, str]:
    """Read the list: ``MODULE: TEST FILE`` a line, ``#`` before a remark."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {
        module.strip(): test.strip()
        for module, _, test in (line.partition(":") for line in lines if line)
    }


def problems(root: Path, listed: dict[str, str]) -> list[str]:
    """Return what is wrong, one sentence each."""
    rooms = {one for one in listed if one.endswith("/*")}
    bare = {module for module in modules(root) if not tested(root, module)}
    covered = {room for room in rooms if any(_is_in(one, room) for one in bare)}
    bare = {one for one in bare if not any(_is_in(one, room) for room in rooms)} | covered
    found = [f"sensor/{one}.py has no test file of its name" for one in sorted(bare - set(listed))]
    found += [f"{EXCEPTIONS.name}: {one} is not needed" for one in sorted(set(listed) - bare)]
    found += [
        f"{EXCEPTIONS.name}: {one} names {test}, which does not exist"
        for one, test in sorted(listed.items())
        if not (root / "tests" / test).is_file()
    ]
    return found


def _is_in(module: str, room: str) -> bool:
    return str(Path(module).parent) == room.removesuffix("/*")


def main() -> int:
    """Print what is wrong; 1 when anything is."""
    found = problems(ROOT, exceptions(EXCEPTIONS.read_text(encoding="utf-8")))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
