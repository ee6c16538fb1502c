"""Texts that begin with an owner."""

from __future__ import annotations

import pytest

from sensor.model.account import OWNER_MAX, apart, inside, of_owner, owner_in, without_owner


@pytest.mark.parametrize("owner", ["uid 1000", "in name/dind", "subordinate uids"])
def test_an_owner_is_read_out_of_the_key_that_begins_with_it(owner: str) -> None:
    key = of_owner(owner, "name/uid 7: web")
    assert key == f"{owner}: name/uid 7: web"
    assert owner_in(key) == owner
    assert without_owner(key, owner) == "name/uid 7: web"
    assert apart(key, owner) == key
    assert apart("node", owner) == f"{owner}: node"


@pytest.mark.parametrize("key", ["name/web", "image/x", "unit/a: b", "k8s/uid 1: x/y", "uid", ""])
def test_a_key_of_roots_has_no_owner(key: str) -> None:
    assert owner_in(key) is None
    assert apart(key, None) == key
    assert without_owner(key, None) == key


def test_an_outer_workload_that_holds_the_mark_is_still_one_owner() -> None:
    owner = inside("uid 1000: name/dind")
    assert owner_in(of_owner(owner, "name/web")) == owner
    assert len(inside("name/" + "x" * 400)) == OWNER_MAX
