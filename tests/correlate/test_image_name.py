"""Two references are to one image if Docker would spell them out alike."""

from __future__ import annotations

import pytest

from sensor.correlate.image_name import is_same_image, spelled_out
from sensor.model.container import Image

SPELLED = {
    "nginx": "docker.io/library/nginx:latest",
    "nginx:1.25": "docker.io/library/nginx:1.25",
    "me/app": "docker.io/me/app:latest",
    "docker.io/nginx": "docker.io/library/nginx:latest",
    "ghcr.io/me/app:2": "ghcr.io/me/app:2",
    "localhost/app": "localhost/app:latest",
    "host:5000/app": "host:5000/app:latest",
    "nginx@sha256:ab": "docker.io/library/nginx@sha256:ab",
    "sha256:ab": "sha256:ab",
}


@pytest.mark.parametrize(("name", "whole"), SPELLED.items(), ids=SPELLED)
def test_a_reference_is_spelled_out(name: str, whole: str) -> None:
    assert spelled_out(name) == whole
    assert spelled_out(whole) == whole


def test_an_image_is_called_by_any_of_its_spellings_or_by_its_id() -> None:
    image = Image("docker.io/library/nginx:latest", "sha256:4f2dabcd")
    for wanted in ("nginx", "nginx:latest", "4f2d", "sha256:4f2dabcd"):
        assert is_same_image(wanted, image)
    for wanted in ("nginx:1.25", "redis", "ffff"):
        assert not is_same_image(wanted, image)


def test_what_is_unknown_contradicts_nothing() -> None:
    assert is_same_image(None, Image("nginx", None))
    assert is_same_image("nginx", None)
    assert is_same_image("nginx", Image(None, "sha256:ab"))
