"""The compiler is a child: what it says, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sensor.bpf import compiler, loader
from sensor.bpf.compiler import Compiled
from sensor.errors import CompilerMissing, KernelUnsupported, PermissionMissing

REQUEST = compiler.CompileRequest("s", "w", "k", (), "/p", "f", None)


def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Let a script stand in for the interpreter that compiles."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize("text", ["raise ImportError('gone')", ""])
def test_a_module_that_is_not_bcc_is_named_with_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc/__init__.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    with pytest.raises(CompilerMissing, match="bcc") as caught:
        compiler._import_bcc()
    assert "python3-bpfcc" in caught.value.fix
    sys.modules.pop("bcc", None)


@pytest.mark.parametrize(
    "script",
    [
        "exit 3",
        "echo no json; echo oops >&2; exit 3",
        "echo '[]'; exit 3",
        "echo '{}'; exit 3",
        """echo '{"missing": [], "odd": 1}'; exit 3""",
        "kill -9 $$",
    ],
)
def test_a_compiler_that_dies_without_an_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    child(monkeypatch, tmp_path, script)
    with pytest.raises(CompilerMissing, match="the compiler process ended with"):
        loader._run_compiler(REQUEST)


def test_what_a_dying_compiler_said_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child(monkeypatch, tmp_path, "echo 'cannot open shared object' >&2; exit 1")
    with pytest.raises(CompilerMissing, match="cannot open shared object"):
        loader._run_compiler(REQUEST)


def test_messages_before_the_answer_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child(monkeypatch, tmp_path, """echo warning; echo '{"path": "/x", "missing": ["a"]}'""")
    assert loader._run_compiler(REQUEST) == Compiled(path="/x", missing=("a",))


def test_a_compiler_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "COMPILE_TIMEOUT", 0.1)
    child(monkeypatch, tmp_path, "exec sleep 60")
    with pytest.raises(CompilerMissing, match="more than"):
        loader._run_compiler(REQUEST)


@pytest.mark.parametrize("kind", [CompilerMissing, KernelUnsupported, PermissionMissing])
def test_errors_of_the_child_are_raised_here(kind: type[Exception]) -> None:
    error = loader._rebuild(Compiled(error=kind.__name__, problem="what", fix="do"))
    assert type(error) is kind
    assert (error.problem, error.fix) == ("what", "do")


def test_the_child_answers_errors_as_json() -> None:
    """Without bcc on its path, the child says so and how to get it."""
    result = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "sensor.bpf.compiler"],
        input='{"source": "", "watched": "", "stubs": "", "cflags": [], "pin_root": "",'
        ' "fingerprint": "", "predecessor": null}',
        env={"PYTHONPATH": str(Path(loader.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert '"error": "CompilerMissing"' in result.stdout
    assert "apt-get install python3-bpfcc" in result.stdout
