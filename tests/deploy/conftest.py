"""ClickHouse's engine in this process (chdb), with the schema and the golden events in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chdb.session import Session

from tests.outputs.batches import golden_lines

DEPLOY = Path(__file__).parents[2] / "deploy"
SCHEMA = DEPLOY / "clickhouse" / "castoff.sql"


def statements(text: str) -> list[str]:
    """Return the statements of a script, without its comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [one.strip() for one in lines.split(";") if one.strip()]


@dataclass
class ClickHouse:
    """chdb allows for one session in a process: tests share it, with the golden events in it."""

    session: Session

    def run(self, statement: str) -> None:
        self.session.query(statement)

    def rows(self, query: str) -> list[dict[str, Any]]:
        text = str(self.session.query(query, "JSONEachRow"))
        return [json.loads(line) for line in text.splitlines()]

    def insert(self, body: bytes, database: str = "castoff") -> None:
        """Take events as the server would take the body of a request."""
        self.run(f"INSERT INTO {database}.inbox FORMAT JSONAsString " + body.decode())


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    made = ClickHouse(Session(str(tmp_path_factory.mktemp("clickhouse"))))
    for statement in statements(SCHEMA.read_text()):
        made.run(statement)
    # The events of tests are older than the table keeps any.
    made.run("SYSTEM STOP TTL MERGES castoff.events")
    made.insert(b"".join(golden_lines()))
    yield made
    made.session.close()
