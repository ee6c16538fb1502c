"""The fingerprint stands for every source and for the sizes of the rings."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.bpf import libbpf, loader, source


def test_the_fingerprint_names_a_directory(sources: Path) -> None:
    assert sources.is_dir()
    mark = loader.fingerprint()
    assert mark == loader.fingerprint()
    assert mark.isalnum(), "bpffs takes no dots"


@pytest.mark.parametrize("name", [*source.PARTS, *source.BESIDE])
def test_every_source_counts_for_the_fingerprint(sources: Path, name: str) -> None:
    before = loader.fingerprint()
    with (sources / name).open("a") as file:
        file.write("\n")
    assert loader.fingerprint() != before


@pytest.mark.parametrize("name", ["LIFECYCLE_PAGES", "COMMANDS_PAGES"])
def test_ring_sizes_count_for_the_fingerprint(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = loader.fingerprint()
    monkeypatch.setattr(loader, name, 128)
    assert loader.fingerprint() != before


def test_the_number_of_processors_counts_for_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = loader.fingerprint()
    monkeypatch.setattr(libbpf, "possible_cpus", lambda: 96)
    assert loader.fingerprint() != before


def test_the_place_of_the_sources_does_not_count(sources: Path, tmp_path: Path) -> None:
    before = loader.fingerprint()
    sources.rename(tmp_path / "elsewhere")
    loader.SOURCES = tmp_path / "elsewhere"
    assert loader.fingerprint() == before
