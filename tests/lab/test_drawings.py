"""The drawings in docs/architecture.md are those of the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import drawings


def test_no_drawing_is_stale() -> None:
    assert drawings.main([]) == 0


def test_a_stale_drawing_fails_and_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "architecture.md"
    text = drawings.DOCUMENT.read_text(encoding="utf-8")
    document.write_text(text.replace("RUNNING --> PAUSED: pause\n", ""), encoding="utf-8")
    monkeypatch.setattr(drawings, "DOCUMENT", document)
    assert drawings.main([]) == 1
    assert "stale" in capsys.readouterr().out
    assert drawings.main(["--write"]) == 0
    assert document.read_text(encoding="utf-8") == text


def test_a_document_without_a_place_for_drawings_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        drawings.drawn("# Architecture\n")
