"""``python -m bench.at_rest``: what a start takes in ClickHouse.

A bench of its own, since chdb takes half a GiB of memory.
"""

from __future__ import annotations

import json
import tempfile
from typing import Any

from chdb.session import Session

from bench.machine import machine
from bench.rows import Row, table
from bench.wire import starts
from tests.deploy.conftest import SCHEMA, statements

COMMAND = "python -m bench.at_rest"
STORED = 100_000


def at_rest(count: int) -> Row:
    """Measure what a start takes in ClickHouse, merged: with its whole line, and without."""
    with tempfile.TemporaryDirectory() as directory:
        session: Any = Session(directory)
        for statement in statements(SCHEMA.read_text()):
            session.query(statement)
        records = starts(count)
        for at in range(0, count, 10_000):
            body = b"".join(record.line for record in records[at : at + 10_000]).decode()
            session.query(f"INSERT INTO castoff.inbox FORMAT JSONAsString {body}")
        session.query("OPTIMIZE TABLE castoff.events FINAL")
        asked = (
            "SELECT sum(column_data_compressed_bytes) AS n FROM system.parts_columns"
            " WHERE table = 'events' AND active"
        )
        whole, line = (
            json.loads(str(session.query(f"{asked}{more}", "JSONEachRow")))["n"] / count
            for more in ("", " AND column = 'event'")
        )
        session.close()
    numbers = f"{whole:,.0f}, of which the whole event as text {line:,.0f}"
    return Row("ClickHouse, merged", numbers, None, None, COMMAND, {"bytes": whole, "text": line})


def main() -> None:
    """Measure and print the table."""
    print(machine())
    print(table([at_rest(STORED)]))


if __name__ == "__main__":
    main()
