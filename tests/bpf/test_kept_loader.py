"""A set from kept programs is as a compiled one; what cannot be used is compiled anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sensor.bpf import (
    kept_key,
    kept_loader,
    kept_programs,
    libbpf,
    loader,
    pins,
    presence,
    programs,
)
from sensor.bpf.btf import VMLINUX
from sensor.bpf.kept_files import KeptFiles
from sensor.bpf.kept_loader import KeptRequest
from sensor.bpf.kept_programs import KeptPrograms
from sensor.bpf.loader import Origin
from sensor.bpf.pins import PinSet
from sensor.bpf.probe_set import Built, Target
from sensor.errors import CompilerMissing
from tests.bpf.live import Bundle, Listener, Probes
from tests.bpf.sample_kept import KEPT, KEY
from tests.bpf.test_child import stand_in
from tests.bpf.test_instructions import EXIT

REQUEST = KeptRequest("/absent", KEY, Target("w", "/p", "f", None))


@pytest.fixture(autouse=True)
def small_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "LIFECYCLE_PAGES", 64)
    monkeypatch.setattr(loader, "COMMANDS_PAGES", 64)


def test_what_is_wrong_with_a_file_is_an_answer_and_not_an_error(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / "castoff", os.geteuid())
    request = replace(REQUEST, directory=str(files.directory))
    assert "No such file" in (kept_loader.serve(request).problem or "")
    files.write(KEY, b"odd")
    assert kept_loader.serve(request).path is None


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "echo '{}'", "exec sleep 60"])
def test_a_child_without_an_answer_is_a_reason_to_compile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    monkeypatch.setattr(loader, "KEPT_TIMEOUT", 0.3)
    stand_in(monkeypatch, tmp_path, script)
    answer = loader._run_kept(REQUEST)
    assert answer.path is None
    assert answer.problem


def test_the_child_imports_neither_the_compiler_nor_bcc() -> None:
    code = (
        "import sys, sensor.bpf.kept_loader as k;"
        "print([m for m in sys.modules if m in ('bcc', 'sensor.bpf.compiler')])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(Path(loader.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_the_child_answers_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "sensor.bpf.kept_loader"],
        input=json.dumps(asdict(REQUEST)),
        env={"PYTHONPATH": str(Path(loader.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["path"], answer["error"]) == (None, "Unusable")
    assert "No such file" in answer["problem"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PinSet, KeptFiles]]:
    """A set that was compiled, and the directory where its programs are kept."""
    root = pins.BPFFS / f"castoff-test-kept-{os.getpid()}"
    files = KeptFiles(tmp_path_factory.mktemp("kept") / "castoff")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "LIFECYCLE_PAGES", 64)
        patch.setattr(loader, "COMMANDS_PAGES", 64)
        obtained = loader.obtain(root, kept=files)
    assert (obtained.origin, obtained.refused, obtained.unkept) == (Origin.COMPILED, None, None)
    yield obtained.pins, files
    loader.unload(root)


@pytest.fixture
def files(compiled: tuple[PinSet, KeptFiles], tmp_path: Path) -> KeptFiles:
    """A copy of that directory, for a test to change."""
    copy = KeptFiles(tmp_path / "castoff")
    shutil.copytree(compiled[1].directory, copy.directory)
    return copy


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Requests to compile, in place of a compile of several seconds."""
    asked: list[object] = []

    def refuse(request: object) -> Built:
        asked.append(request)
        return Built(error="CompilerMissing", problem="bcc is missing", fix="Install it.")

    monkeypatch.setattr(loader, "_run_compiler", refuse)
    return asked


def shapes(loaded: PinSet) -> dict[str, object]:
    """What each pinned map is, without what is another in each set."""
    found: dict[str, object] = {}
    for name in presence.MAPS:
        descriptor = libbpf.open_pin(loaded.map(name))
        found[name] = replace(libbpf.map_info(descriptor), id=0)
        os.close(descriptor)
    return found


@pytest.mark.kernel
def test_a_kept_set_is_as_a_compiled_one(
    compiled: tuple[PinSet, KeptFiles],
    pin_root: Path,
    without_compiler: list[object],
    bundle: Bundle,
) -> None:
    obtained = loader.obtain(pin_root, kept=compiled[1])
    assert (obtained.origin, obtained.refused, without_compiler) == (Origin.KEPT, None, [])
    loaded = obtained.pins
    assert (loaded.fingerprint, loaded.links()) == (compiled[0].fingerprint, compiled[0].links())
    assert shapes(loaded) == shapes(compiled[0])
    assert presence.missing(loaded) == ()
    first, second = Probes(compiled[0]), Probes(loaded)
    try:
        ears = Listener(first), Listener(second)
        assert bundle.run("/bin/true") == 0
        assert ears[0].until(lambda: len(ears[0].inits) == 1)
        assert ears[1].until(lambda: len(ears[1].inits) == 1)
        seen, again = (ear.inits[0] for ear in ears)
        assert (seen.process, seen.root) == (again.process, again.root)
    finally:
        first.close()
        second.close()
    # And it is the set of this version: the next load finds it.
    assert loader.obtain(pin_root, kept=compiled[1]).origin is Origin.ATTACHED


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def tamper(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def by_symlink(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("elsewhere")))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (truncate, "it is damaged"),
        (tamper, "it is damaged"),
        (by_symlink, "Too many levels of symbolic links"),
        (lambda path: os.chown(path, 12345, 0), "belongs to uid 12345"),
        (lambda path: path.chmod(0o666), "other users may write"),
        (lambda path: path.parent.chmod(0o777), "castoff"),
    ],
)
@pytest.mark.kernel
def test_a_file_that_cannot_be_trusted_is_compiled_anew(
    files: KeptFiles,
    pin_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    reason: str,
) -> None:
    (path,) = files.directory.iterdir()
    change(path)
    asked = []

    def compile_instead(request: object) -> Built:
        asked.append(request)
        return Built(path=str(pin_root / "compiled"))

    monkeypatch.setattr(loader, "_run_compiler", compile_instead)
    obtained = loader.obtain(pin_root, kept=files)
    assert obtained.origin is Origin.COMPILED
    assert len(asked) == 1
    assert reason in (obtained.refused or "")
    assert not pin_root.exists() or list(pin_root.iterdir()) == []


def rewritten(files: KeptFiles, change: Callable[[KeptPrograms], KeptPrograms]) -> None:
    """Change what a file keeps, as root could."""
    (path,) = files.directory.iterdir()
    key = json.loads(path.read_bytes().split(b"\n", 2)[2])["key"]
    kept = kept_programs.decode(path.read_bytes(), key)
    files.write(key, kept_programs.encode(change(kept)))


@pytest.mark.parametrize("name", ["on_exec", "on_oom_victim"])
@pytest.mark.kernel
def test_a_program_that_the_kernel_refuses_is_compiled_anew_and_kept(
    files: KeptFiles, pin_root: Path, name: str
) -> None:
    """A required one as well as an optional one: the kernel took both before."""
    # It ends without a value in its register.
    rewritten(files, lambda kept: replace(kept, code={**kept.code, name: EXIT}))
    obtained = loader.obtain(pin_root, kept=files)
    assert obtained.origin is Origin.COMPILED
    assert f"the kernel refuses {name}" in (obtained.refused or "")
    assert name in obtained.pins.links()
    assert len(pins.loaded_sets(pin_root)) == 1
    loader.unload(pin_root)
    again = loader.obtain(pin_root, kept=files)
    assert (again.origin, again.refused) == (Origin.KEPT, None)


@pytest.mark.kernel
def test_a_map_that_is_missing_is_a_reason_to_compile(
    files: KeptFiles,
    pin_root: Path,
    without_compiler: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rewritten(files, lambda kept: replace(kept, maps=kept.maps[:1], code={}))
    answers: list[Built] = []
    run_kept = loader._run_kept

    def noted(request: KeptRequest) -> Built:
        answers.append(run_kept(request))
        return answers[-1]

    monkeypatch.setattr(loader, "_run_kept", noted)
    with pytest.raises(CompilerMissing, match="bcc is missing"):
        loader.obtain(pin_root, kept=files)
    assert len(without_compiler) == 1
    assert str(answers[0].problem).endswith(": it has no commands")
    assert list(pin_root.iterdir()) == []


@pytest.mark.kernel
def test_kept_programs_are_left_aside_on_request(
    files: KeptFiles, pin_root: Path, without_compiler: list[object]
) -> None:
    with pytest.raises(CompilerMissing):
        loader.obtain(pin_root, kept=files, anew=True)
    assert len(without_compiler) == 1


@pytest.mark.kernel
def test_another_kernels_programs_are_not_used(
    files: KeptFiles,
    pin_root: Path,
    without_compiler: list[object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    other = tmp_path / "vmlinux"
    other.write_bytes(VMLINUX.read_bytes() + b"\0")
    key = kept_key.key
    monkeypatch.setattr(kept_key, "key", lambda mark, stubs: key(mark, stubs, other))
    with pytest.raises(CompilerMissing):
        loader.obtain(pin_root, kept=files)
    assert len(without_compiler) == 1


@pytest.mark.kernel
def test_a_directory_that_cannot_be_written_is_reported_and_the_probes_are_loaded(
    pin_root: Path, tmp_path: Path
) -> None:
    obtained = loader.obtain(pin_root, kept=KeptFiles(tmp_path / "var" / "castoff"))
    assert set(obtained.pins.links()) >= {one.name for one in programs.ALL if one.required}
    assert "No such file" in (obtained.unkept or "")


def test_the_sample_is_of_programs_that_exist() -> None:
    assert set(KEPT.code) <= {one.name for one in programs.ALL}
