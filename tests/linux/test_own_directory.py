"""A directory is the agent's own if no other user can put, rename or remove anything there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.linux.own_directory import stranger_in, trusted_users
from tests.linux.places import own_place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of other users")


def test_root_and_the_agents_user_are_trusted() -> None:
    assert {0, os.geteuid()} <= trusted_users()


def test_a_directory_of_root_is_its_own() -> None:
    with own_place() as place:
        assert stranger_in(place) is None


@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [
        (0o755, 65_534, "belongs to uid 65534"),
        (0o777, 0, "others may write it (mode 0777)"),
        (0o1777, 0, "others may write it (mode 1777)"),
    ],
    ids=["owner", "mode", "sticky-at-the-end"],
)
def test_the_component_that_another_user_could_change_is_named(
    mode: int, owner: int, reason: str
) -> None:
    with own_place() as place:
        place.chmod(mode)
        os.chown(place, owner, 0)
        found = stranger_in(place)
        assert found is not None
        assert (found.path, found.reason) == (place, reason)


def test_a_parent_counts_and_a_sticky_one_is_passed() -> None:
    with own_place() as place:
        inner = place / "inner"
        inner.mkdir()
        place.chmod(0o1777)
        assert stranger_in(inner) is None
        place.chmod(0o777)
        found = stranger_in(inner)
        assert found is not None
        assert found.path == place


def test_a_link_is_judged_where_it_leads(tmp_path: Path) -> None:
    with own_place() as place:
        place.chmod(0o777)
        link = tmp_path / "link"
        link.symlink_to(place)
        found = stranger_in(link)
        assert found is not None
        assert found.path == place


def test_a_path_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        stranger_in(Path("/no/such/directory"))
