"""Modules in packages of their own: a node works without them, and each says where it is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor import optional_packages
from sensor.cli.main import VERBS
from sensor.optional_packages import (
    BASE,
    PACKAGES,
    PackageMissing,
    missing_package,
    package_missing,
    package_of,
)
from sensor.outputs import registry

ROOT = Path(optional_packages.__file__).parents[1]
INSTALL = ROOT / "packaging/install-tree.sh"
WITHIN = {"report": "castoff-report", "export": "castoff-report", "verify": "castoff-report"}
VERBS_ELSEWHERE = WITHIN | {"access": "castoff-report", "normalize": "castoff-controlplane"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private directory of the package castoff alone."""
    target = tmp_path_factory.mktemp("base")
    subprocess.run([INSTALL, target, BASE], check=True)
    return target / "usr/share/castoff"


def castoff(base: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the installed package."""
    code = f"import sys; sys.path.insert(0, {str(base)!r}); sys.argv[0] = 'castoff'\n"
    code += "import runpy; runpy.run_module('sensor', run_name='__main__', alter_sys=True)"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-I", "-B", "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT / "sensor")) for path in ROOT.glob("sensor/**/*.py"))


def test_each_module_of_the_base_can_be_imported_without_the_others(base: Path) -> None:
    names = [
        f"sensor.{name.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")
        for name in modules()
        if package_of(name) == BASE and not name.endswith("__main__.py")
    ]
    code = f"import sys; sys.path.insert(0, {str(base)!r})\n"
    code += f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def imports(path: Path) -> Iterator[str]:
    """Yield what a module imports where it is loaded or used, as paths below ``sensor/``."""
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {id(inner) for inner in ast.walk(node)}
        if id(node) in skipped or not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if module.partition(".")[0] == "sensor":
            below = module.partition(".")[2].replace(".", "/")
            for name in node.names:
                inner = f"{below}/{name.name}" if below else name.name
                known = (ROOT / f"sensor/{inner}.py").exists()
                yield f"{inner if known else below}.py"


def test_an_optional_package_needs_the_base_alone() -> None:
    """Debian's dependencies say so: each depends on castoff and on none of the others."""
    found = {
        (name, needed)
        for name in modules()
        for needed in imports(ROOT / "sensor" / name)
        if package_of(name) != BASE and package_of(needed) not in {BASE, package_of(name)}
    }
    assert found == set()


def test_what_a_package_begins_with_exists() -> None:
    known = modules()
    for package in PACKAGES:
        for beginning in package.begins:
            assert [name for name in known if name.startswith(beginning)], beginning
        assert set(package.kept) <= set(known)


@pytest.mark.parametrize(("verb", "package"), VERBS_ELSEWHERE.items())
def test_a_verb_of_another_package_names_it(base: Path, verb: str, package: str) -> None:
    for words in ((verb,), (verb, "--help"), (verb, "--log", "x", "y")):
        done = castoff(base, *words)
        assert done.returncode == PackageMissing.exit_code
        assert done.stderr.splitlines() == [
            f"castoff: castoff {verb} is in the package {package}, which is not installed.",
            f"    fix: Install it: apt-get install {package} (Fedora: dnf install {package}).",
        ]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in VERBS_ELSEWHERE])
def test_the_other_verbs_are_in_the_base(base: Path, verb: str) -> None:
    assert castoff(base, verb, "--help").returncode == 0


def test_completion_works_without_the_others(base: Path) -> None:
    assert "complete" in castoff(base, "completion", "bash").stdout


@pytest.mark.parametrize("kind", registry.KINDS)
def test_an_output_of_another_package_fails_the_check_of_the_configuration(
    base: Path, tmp_path: Path, kind: str
) -> None:
    config = tmp_path / "castoff.toml"
    config.write_text(f'[outputs.one]\ntype = "{kind}"\n')
    done = castoff(base, "run", "--check-config", "--config", str(config))
    assert done.returncode != 0
    assert ("castoff-outputs" in done.stderr) == (kind not in {"forward", "jsonl"})
    assert "Traceback" not in done.stderr


def test_a_format_of_another_package_fails_the_check_of_the_configuration(
    base: Path, tmp_path: Path
) -> None:
    config = tmp_path / "castoff.toml"
    config.write_text(f'[outputs.one]\ntype = "jsonl"\nformat = "ocsf"\npath = "{tmp_path}/x"\n')
    done = castoff(base, "run", "--check-config", "--config", str(config))
    assert done.returncode == PackageMissing.exit_code
    assert "the format ocsf is in the package castoff-outputs" in done.stderr
    config.write_text(f'[outputs.one]\ntype = "jsonl"\npath = "{tmp_path}/x"\n')
    assert castoff(base, "run", "--check-config", "--config", str(config)).returncode == 0


def test_the_audit_log_of_an_api_server_fails_the_check_of_the_configuration(
    base: Path, tmp_path: Path
) -> None:
    config = tmp_path / "castoff.toml"
    config.write_text(f'[sources]\nkubernetes_audit = "{tmp_path}"\n')
    done = castoff(base, "run", "--check-config", "--config", str(config))
    assert done.returncode == PackageMissing.exit_code
    assert "sources.kubernetes_audit is in the package castoff-controlplane" in done.stderr


def test_a_check_of_an_audit_policy_names_the_package(base: Path, tmp_path: Path) -> None:
    done = castoff(base, "doctor", "--audit-policy", str(tmp_path / "policy.yaml"))
    assert done.returncode == PackageMissing.exit_code
    assert "castoff-controlplane" in done.stderr


def test_another_missing_module_is_no_package_of_ours() -> None:
    for name in ("jinja2", "sensor", "sensor.agent.nothing", None):
        error = ModuleNotFoundError("no", name=name)
        assert missing_package(error) is None
        with pytest.raises(ModuleNotFoundError):
            raise package_missing(error, "it")
