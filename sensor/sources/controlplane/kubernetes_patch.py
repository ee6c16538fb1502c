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
from sensor.sources.controlplane.kubernetes_objects import RESTARTED_AT

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMAGE_PATH = re.compile(r"/spec/(?:initContainers|containers)/\d+/image")
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
    template = replicas = resume = spec = whole = False
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
                restart = restart and path.endswith(RESTARTED_AT.replace("/", "~1"))
            elif path == "/spec/replicas":
                replicas, count = True, number(operation, "value")
            elif path == "/spec/paused":
                resume = removed or operation.get("value") in (None, False)
            elif path == "/spec/suspend":
                suspend = not removed and operation.get("value") is True
    return SpecChange(template, template and restart, replicas, count, resume, suspend, spec, whole)


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
