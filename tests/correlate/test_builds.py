"""A step of a build has BuildKit's id, its bundle and a builder above it: all three."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.correlate.builds import is_step
from sensor.correlate.containers import Creation
from sensor.correlate.runtime_command import RuntimeCommand, parse
from tests.correlate.observations import ancestor, facts

STEP = "k3v8x1q9z7m2b4n6p0r5t1w8y"
BUNDLE = "/var/lib/docker/buildkit/executor/" + STEP


def creation(id_: str = STEP, bundle: str = BUNDLE, above: str = "dockerd") -> Creation:
    argv = ("runc", "--log", "/x", "run", "--bundle", bundle, id_)
    command = parse(argv)
    assert isinstance(command, RuntimeCommand)
    process = replace(facts(9, 0), ancestors=(ancestor(above),) if above else ())
    return Creation(0, 1, command, "runc", process, argv)


def test_what_buildkit_runs_is_a_step() -> None:
    assert is_step(creation())
    assert is_step(creation(bundle=f"/tmp/runc-x1/executor/{STEP}", above="buildkitd"))


@pytest.mark.parametrize(
    "other",
    [
        creation(id_="4f2d" * 16),
        creation(bundle="/run/containerd/io.containerd.runtime.v2.task/moby/x"),
        creation(above="bash"),
        creation(above=""),
    ],
    ids=["id", "bundle", "parent", "no-parent"],
)
def test_what_lacks_one_of_the_three_is_a_container(other: Creation) -> None:
    assert not is_step(other)
