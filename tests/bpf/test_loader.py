"""Probes are loaded once, stay, and step aside for others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.bpf import libbpf, loader, pins, presence, programs, seed
from sensor.bpf.btf import Btf
from sensor.bpf.layout import RecordKind
from sensor.bpf.pins import PinSet
from sensor.bpf.probe_set import Built
from sensor.errors import CompilerMissing, KernelUnsupported, PermissionMissing
from tests.bpf.live import Bundle, Listener, Probes
from tests.bpf.sample_btf import Blob

REQUIRED = {program.name for program in programs.ALL if program.required}


@pytest.fixture(autouse=True)
def small_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "LIFECYCLE_PAGES", 64)
    monkeypatch.setattr(loader, "COMMANDS_PAGES", 64)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_request: object) -> Built:
        pytest.fail("nothing was to be compiled")

    monkeypatch.setattr(loader, "_run_compiler", refuse)


@pytest.mark.usefixtures("no_compiler")
def test_without_the_rights_the_fix_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pins, "mount_bpffs", lambda _root: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionMissing) as caught:
        loader.load(tmp_path / "castoff")
    assert "castoff-probes" in caught.value.fix


@pytest.mark.usefixtures("no_compiler")
def test_a_kernel_without_a_field_is_reported_before_anything_is_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pins, "mount_bpffs", lambda _root: False)
    monkeypatch.setattr(Btf, "running", classmethod(lambda _: Btf(Blob().data(), "9.9-odd")))
    with pytest.raises(KernelUnsupported, match=r"9\.9-odd has no task_struct\.tgid"):
        loader.load(tmp_path / "castoff")


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A pin root that this module's tests share and leave as they find it."""
    place = pins.BPFFS / f"castoff-test-loader-{os.getpid()}"
    yield place
    loader.unload(place)


@pytest.fixture
def probes(root: Path) -> Iterator[Probes]:
    """The set that lies there, loaded by the first test that needs it."""
    opened = Probes(loader.load(root))
    yield opened
    opened.close()
    for other in pins.loaded_sets(root):
        if other != opened.pins:
            other.remove()


@pytest.mark.kernel
def test_a_loaded_set_is_whole_and_loading_again_changes_nothing(
    probes: Probes, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = probes.pins
    assert set(loaded.links()) >= REQUIRED
    assert {entry.name for entry in loaded.path.iterdir()} >= set(presence.MAPS)
    monkeypatch.setattr(loader, "_run_compiler", lambda _: pytest.fail("compiled again"))
    assert loader.load(root) == loaded
    (status,) = loader.status(root)
    assert status.current
    assert (status.fingerprint, status.programs) == (loaded.fingerprint, loaded.links())
    assert (status.lifecycle_mib, status.commands_mib) == (0.25, 0.25)


@pytest.mark.kernel
def test_what_a_killed_loader_left_is_removed_though_nothing_is_to_be_loaded(
    probes: Probes, root: Path
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = root / f"{pins.STAGING_PREFIX}{probes.pins.fingerprint}-{dead.pid}"
    left.mkdir()
    libbpf.pin(libbpf.BpfMap.pinned(probes.pins.map("inits")).descriptor, left / "inits")
    assert loader.load(root) == probes.pins
    assert not left.exists()


@pytest.mark.kernel
def test_maps_that_evict_have_room_beside_what_each_processor_may_keep(probes: Probes) -> None:
    of_processors = 128 * libbpf.possible_cpus()
    for name, used in (("lineages", 16384), ("socket_verdicts", 8192), ("connections", 4096)):
        opened = libbpf.BpfMap.pinned(probes.pins.map(name))
        entries = opened.shape.max_entries
        opened.close()
        assert entries == used + of_processors, name


@pytest.mark.kernel
def test_a_changed_source_gives_a_second_set_beside_the_first(
    probes: Probes, root: Path, sources: Path, bundle: Bundle
) -> None:
    bundle.write("/bin/sleep", "1000")
    assert bundle.runc("run", "--no-pivot", "-d", bundle.id) == 0
    first = Listener(probes)
    pid = bundle.init_pid()
    with (sources / "exec.bpf.c").open("a") as file:
        file.write("/* another version */\n")
    second = Probes(loader.load(root))
    try:
        sets = pins.loaded_sets(root)
        assert sets == (probes.pins, second.pins)
        assert all(set(one.links()) >= REQUIRED for one in sets)
        assert [one.current for one in loader.status(root)] == [False, True]
        # A downgrade: the earlier version's set is still there, and its agent has to keep that one.
        changed = (sources / "exec.bpf.c").read_text()
        (sources / "exec.bpf.c").write_text(changed.removesuffix("/* another version */\n"))
        assert loader.load(root) == probes.pins
        assert pins.loaded_sets(root) == (second.pins, probes.pins)
        (sources / "exec.bpf.c").write_text(changed)
        assert loader.load(root) == second.pins
        assert pins.loaded_sets(root) == (probes.pins, second.pins)

        inits = libbpf.BpfMap.pinned(second.pins.map("inits"))
        entry = inits.lookup(pid.to_bytes(4, "little"))
        inits.close()
        assert entry is not None
        assert seed._STARTED.unpack(entry)[4] == 0, "carried over with its exact start time"

        heir = Listener(second)
        assert bundle.runc("kill", bundle.id, "KILL") == 0
        bundle.delete()
        assert bundle.run("/bin/true") == 0
        assert first.until(lambda: len(first.inits) == 1)
        assert heir.until(lambda: len(heir.inits) == 1)
        assert first.inits[0].process.key == heir.inits[0].process.key
    finally:
        second.close()


@pytest.mark.kernel
def test_a_container_that_ran_before_the_probes_is_followed_and_not_started(
    pin_root: Path, bundle: Bundle
) -> None:
    script = "while [ ! -e /go ]; do sleep 0.02; done; exec /bin/sh -c 'exit 6'"
    bundle.write("/bin/sh", "-c", script)
    assert bundle.runc("run", "--no-pivot", "-d", bundle.id) == 0
    probes = Probes(loader.load(pin_root))
    try:
        listener = Listener(probes)
        assert bundle.runc("exec", bundle.id, "/bin/true") == 0
        (bundle.path / "rootfs" / "go").touch()
        ended = (6 << 8, True)
        assert listener.until(lambda: ended in [(e.status, e.started) for e in listener.all_exits])
        assert listener.inits == []
    finally:
        probes.close()


@pytest.mark.kernel
def test_unloading_leaves_nothing(pin_root: Path, bundle: Bundle) -> None:
    probes = Probes(loader.load(pin_root))
    try:
        assert loader.unload(pin_root) == 1
        assert not pin_root.exists()
        assert pins.loaded_sets(pin_root) == ()
        assert loader.status(pin_root) == ()
        assert loader.unload(pin_root) == 0
        before = probes.count(RecordKind.INIT_EXEC)
        assert bundle.run("/bin/true") == 0
        assert probes.count(RecordKind.INIT_EXEC) == before, "detached, and not only unpinned"
    finally:
        probes.close()


@pytest.mark.kernel
def test_a_detached_set_of_the_same_source_steps_aside_undrained(
    probes: Probes, pin_root: Path
) -> None:
    detached = PinSet(pin_root / loader.fingerprint())
    detached.path.mkdir(parents=True)
    for name in presence.MAPS:
        opened = libbpf.BpfMap.pinned(probes.pins.map(name))
        libbpf.pin(opened.descriptor, detached.map(name))
        opened.close()
    (status,) = loader.status(pin_root)
    assert (status.programs, status.current) == ((), True)
    again = loader.load(pin_root)
    aside = PinSet(pin_root / f"{loader.fingerprint()}-detached")
    assert set(pins.loaded_sets(pin_root)) == {aside, again}
    assert aside.map("lifecycle").exists()
    assert set(again.links()) >= REQUIRED


@pytest.mark.kernel
def test_pins_of_a_dead_loader_are_removed(probes: Probes, root: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    left = PinSet(root / f"{pins.STAGING_PREFIX}0123-{process.pid}")
    left.path.mkdir()
    settings = libbpf.BpfMap.pinned(probes.pins.map("settings"))
    libbpf.pin(settings.descriptor, left.map("settings"))
    settings.close()
    staged = pins.staging(root, "4567")
    assert not left.path.exists()
    assert pins.loaded_sets(root) == (probes.pins,)
    staged.remove()


@pytest.mark.kernel
def test_a_source_that_does_not_compile_leaves_nothing_behind(
    pin_root: Path, sources: Path
) -> None:
    with (sources / "exec.bpf.c").open("a") as file:
        file.write("this is not C\n")
    with pytest.raises(CompilerMissing, match=r"exec\.bpf\.c"):
        loader.load(pin_root)
    assert not pin_root.exists() or list(pin_root.iterdir()) == []
