"""Image references are taken apart as the registry's grammar has them."""

from __future__ import annotations

import pytest

from sensor.outputs.formats.image import repository_of, tag_of

PARTS = {
    "plain": ("nginx", "nginx", None),
    "tag": ("nginx:1.25", "nginx", "1.25"),
    "port": ("host:5000/app", "host:5000/app", None),
    "port-and-tag": ("host:5000/team/app:2", "host:5000/team/app", "2"),
    "digest": ("nginx@sha256:ab", "nginx", None),
    "tag-and-digest": ("nginx:1@sha256:ab", "nginx", "1"),
}


@pytest.mark.parametrize(("name", "repository", "tag"), PARTS.values(), ids=PARTS)
def test_a_reference_has_a_repository_and_perhaps_a_tag(
    name: str, repository: str, tag: str | None
) -> None:
    assert repository_of(name) == repository
    assert tag_of(name) == tag


def test_an_unknown_image_has_no_tag() -> None:
    assert tag_of(None) is None
