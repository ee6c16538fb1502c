"""Where the log is, and what times and policies mean for the verbs that read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.cli.log_place import log_file, policy_digest
from sensor.errors import StateUnusable
from tests.evidence.logs import make_log


def test_a_log_is_named_by_its_file_its_directory_or_the_configuration(tmp_path: Path) -> None:
    path = make_log(tmp_path / "state", 1)
    config = tmp_path / "castoff.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}/state"\n')
    for log, of in ((path, None), (path.parent, None), (None, config)):
        assert log_file(log, of, needed=True) == path


def test_a_log_that_is_missing_is_an_error_where_it_is_needed_or_named(tmp_path: Path) -> None:
    config = tmp_path / "castoff.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}/none"\n')
    assert log_file(None, config, needed=False) is None
    for log, needed in ((None, True), (tmp_path / "none", False)):
        with pytest.raises(StateUnusable, match="is missing"):
            log_file(log, config, needed=needed)


def test_the_policy_is_known_by_its_files_and_unknown_where_they_are_refused(
    tmp_path: Path,
) -> None:
    config = tmp_path / "castoff.toml"
    assert policy_digest(config) is None
    policy = tmp_path / "policy.toml"
    policy.write_text("")
    digest = policy_digest(config)
    assert digest is not None
    assert len(digest) == 64
    policy.write_text("this is not TOML")
    assert policy_digest(config) is None
