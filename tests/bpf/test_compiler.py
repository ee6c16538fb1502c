"""The compiler is a child: what it says, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from sensor.bpf import compiler, loader
from sensor.bpf.probe_set import Built, Target
from sensor.errors import CompilerMissing, KernelUnsupported, PermissionMissing
from tests.bpf.test_child import stand_in

REQUEST = compiler.CompileRequest("s", "k", (), Target("w", "/p", "f", None))


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


def test_a_compiler_that_dies_or_hangs_is_an_error_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "echo 'cannot open shared object' >&2; exit 1")
    with pytest.raises(CompilerMissing, match=r"the compiler process ended with 1: cannot open"):
        loader._run_compiler(REQUEST)
    monkeypatch.setattr(loader, "COMPILE_TIMEOUT", 0.1)
    stand_in(monkeypatch, tmp_path, "exec sleep 60")
    with pytest.raises(CompilerMissing, match="more than"):
        loader._run_compiler(REQUEST)


@pytest.mark.parametrize("kind", [CompilerMissing, KernelUnsupported, PermissionMissing])
def test_errors_of_the_child_are_raised_here(kind: type[Exception]) -> None:
    error = loader._rebuild(Built(error=kind.__name__, problem="what", fix="do"))
    assert type(error) is kind
    assert (error.problem, error.fix) == ("what", "do")


def test_the_child_answers_errors_as_json() -> None:
    """Without bcc on its path, the child says so and how to get it."""
    result = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "sensor.bpf.compiler"],
        input=json.dumps(asdict(REQUEST)),
        env={"PYTHONPATH": str(Path(loader.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert '"error": "CompilerMissing"' in result.stdout
    assert "apt-get install python3-bpfcc" in result.stdout
