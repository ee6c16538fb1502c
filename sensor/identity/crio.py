"""CRI-O's containers, whose whole description is in the bundle's annotations.

Source: cri-o internal/factory/container and internal/annotations (``io.kubernetes.cri-o.*``).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.identity.document import JsonDocument, parse_text
from sensor.identity.facts import EngineFacts, image_of, is_hex_digest
from sensor.identity.files import Failure
from sensor.identity.kubernetes import MAX_ATTEMPT, from_labels
from sensor.identity.timestamp import wall_time
from sensor.model.vocabulary import PodSource

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle
    from sensor.model.container import Image, Orchestrator

_CRIO = "io.kubernetes.cri-o."
_LOG_NAME = re.compile(r".*/([0-9]{1,10})\.log", re.DOTALL)


def crio_facts(bundle: Bundle) -> EngineFacts:
    """Read the annotations of CRI-O."""
    labels = _json(bundle.annotation(f"{_CRIO}Labels"))
    metadata = _json(bundle.annotation(f"{_CRIO}Metadata"))
    sandbox = bundle.annotation(f"{_CRIO}ContainerType") == "sandbox"
    return EngineFacts(
        name=_name(bundle, metadata, sandbox=sandbox),
        image=_image(bundle),
        labels=labels.pairs() if labels is not None else None,
        created_wall=wall_time(bundle.annotation(f"{_CRIO}Created")),
        orchestrator=_orchestrator(bundle, metadata, sandbox=sandbox),
        sandbox=sandbox,
        sandbox_id=bundle.annotation(f"{_CRIO}SandboxID"),
    )


def _name(bundle: Bundle, metadata: JsonDocument | None, *, sandbox: bool) -> str | None:
    if sandbox:
        return bundle.annotation(f"{_CRIO}KubeName") or bundle.annotation("io.kubernetes.pod.name")
    return (
        bundle.annotation("io.kubernetes.container.name")
        or (metadata.text("name") if metadata is not None else None)
        or bundle.annotation(f"{_CRIO}ContainerName")
    )


def _image(bundle: Bundle) -> Image | None:
    """Read the image: ``ImageRef`` is its id or, in newer versions, a digest of its repository."""
    name = bundle.annotation(f"{_CRIO}ImageName") or bundle.annotation(f"{_CRIO}Image")
    reference = bundle.annotation(f"{_CRIO}ImageRef") or ""
    if is_hex_digest(reference) or reference.startswith("sha256:"):
        return image_of(name, reference)
    digest = reference.partition("@")[2]
    return image_of(name, digest=digest if digest.startswith("sha256:") else None)


def _orchestrator(
    bundle: Bundle, metadata: JsonDocument | None, *, sandbox: bool
) -> Orchestrator | None:
    found = from_labels(bundle.annotations)
    if found is not None:
        found = _with_origin(found, bundle)
    if found is None or sandbox:
        return found if found is None else replace(found, container=None, attempt=None)
    if found.container is None and metadata is not None:
        found = replace(found, container=metadata.text("name"))
    if found.attempt is None:
        found = replace(found, attempt=_attempt(bundle, metadata))
    return found


def _with_origin(pod: Orchestrator, bundle: Bundle) -> Orchestrator:
    """Separate static pods of a file and of a URL, which a sandbox's annotations do."""
    annotations = _json(bundle.annotation(f"{_CRIO}Annotations"))
    source = annotations.text("kubernetes.io/config.source") if annotations is not None else None
    if source in ("file", "http") and pod.source is PodSource.FILE:
        pod = replace(pod, source=PodSource(source))
    return pod


def _attempt(bundle: Bundle, metadata: JsonDocument | None) -> int | None:
    number = metadata.number("attempt") if metadata is not None else None
    if number is None:
        log = _LOG_NAME.fullmatch(bundle.annotation(f"{_CRIO}LogPath") or "")
        number = int(log[1]) if log else None
    return number if number is not None and 0 <= number <= MAX_ATTEMPT else None


def _json(text: str | None) -> JsonDocument | None:
    value = parse_text(text) if text else Failure.MISSING
    return value if isinstance(value, JsonDocument) else None
