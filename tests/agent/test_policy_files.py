"""Which policy files are trusted, and what is kept of a good one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sensor.agent import policy_files
from sensor.agent.policy_files import (
    LAST_GOOD,
    last_good_digest,
    load_changes,
    load_last_good,
    load_policy,
    passed_over,
    save_last_good,
)
from sensor.errors import ConfigError

NOW = time.time_ns()
PLAIN_UID = 65534
RULE = "[forbid.a]\nname = 'a'\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="policy files belong to root")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "castoff"
    (directory / "policy.d").mkdir(parents=True)
    (directory / "changes.d").mkdir()
    for one in (directory, directory / "policy.d", directory / "changes.d"):
        one.chmod(0o755)
    return directory


def write(path: Path, text: str = RULE, mode: int = 0o644) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_directory_without_a_policy_has_the_empty_one(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "nowhere", NOW).policy.rules == ()
    assert load_policy(tmp_path, NOW).files == ()


def test_the_policy_and_its_drop_ins_are_read_in_order(place: Path) -> None:
    write(place / "policy.toml")
    write(place / "policy.d/20-b.toml", "[forbid.c]\n")
    write(place / "policy.d/10-a.toml", "[forbid.b]\n")
    write(place / "policy.d/notes.txt", "no TOML")
    assert [rule.name for rule in load_policy(place, NOW).policy.rules] == ["a", "b", "c"]


HIDDEN = (".ansible_tmp4k2p7q1xa.toml", ".#a.toml", ".a.toml", "..toml")
"""What Ansible, Emacs and others leave beside a file."""


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_file_is_passed_over_and_reported(place: Path, name: str) -> None:
    for drop_ins in ("policy.d", "changes.d"):
        write(place / drop_ins / "a.toml", RULE if drop_ins == "policy.d" else "")
        # Emacs locks a file by a link that leads nowhere.
        (place / drop_ins / name).symlink_to("root@host.4711:1")
        write(place / drop_ins / ".notes", "no TOML")
    assert [rule.name for rule in load_policy(place, NOW).policy.rules] == ["a"]
    assert load_changes(place, NOW) == ((), ())
    assert passed_over(place) == (place / "changes.d" / name, place / "policy.d" / name)


def test_nothing_is_passed_over_where_there_are_no_drop_ins(tmp_path: Path) -> None:
    assert passed_over(tmp_path) == ()


@pytest.mark.parametrize(("mode", "shown"), [(0o664, "664"), (0o666, "666"), (0o646, "646")])
def test_a_file_that_others_may_write_is_refused(place: Path, mode: int, shown: str) -> None:
    write(place / "policy.toml", mode=mode)
    with pytest.raises(ConfigError, match=f"writable by others than root .mode {shown}") as caught:
        load_policy(place, NOW)
    assert "chmod go-w" in caught.value.fix


def test_a_file_of_another_account_is_refused(place: Path) -> None:
    os.chown(write(place / "policy.d/a.toml"), PLAIN_UID, 0)
    with pytest.raises(ConfigError, match="owned by uid 65534"):
        load_policy(place, NOW)


def test_a_directory_that_others_may_write_is_refused(place: Path) -> None:
    write(place / "policy.d/a.toml")
    (place / "policy.d").chmod(0o777)
    with pytest.raises(ConfigError, match="writable by others"):
        load_policy(place, NOW)


@pytest.mark.parametrize("rule", ["", RULE])
def test_the_directory_above_the_drop_ins_is_refused_when_others_may_write_it(
    place: Path, rule: str
) -> None:
    if rule:
        write(place / "policy.d/a.toml", rule)
    place.chmod(0o777)
    for problem in ("writable by others than root .mode 777", "owned by uid 65534"):
        with pytest.raises(ConfigError, match=f"castoff: {problem}"):
            load_policy(place, NOW)
        changes, (error,) = load_changes(place, NOW)
        assert (changes, error.problem.partition(": ")[0]) == ((), str(place))
        place.chmod(0o755)
        os.chown(place, PLAIN_UID, 0)


def test_the_directory_above_the_drop_ins_is_not_a_symbolic_link(place: Path) -> None:
    write(place / "policy.d/a.toml")
    place.rename(place.parent / "elsewhere")
    place.symlink_to(place.parent / "elsewhere")
    with pytest.raises(ConfigError, match="castoff: "):
        load_policy(place, NOW)


def test_a_symbolic_link_is_refused(place: Path) -> None:
    target = write(place / "elsewhere")
    (place / "policy.toml").symlink_to(target)
    with pytest.raises(ConfigError, match=r"policy\.toml"):
        load_policy(place, NOW)


def test_a_directory_that_is_a_symbolic_link_is_refused(place: Path) -> None:
    write(place / "policy.d/a.toml")
    (place / "policy.d").rename(place / "elsewhere")
    (place / "policy.d").symlink_to(place / "elsewhere")
    with pytest.raises(ConfigError, match=r"policy\.d"):
        load_policy(place, NOW)


def test_a_fifo_is_refused_at_once(place: Path) -> None:
    os.mkfifo(place / "policy.toml", 0o644)
    with pytest.raises(ConfigError, match="not a regular file"):
        load_policy(place, NOW)


def test_a_file_of_ten_mebibytes_is_refused(place: Path) -> None:
    write(place / "policy.toml", "#" * (10 << 20))
    with pytest.raises(ConfigError, match="larger than"):
        load_policy(place, NOW)


def test_too_many_drop_ins_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_files, "FILES_MAX", 2)
    for number in range(3):
        write(place / f"policy.d/{number}.toml", f"[forbid.r{number}]\n")
    with pytest.raises(ConfigError, match="3 files; at most 2"):
        load_policy(place, NOW)


# --------------------------------------------------------------------------- the last good one


def test_the_last_good_policy_is_kept_with_its_digest(place: Path, tmp_path: Path) -> None:
    write(place / "policy.toml")
    loaded = load_policy(place, NOW)
    save_last_good(tmp_path, loaded.files)
    save_last_good(tmp_path, loaded.files)
    found = load_last_good(tmp_path)
    assert found is not None
    assert found.policy.digest == loaded.policy.digest
    assert [rule.name for rule in found.policy.rules] == ["a"]
    assert (tmp_path / LAST_GOOD).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"name = 'a'", b"name = 'b'"),
        lambda data: data[:-5],
        lambda _: b"[]",
        lambda _: b'{"digest":null,"files":[]}',
        lambda _: b'{"digest":"x","files":[["a",7]]}',
        lambda _: b"\xff",
    ],
)
def test_a_last_good_policy_that_was_changed_counts_no_more(
    place: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    write(place / "policy.toml")
    save_last_good(tmp_path, load_policy(place, NOW).files)
    kept = tmp_path / LAST_GOOD
    kept.write_bytes(spoil(kept.read_bytes()))
    assert load_last_good(tmp_path) is None


SUPPRESSION = """\
[suppress.lab]
finding = "direct-runtime"
until = 2026-12-31
reason = "a test"
"""
DECEMBER = 1_796_083_200 * 1_000_000_000
"""The first of December 2026."""


@pytest.mark.parametrize("early", [0, 1_700_000_000 * 1_000_000_000])
def test_a_policy_that_was_accepted_counts_also_when_the_clock_is_not_set(
    place: Path, tmp_path: Path, early: int
) -> None:
    """A board without a battery boots in 1970, or at the build of its systemd."""
    path = write(place / "policy.toml", SUPPRESSION)
    with pytest.raises(ConfigError, match="more than 90 days ahead"):
        load_policy(place, early)
    accepted = load_policy(place, DECEMBER)
    save_last_good(tmp_path, accepted.files)
    found = load_policy(place, early, last_good_digest(tmp_path))
    assert found.policy.digest == accepted.policy.digest
    last = load_last_good(tmp_path)
    assert last is not None
    assert [rule.name for rule in last.policy.rules] == ["lab"]
    write(path, SUPPRESSION.replace("a test", "another"))
    with pytest.raises(ConfigError, match="more than 90 days ahead"):
        load_policy(place, early, last_good_digest(tmp_path))


def test_without_a_last_good_policy_there_is_none(tmp_path: Path) -> None:
    assert load_last_good(tmp_path) is None
    assert last_good_digest(tmp_path) is None


# --------------------------------------------------------------------------- changes


def test_a_wrong_file_of_changes_costs_no_other(place: Path) -> None:
    good = '[change.A]\nby = "x"\nnot_before = 2026-11-30T09:00:00Z\nnot_after = 2026-12-01\n'
    write(place / "changes.d/a.toml", good)
    write(place / "changes.d/b.toml", "[change.B]\n")
    write(place / "changes.d/c.toml", good.replace("A", "C"), 0o666)
    changes, errors = load_changes(place, NOW)
    assert [change.id for change in changes] == ["A"]
    assert len(errors) == 2
