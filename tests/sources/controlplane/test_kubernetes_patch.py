"""What a patch or a whole object changes of a workload, by the kinds of patch of the API server."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.sources.controlplane.kubernetes_objects import RESTARTED_AT
from sensor.sources.controlplane.kubernetes_patch import SpecChange, change_of, patched_images

POINTER = RESTARTED_AT.replace("/", "~1")
"""The annotation in a path of a JSON patch (RFC 6901, 3)."""
ANNOTATION = f"/spec/template/metadata/annotations/{POINTER}"


def patch(*operations: tuple[str, str, Any]) -> list[Any]:
    return [{"op": op, "path": path, "value": value} for op, path, value in operations]


JSON_PATCHES: dict[str, tuple[list[Any], SpecChange]] = {
    "an-image": (
        patch(("replace", "/spec/template/spec/containers/0/image", "x:2")),
        SpecChange(template=True, spec=True),
    ),
    "a-rollout-restart": (
        patch(("add", ANNOTATION, "2026-03-02T09:15:27Z")),
        SpecChange(template=True, restart=True, spec=True),
    ),
    "a-restart-and-an-image": (
        patch(
            ("add", ANNOTATION, "2026-03-02T09:15:27Z"),
            ("replace", "/spec/template/spec/containers/0/image", "x:2"),
        ),
        SpecChange(template=True, spec=True),
    ),
    "replicas": (
        patch(("replace", "/spec/replicas", 5)),
        SpecChange(replicas=True, new_replicas=5, spec=True),
    ),
    "replicas-that-are-no-number": (
        patch(("replace", "/spec/replicas", "many")),
        SpecChange(replicas=True, spec=True),
    ),
    "resume": (patch(("replace", "/spec/paused", False)), SpecChange(resume=True, spec=True)),
    "resume-by-removal": (
        patch(("remove", "/spec/paused", None)),
        SpecChange(resume=True, spec=True),
    ),
    "pause": (patch(("replace", "/spec/paused", True)), SpecChange(spec=True)),
    "suspend": (patch(("add", "/spec/suspend", True)), SpecChange(suspend=True, spec=True)),
    "suspend-removed": (
        patch(("remove", "/spec/suspend", True)),
        SpecChange(suspend=False, spec=True),
    ),
    "the-whole-spec": (
        patch(("replace", "/spec", {"replicas": 3})),
        SpecChange(template=True, replicas=True, new_replicas=3, spec=True, whole=True),
    ),
    "a-label": (patch(("add", "/metadata/labels/a", "b")), SpecChange()),
    "a-test-alone": (patch(("test", "/spec/replicas", 5)), SpecChange()),
    "a-name-that-begins-alike": (
        patch(("replace", "/spec/templateGeneration", 5)),
        SpecChange(spec=True),
    ),
    "what-is-no-operation": (["x", {"op": "add"}, {"op": "add", "path": 7}], SpecChange()),
}


@pytest.mark.parametrize(("body", "change"), JSON_PATCHES.values(), ids=JSON_PATCHES)
def test_a_json_patch_changes_what_its_paths_name(body: list[Any], change: SpecChange) -> None:
    assert change_of(body, "patch") == change


TEMPLATE = {"metadata": {"annotations": {RESTARTED_AT: "2026-03-02T09:15:27Z"}}}

BODIES: dict[str, tuple[dict[str, Any], str, SpecChange]] = {
    "a-rollout-restart": (
        {"spec": {"template": TEMPLATE}},
        "patch",
        SpecChange(template=True, restart=True, spec=True),
    ),
    "another-annotation-beside-it": (
        {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: "x", "a": "b"}}}}},
        "patch",
        SpecChange(template=True, spec=True),
    ),
    "an-image-beside-it": (
        {"spec": {"template": {**TEMPLATE, "spec": {"containers": []}}}},
        "patch",
        SpecChange(template=True, spec=True),
    ),
    "resume": ({"spec": {"paused": None}}, "patch", SpecChange(resume=True, spec=True)),
    "suspend-ended": ({"spec": {"suspend": None}}, "patch", SpecChange(suspend=False, spec=True)),
    "an-applied-object": (
        {"spec": {"selector": {}, "template": {}, "replicas": 2}},
        "patch",
        SpecChange(template=True, replicas=True, new_replicas=2, spec=True, whole=True),
    ),
    "an-update-without-a-spec": ({"metadata": {}}, "update", SpecChange(whole=True)),
    "labels-alone": ({"metadata": {"labels": {}}}, "patch", SpecChange()),
}


@pytest.mark.parametrize(("body", "verb", "change"), BODIES.values(), ids=BODIES)
def test_a_merge_patch_or_an_object_changes_the_fields_that_it_has(
    body: dict[str, Any], verb: str, change: SpecChange
) -> None:
    assert change_of(body, verb) == change


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (patch(("replace", "/spec/containers/0/image", "x:2")), True),
        (patch(("replace", "/spec/initContainers/12/image", "x:2")), True),
        (patch(("replace", "/spec/containers/0/name", "x")), False),
        (patch(("test", "/spec/containers/0/image", "x:1")), False),
        ({"spec": {"containers": [{"name": "a", "image": "x:2"}]}}, True),
        ({"spec": {"initContainers": [{"image": "x:2"}]}}, True),
        ({"spec": {"containers": [{"name": "a"}]}}, False),
        ({"metadata": {}}, False),
    ],
)
def test_a_pod_is_patched_with_an_image_or_not(body: Any, *, changed: bool) -> None:
    assert patched_images(body) is changed
