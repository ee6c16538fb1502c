"""The words for what control planes record."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import Owner, task_definition


@pytest.mark.parametrize(
    ("family", "revision", "owner"),
    [
        ("web", "7", Owner("TaskDefinition", "web:7")),
        ("web", None, Owner("TaskDefinition", "web")),
        (None, "7", None),
        ("", "7", None),
    ],
)
def test_a_task_definition_is_named_by_family_and_revision(
    family: str | None, revision: str | None, owner: Owner | None
) -> None:
    assert task_definition(family, revision) == owner
