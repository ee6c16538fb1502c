"""What an object reference says is what each of its members says."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sensor.sources.controlplane.json_text import TEXT_LIMIT, text
from sensor.sources.controlplane.kubernetes_objects import api_group, target_of

NAMES = ("resource", "subresource", "namespace", "name", "uid")
KEYS = st.sampled_from((*NAMES, "apiGroup", "apiVersion", "resourceVersion"))
VALUES = st.none() | st.integers() | st.sampled_from(("", "v1", "apps/v1", "/v1")) | st.text()


@given(st.dictionaries(KEYS, VALUES))
@example({"resource": "pods", "apiVersion": "v1"})
@example({"resource": "jobs", "apiVersion": "batch/v1"})
@example({"resource": "jobs", "apiGroup": "batch", "apiVersion": "example.com/v1"})
@example({"resource": "pods", "name": "x" * (TEXT_LIMIT + 1), "apiVersion": "v1"})
@example({"resource": ["pods"], "apiGroup": 1})
def test_a_reference_is_read_as_its_members_are(target: dict[str, object]) -> None:
    apart = tuple(text(target, name) for name in NAMES)
    assert target_of(target) == (*apart, api_group(target))
