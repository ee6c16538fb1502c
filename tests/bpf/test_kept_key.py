"""Whatever decides a compile changes the key."""

from __future__ import annotations

import importlib.machinery
import os
from pathlib import Path

import pytest

from sensor.bpf import kept_key


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    directory = tmp_path / "stubs" / "include"
    directory.mkdir(parents=True)
    (directory / "types.h").write_text("typedef int s32;")
    return directory.parent


@pytest.fixture
def btf(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinux"
    path.write_bytes(b"types")
    return path


@pytest.fixture
def bcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the version of an installed bcc."""
    package = tmp_path / "bcc"
    package.mkdir()
    (package / "version.py").write_text("__version__ = '0.26.0'")
    spec = importlib.machinery.ModuleSpec("bcc", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(kept_key, "find_spec", lambda _name: spec)
    return package / "version.py"


@pytest.mark.usefixtures("bcc")
def test_the_same_gives_the_same_key(stubs: Path, btf: Path) -> None:
    key = kept_key.key("print", stubs, btf)
    assert key == kept_key.key("print", stubs, btf)
    assert len(key) == 64


def test_a_key_is_of_print_kernel_stubs_and_compiler(stubs: Path, btf: Path, bcc: Path) -> None:
    keys = [kept_key.key("print", stubs, btf), kept_key.key("another", stubs, btf)]
    btf.write_bytes(b"other types")
    keys.append(kept_key.key("print", stubs, btf))
    (stubs / "include" / "types.h").write_text("typedef long s32;")
    keys.append(kept_key.key("print", stubs, btf))
    bcc.write_text("__version__ = '0.27.0'")
    keys.append(kept_key.key("print", stubs, btf))
    os.utime(bcc, (1, 1))
    keys.append(kept_key.key("print", stubs, btf))
    bcc.unlink()
    keys.append(kept_key.key("print", stubs, btf))
    assert len(set(keys)) == len(keys)


def test_without_a_compiler_the_key_is_another(
    stubs: Path, btf: Path, bcc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bcc.exists()
    key = kept_key.key("print", stubs, btf)
    monkeypatch.setattr(kept_key, "find_spec", lambda _name: None)
    assert kept_key.key("print", stubs, btf) != key


def test_modules_that_decide_the_compile_are_there() -> None:
    here = Path(kept_key.__file__).parent
    assert [name for name in kept_key._CODE if not (here / name).is_file()] == []
