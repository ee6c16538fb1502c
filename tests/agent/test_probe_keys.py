"""The probes are loaded and unloaded with a configuration that the agent refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.agent.probe_keys import probe_keys
from sensor.errors import ConfigError
from sensor.optional_packages import PackageMissing

GIVEN = '[sources]\nrequests = false\n[agent]\nrun_dir = "/run/other"\n'


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is read if none is named."""
    path = tmp_path / "castoff.toml"
    monkeypatch.setattr("sensor.agent.config.DEFAULT_PATH", path)
    (tmp_path / "castoff.d").mkdir()
    return path


@pytest.mark.parametrize(
    ("drop_in", "problem"),
    [
        ("[agent]\nlog_levle = 1\n", "log_levle"),
        ("[agent\n", "50-wrong.toml"),
        ('[store]\nsync = "never"\n', "store.sync"),
        ('[outputs.x]\ntype = "nothing"\n', "nothing"),
        ("[agent]\nrun_dir = 5\n", "run_dir"),
    ],
)
def test_valid_values_count_whatever_is_wrong_elsewhere(
    default: Path, drop_in: str, problem: str
) -> None:
    default.write_text(GIVEN)
    (default.parent / "castoff.d/50-wrong.toml").write_text(drop_in)
    found = probe_keys()
    assert (found.requests, found.run_dir) == (False, Path("/run/other"))
    assert found.mistake is not None
    assert problem in found.mistake.problem


def test_an_output_of_a_missing_package_is_no_reason_to_stop(
    default: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outputs_of(*_: object) -> None:
        raise PackageMissing("syslog is in castoff-outputs", "Install it.")

    monkeypatch.setattr("sensor.agent.config.outputs_of", outputs_of)
    default.write_text(GIVEN)
    found = probe_keys()
    assert not found.requests
    assert isinstance(found.mistake, PackageMissing)


def test_a_file_that_all_accounts_may_write_counts_for_nothing(default: Path) -> None:
    default.write_text(GIVEN)
    default.chmod(0o666)
    found = probe_keys()
    assert found.requests
    assert found.mistake is not None


def test_nothing_is_wrong_without_a_file(default: Path) -> None:
    assert not default.exists()
    assert probe_keys().mistake is None


def test_a_named_file_has_to_be_readable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        probe_keys(tmp_path / "gone.toml")
