"""What the body of a patch or an update of a workload changes.

A body may be an object (merge, strategic merge, server-side apply, update) or a list (JSON Patch,
RFC 6902). ``null`` is a value: ``{"spec":{"paused":null}}`` resumes a Deployment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.sources.controlplane.json_text import LIST_LIMIT, Json, number, rows, table, text
from sensor.sources.controlplane.kubernetes_objects import RESTARTED_AT, containers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.control_plane import RequestContainer

_IMAGE_PATH = re.compile(r"/spec/(initContainers|containers)/(\d{1,4})/image")
_ADDED_PATH = re.compile(r"(?:/spec)?/ephemeralContainers(/(?:-|\d+))?")
"""Without ``/spec`` of the kind EphemeralContainers, which the API had before 1.22."""
_ADDED = "ephemeralContainers"
_ABSENT = object()


@quick
@dataclass(frozen=True, slots=True)
class SpecChange:
    """What a body touches of a workload's spec."""

    template: bool = False
    restart: bool = False
    """The only change of the template is the annotation of ``kubectl rollout restart``."""
    replicas: bool = False
    new_replicas: int | None = None
    resume: bool = False
    suspend: bool | None = None
    """The new value of a Job's or CronJob's ``spec.suspend``."""
    spec: bool = False
    whole: bool = False
    """The body is a whole object, so that it touches fields whose values stay."""
    partition: bool = False
    """Of a StatefulSet: the number of pods that keep the old template."""


def change_of(body: Json | list[Any], verb: str | None) -> SpecChange:
    """Return what a body of a workload changes."""
    if isinstance(body, list):
        return _json_patch(body)
    spec = body.get("spec")
    if type(spec) is not dict:
        return SpecChange(whole=verb == "update")
    template = table(spec, "template")
    whole = verb == "update" or ("selector" in spec and "template" in spec)
    suspend = spec.get("suspend", _ABSENT)
    return SpecChange(
        template="template" in spec,
        restart=_only_restart(template),
        replicas="replicas" in spec,
        new_replicas=number(spec, "replicas"),
        resume="paused" in spec and spec["paused"] in (None, False),
        suspend=None if suspend is _ABSENT else suspend is True,
        spec=bool(spec),
        whole=whole,
        partition="partition" in table(table(spec, "updateStrategy"), "rollingUpdate"),
    )


def _only_restart(template: Json) -> bool:
    annotations = table(table(template, "metadata"), "annotations")
    return (
        RESTARTED_AT in annotations
        and len(annotations) == 1
        and set(template) == {"metadata"}
        and set(table(template, "metadata")) <= {"annotations", "creationTimestamp"}
    )


def _json_patch(body: list[Any]) -> SpecChange:
    template = replicas = resume = spec = whole = partition = False
    restart = True
    count: int | None = None
    suspend: bool | None = None
    for path, operation in _operations(body):
        removed = operation.get("op") == "remove"
        if path in {"", "/", "/spec"}:
            whole = template = replicas = spec = True
            restart = False
            count = number(table(operation, "value"), "replicas")
        elif path.startswith("/spec/"):
            spec = True
            if path == "/spec/template" or path.startswith("/spec/template/"):
                template = True
                restart = restart and _restarts(path, operation.get("value"))
            elif path == "/spec/replicas":
                replicas, count = True, number(operation, "value")
            elif path.startswith("/spec/updateStrategy"):
                partition = True
            elif path == "/spec/paused":
                resume = removed or operation.get("value") in (None, False)
            elif path == "/spec/suspend":
                suspend = not removed and operation.get("value") is True
    restart = template and restart
    return SpecChange(template, restart, replicas, count, resume, suspend, spec, whole, partition)


def _restarts(path: str, value: object) -> bool:
    """Return whether an operation gives a template the annotation of a restart, and no more."""
    if path == "/spec/template/metadata/annotations":
        return type(value) is dict and set(value) == {RESTARTED_AT}
    return path.endswith(RESTARTED_AT.replace("/", "~1"))


def _operations(body: list[Any]) -> Iterator[tuple[str, Json]]:
    for operation in body[:LIST_LIMIT]:
        if type(operation) is dict and operation.get("op") != "test":
            path = operation.get("path")
            if type(path) is str:
                yield path, operation


def patched_images(body: Json | list[Any]) -> bool:
    """Return whether a patch of a pod gives one of its containers an image."""
    if isinstance(body, list):
        return any(_IMAGE_PATH.fullmatch(path) for path, _ in _operations(body))
    spec = table(body, "spec")
    return any(
        text(item, "image") is not None
        for key in ("initContainers", "containers")
        for item in rows(spec, key)
    )


def images_set(body: list[Any], spec: Json) -> tuple[RequestContainer, ...]:
    """Return the containers whose image a JSON Patch of a pod sets; ``spec``: the pod's after it.

    The patch has their places alone, so without the pod they are unknown.
    """
    found: list[RequestContainer] = []
    for path, _ in _operations(body):
        place = _IMAGE_PATH.fullmatch(path)
        if place is not None:
            listed, index = rows(spec, place.group(1)), int(place.group(2))
            found += containers({place.group(1): listed[index : index + 1]})
    return tuple(found)


def template_set(body: Json | list[Any]) -> Json:
    """Return the PodSpec that a JSON Patch of a workload sets as a whole, as an undo does."""
    for path, operation in _operations(body if isinstance(body, list) else []):
        if path == "/spec/template":
            return table(table(operation, "value"), "spec")
    return {}


def added_containers(body: Json | list[Any]) -> tuple[RequestContainer, ...]:
    """Return the debug containers in a body, in each form that a version of the API takes."""
    if isinstance(body, dict):
        holder = body if body.get("kind") == "EphemeralContainers" else table(body, "spec")
        return containers({_ADDED: holder.get(_ADDED)})
    added: list[object] = []
    for path, operation in _operations(body):
        place = _ADDED_PATH.fullmatch(path)
        if place is not None:
            value = operation.get("value")
            added += [value] if place.group(1) else value if type(value) is list else []
    return containers({_ADDED: added})
