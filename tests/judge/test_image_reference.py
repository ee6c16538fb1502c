"""Names of images, split as Docker splits them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.judge.image_reference import ImageReference, parse


@pytest.mark.parametrize(
    ("name", "registry", "path", "tag"),
    [
        ("nginx", "docker.io", "library/nginx", "latest"),
        ("nginx:1.25", "docker.io", "library/nginx", "1.25"),
        ("index.docker.io/nginx", "docker.io", "library/nginx", "latest"),
        ("bitnami/redis:7", "docker.io", "bitnami/redis", "7"),
        ("quay.io/a/b/c:v1", "quay.io", "a/b/c", "v1"),
        ("localhost/x", "localhost", "x", "latest"),
        ("localhost:5000/x", "localhost:5000", "x", "latest"),
        ("10.0.0.1:5000/x/y:2", "10.0.0.1:5000", "x/y", "2"),
        ("registry:5000/x@sha256:ab", "registry:5000", "x", "latest"),
    ],
)
def test_the_parts_of_a_name(name: str, registry: str, path: str, tag: str) -> None:
    found = parse(name)
    assert (found.registry, found.path, found.tag) == (registry, path, tag)


def test_organisation_and_digest() -> None:
    found = parse("quay.io/team/app:1@sha256:ab")
    assert (found.organisation, found.repository) == ("quay.io/team", "quay.io/team/app")
    assert found.digest == "sha256:ab"
    assert parse("quay.io/app").organisation == "quay.io"


@settings(deadline=None)
@given(st.text(max_size=200))
def test_every_text_has_parts(name: str) -> None:
    assert isinstance(parse(name), ImageReference)
