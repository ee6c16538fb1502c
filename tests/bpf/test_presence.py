"""A set that was tampered with is noticed by the kernel's ids, and mended from what is held."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.bpf import libbpf, loader, pins, presence, programs
from sensor.bpf.presence import Absence, Presence
from tests.bpf.live import Bundle, Listener, Probes

pytestmark = pytest.mark.kernel
NOTHING = Absence((), ())


@pytest.fixture(autouse=True)
def small_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "LIFECYCLE_PAGES", 64)
    monkeypatch.setattr(loader, "COMMANDS_PAGES", 64)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    place = pins.BPFFS / f"castoff-test-presence-{os.getpid()}"
    yield place
    loader.unload(place)


@pytest.fixture
def held(root: Path) -> Iterator[Presence]:
    """A whole set, loaded by the first test and mended by each."""
    made = Presence(loader.load(root))
    yield made
    if absence := made.check():
        made.restore(absence)
    made.close()


def pin(root: Path, name: str) -> Path:
    (only,) = pins.loaded_sets(root)
    return only.map(name)


def test_a_whole_set_lacks_nothing(held: Presence, root: Path) -> None:
    assert held.check() == NOTHING
    assert presence.missing(pins.loaded_sets(root)[-1]) == ()
    assert {"on_exec", "on_fork", "on_exit"} <= set(held.attached)


@pytest.mark.parametrize("name", ["link-on_exec", "lifecycle", "inits", "attached"])
def test_a_pin_that_is_removed_is_made_again(held: Presence, root: Path, name: str) -> None:
    pin(root, name).unlink()
    absence = held.check()
    assert absence == Absence((), (name.removeprefix("link-"),))
    assert presence.missing(pins.loaded_sets(root)[-1]) != ()
    held.restore(absence)
    assert held.check() == NOTHING
    assert presence.missing(pins.loaded_sets(root)[-1]) == ()


def test_a_pin_that_leads_to_something_else_is_noticed(held: Presence, root: Path) -> None:
    for name, other in (("link-on_exec", "link-on_fork"), ("inits", "watched")):
        pin(root, name).unlink()
        opened = libbpf.open_pin(pin(root, other))
        libbpf.pin(opened, pin(root, name))
        os.close(opened)
    absence = held.check()
    assert absence == Absence((), ("on_exec", "inits"))
    assert {"on_exec"} <= set(presence.missing(pins.loaded_sets(root)[-1]))
    held.restore(absence)
    assert held.check() == NOTHING


def test_while_pins_are_gone_the_probes_go_on(held: Presence, root: Path, bundle: Bundle) -> None:
    probes = Probes(pins.loaded_sets(root)[-1])
    try:
        listener = Listener(probes)
        for link in pins.loaded_sets(root)[-1].links():
            pin(root, f"link-{link}").unlink()
        assert bundle.run("/bin/true") == 0
        assert listener.until(lambda: len(listener.inits) == 1)
    finally:
        probes.close()
    held.restore(held.check())
    assert held.check() == NOTHING


def test_a_program_that_is_detached_is_attached_again(held: Presence, root: Path) -> None:
    name = programs.CONNECT.name
    if name not in held.attached:
        pytest.skip("this kernel has no cgroup/connect_unix: no link of ours can be detached")
    opened = libbpf.open_pin(pin(root, f"link-{name}"))
    libbpf.call("bpf_link_detach", opened)
    os.close(opened)
    absence = held.check()
    assert absence.detached == (name,)
    assert name not in held.attached
    held.restore(absence)
    assert held.check() == NOTHING
    assert name in held.attached
    assert presence.missing(pins.loaded_sets(root)[-1]) == ()


def test_an_incomplete_set_is_named_and_loaded_anew(root: Path) -> None:
    first = loader.load(root)
    first.map("link-on_exec").unlink()
    assert loader.incomplete(root) == ("on_exec",)
    second = loader.load(root)
    assert loader.incomplete(root) == ()
    assert {one.path.name for one in pins.loaded_sets(root)} == {
        second.fingerprint,
        f"{second.fingerprint}-detached",
    }
    for other in pins.loaded_sets(root):
        if other != second:
            other.remove()


def test_a_set_that_cannot_be_drained_is_removed(root: Path) -> None:
    loader.load(root).map("commands").unlink()
    assert loader.incomplete(root) == ("commands",)
    assert pins.loaded_sets(root) == (loader.load(root),)


def test_a_second_file_system_over_the_first_hides_nothing(tmp_path: Path) -> None:
    place = tmp_path / "bpf"
    place.mkdir()
    mount = ["mount", "-t", "bpf", "bpf", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    covered = 0
    try:
        held = Presence(loader.load(place / "castoff"))
        try:
            subprocess.run(mount, check=True)
            covered = 1
            absence = held.check()
            assert {"on_exec", "lifecycle"} <= set(absence.unpinned)
            held.restore(absence)
            assert held.check() == NOTHING
        finally:
            held.close()
            loader.unload(place / "castoff")
    finally:
        if covered:
            subprocess.run(["umount", str(place)], check=True)
            loader.unload(place / "castoff")
        subprocess.run(["umount", str(place)], check=True)
