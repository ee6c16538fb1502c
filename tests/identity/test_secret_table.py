"""The tables of docs/privacy.md are those of the code."""

from __future__ import annotations

from pathlib import Path

from sensor.identity.secret_options import OPTION_SECRETS
from sensor.identity.secret_shapes import SHAPES
from sensor.identity.secret_table import tables, written

DOCUMENT = Path(__file__).parents[2] / "docs/privacy.md"


def test_the_document_has_the_tables_of_the_code() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert written(document) == document, (
        "run python -m sensor.identity.secret_table docs/privacy.md"
    )


def test_every_shape_and_program_is_in_the_tables() -> None:
    text = tables()
    for shape in SHAPES:
        assert f"| {shape.title} |" in text
    for rule in OPTION_SECRETS:
        assert all(f"`{program}`" in text for program in rule.programs.split())
