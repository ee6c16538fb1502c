"""The tree that every package is made of."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from sensor import __version__
from sensor.agent.config import Config
from sensor.cli.main import VERBS
from sensor.outputs import registry
from sensor.outputs.settings import Common

ROOT = Path(__file__).parents[2]


def names(tree: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}


def test_everything_is_where_its_user_looks(installed: Path) -> None:
    expected = {
        "etc/castoff/castoff.toml",
        "usr/bin/castoff",
        "usr/lib/systemd/system/castoff-audit-rules.service",
        "usr/lib/systemd/system/castoff-probes.service",
        "usr/lib/systemd/system/castoff.service",
        "usr/lib/systemd/system/castoff.socket",
        "usr/lib/sysusers.d/castoff.conf",
        "usr/share/bash-completion/completions/castoff",
        "usr/share/fish/vendor_completions.d/castoff.fish",
        "usr/share/man/man1/castoff.1",
        "usr/share/man/man5/castoff.toml.5",
        "usr/share/man/man8/castoff.8",
        "usr/share/zsh/vendor-completions/_castoff",
    }
    found = names(installed)
    assert expected <= found
    assert {name for name in found - expected if not name.startswith("usr/share/castoff/")} == set()


def test_every_module_probe_and_rule_is_installed_and_nothing_else(installed: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "sensor", "probes", "rules"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    # Licences and notes about the stubs are for the source, not for a host.
    wanted = {name for name in listed if Path(name).name not in {"LICENSE", "README.md"}}
    found = names(installed / "usr/share/castoff")
    assert wanted <= found | {name for name in wanted if name.startswith("rules/sigma/")}
    assert not [name for name in found if name.endswith(".pyc")]


def test_only_root_may_write_and_only_the_launcher_runs(installed: Path) -> None:
    for path in installed.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert not mode & 0o022, path
        if path.is_file():
            assert bool(mode & 0o111) == (path.name == "castoff" and path.parent.name == "bin"), (
                path
            )


def test_the_launcher_is_isolated(installed: Path) -> None:
    first = (installed / "usr/bin/castoff").read_text().splitlines()[0]
    assert first == "#!/usr/bin/python3 -I"


def test_the_installed_program_runs_from_anywhere(installed: Path, tmp_path: Path) -> None:
    private = installed / "usr/share/castoff"
    launcher = (
        (installed / "usr/bin/castoff").read_text().replace("/usr/share/castoff", str(private))
    )
    command = tmp_path / "castoff"
    command.write_text(launcher)
    # A module of that name in the current directory must not be imported.
    (tmp_path / "sensor.py").write_text("raise SystemExit('imported from the current directory')")
    done = subprocess.run(
        [sys.executable, "-I", command, "--version"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"castoff, version {__version__}"


def test_the_configuration_lists_every_key_with_its_default(installed: Path) -> None:
    text = (installed / "etc/castoff/castoff.toml").read_text()
    shown = tomllib.loads(
        "\n".join(line.removeprefix("#") for line in text.splitlines() if not line.startswith("# "))
    )
    defaults = Config()
    for section in fields(defaults):
        value = getattr(defaults, section.name)
        if not is_dataclass(value):
            continue
        keys = {key.name: getattr(value, key.name) for key in fields(value)}
        assert set(shown.pop(section.name)) == set(keys), section.name
    assert shown == {}


@pytest.mark.parametrize("verb", VERBS)
def test_the_manual_describes_each_command(installed: Path, verb: str) -> None:
    page = (installed / "usr/share/man/man1/castoff.1").read_text()
    assert f'.SS "castoff {verb.replace("-", chr(92) + "-")} ' in page


def test_the_manual_describes_each_key(installed: Path) -> None:
    page = (installed / "usr/share/man/man5/castoff.toml.5").read_text()
    for section in fields(Config):
        value = getattr(Config(), section.name)
        for key in fields(value) if is_dataclass(value) else ():
            assert f"\n\\fB{key.name} = " in page, f"{section.name}.{key.name}"


def test_the_manual_describes_each_key_of_an_output_and_shows_no_secret(installed: Path) -> None:
    page = (installed / "usr/share/man/man5/castoff.toml.5").read_text()
    outputs = page.partition('.SH "[outputs.NAME]"')[2]
    kinds: list[type[Any]] = [Common, *(registry.kind_of(one).settings for one in registry.KINDS)]
    for kind in kinds:
        for key in fields(kind):
            described = re.search(rf"^\\fB{key.name} \(.*\)\\fR\n\w", outputs, re.MULTILINE)
            assert described, f"{kind.__name__}.{key.name}"
    assert all(name in outputs for name in (*registry.KINDS, *registry.FORMATS))
    assert "***" not in outputs
    assert "mode (integer, default 0o640)" in outputs


def test_the_manuals_are_valid_roff(installed: Path) -> None:
    for page in (installed / "usr/share/man").rglob("*.[0-9]"):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", page], check=True, capture_output=True, text=True
        )
        assert done.stderr == "", page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_valid_for_their_shell(installed: Path, shell: str) -> None:
    place = {
        "bash": "bash-completion/completions/castoff",
        "zsh": "zsh/vendor-completions/_castoff",
        "fish": "fish/vendor_completions.d/castoff.fish",
    }[shell]
    script = installed / "usr/share" / place
    done = subprocess.run([shell, "-n", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
