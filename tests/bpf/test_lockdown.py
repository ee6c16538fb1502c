"""Lockdown: the one mode in which probes cannot read is refused with its name and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.bpf import loader, lockdown, pins
from sensor.errors import KernelUnsupported


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's file, to be written by a test."""
    file = tmp_path / "lockdown"
    monkeypatch.setattr(lockdown, "FILE", file)
    return file


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none [integrity] confidentiality\n", "integrity"),
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("", None),
    ],
)
def test_the_mode_in_brackets_is_in_force(shown: Path, text: str, mode: str | None) -> None:
    shown.write_text(text)
    assert lockdown.mode() == mode


def test_a_kernel_without_lockdown_has_no_mode_and_forbids_nothing(shown: Path) -> None:
    assert not shown.exists()
    assert lockdown.mode() is None
    lockdown.require_reading()


def test_loading_under_confidentiality_names_the_mode_and_compiles_nothing(
    shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.write_text("none integrity [confidentiality]\n")
    monkeypatch.setattr(pins, "mount_bpffs", lambda _: False)
    monkeypatch.setattr(loader, "_run_compiler", lambda _: pytest.fail("compiled"))
    with pytest.raises(KernelUnsupported, match=r"lockdown is confidentiality") as refused:
        loader.load(tmp_path / "pins")
    assert "lockdown=integrity" in refused.value.fix
