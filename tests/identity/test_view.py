"""Whose root it is, and for how long it stays open."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.identity.roots import NAMESPACES
from sensor.identity.settings import IdentitySettings
from sensor.identity.view import View, Views
from sensor.model.process import ProcessKey
from tests.identity.sample_node import Node, open_descriptors, own_key, request_for

GONE = ProcessKey(2**22 + 1, 5)
HOST = 1
"""The host's mount namespace in these tests."""


@pytest.fixture
def settings(node: Node) -> IdentitySettings:
    return replace(node.settings, host_mnt_ns=HOST)


def test_the_hosts_root_is_one_descriptor_for_all(settings: IdentitySettings) -> None:
    before = open_descriptors()
    views = Views(settings)
    for reader, mnt_ns in ((None, None), (own_key(), HOST), (own_key(), None), (None, 2)):
        view = views.open(request_for("/b", reader=reader, mnt_ns=mnt_ns), [])
        assert view is not None
        assert (view.foreign, view.lost) == (False, False)
        view.close()
    assert open_descriptors() == before + 1
    del views
    assert open_descriptors() == before


def test_a_foreign_root_is_closed_after_use(settings: IdentitySettings) -> None:
    views = Views(settings)
    before = open_descriptors()
    view = views.open(request_for("/b", reader=own_key(), mnt_ns=2), [])
    assert view is not None
    assert view.foreign
    assert os.path.samestat(os.fstat(view.root), Path("/").stat())
    view.close()
    assert open_descriptors() == before


def test_of_a_foreign_reader_that_is_gone_the_host_is_tried(settings: IdentitySettings) -> None:
    problems: list[str] = []
    views = Views(settings)
    lost = views.open(request_for("/b", reader=GONE, mnt_ns=2), problems)
    other = views.open(request_for("/b"), problems)
    assert lost is not None
    assert other == View(lost.root, kept=True)
    assert lost == replace(other, lost=True)
    assert problems == ["process_root:process_gone"]


def test_without_a_root_there_is_not_a_view(tmp_path: Path) -> None:
    problems: list[str] = []
    views = Views(IdentitySettings(host_root=str(tmp_path / "none"), host_mnt_ns=HOST))
    assert views.open(request_for("/b"), problems) is None
    assert problems == ["host_root:missing"]


@pytest.mark.parametrize(
    ("reader", "mnt_ns", "expected"),
    [(None, HOST, NAMESPACES), (GONE, HOST, NAMESPACES), (None, 2, None), (GONE, 2, None)],
)
def test_what_is_unknown_is_shared_unless_the_reader_is_foreign(
    settings: IdentitySettings,
    reader: ProcessKey | None,
    mnt_ns: int,
    expected: tuple[str, ...] | None,
) -> None:
    request = request_for("/b", reader=reader, mnt_ns=mnt_ns)
    assert Views(settings).shared(request, configured=()) == expected
