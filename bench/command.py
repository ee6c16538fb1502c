"""What benches have in common: ``--json FILE``, one table, and 1 when a target is missed."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import machine
from bench.rows import missed, table, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.rows import Row


def parser(command: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that describes the bench by the first line of its docstring."""
    about = (doc or "").partition("\n")[0]
    made = argparse.ArgumentParser(prog=command, description=about)
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    return made


@contextmanager
def reporting(
    file: Path | None, beneath: Callable[[list[Row]], str] | None = None
) -> Iterator[list[Row]]:
    """Give a list for rows; print it at the end, also after an error, and leave the process.

    ``beneath`` makes what is printed below the table.

    What was measured before something went wrong still holds. Raises SystemExit with 1 if a target
    was missed, else with 0.
    """
    here = machine()
    rows: list[Row] = []
    try:
        yield rows
    finally:
        print(f"{here}\n\n{table(rows)}" if rows else here)
        if beneath is not None:
            print(f"\n{beneath(rows)}")
    if file is not None:
        write_json(file, here, rows)
    sys.exit(1 if missed(rows) else 0)
