"""What an engine's own state adds to the OCI bundle; the common result of the engine readers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.cgroup import parse
from sensor.identity.kubernetes import pod_source
from sensor.identity.redact import redact_labels
from sensor.identity.text import bounded_labels, known
from sensor.model.container import EngineRecord, Image, Orchestrator

if TYPE_CHECKING:
    from sensor.model.control_plane import Owner


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """As in ``model.Description``; None is unknown.

    Strings are as the engine wrote them until :func:`bounded_facts` had them.
    """

    name: str | None = None
    image: Image | None = None
    labels: tuple[tuple[str, str], ...] | None = None
    created_wall: int | None = None
    orchestrator: Orchestrator | None = None
    sandbox: bool = False
    sandbox_id: str | None = None
    record: EngineRecord | None = None
    privileged: bool | None = None
    host_namespaces: tuple[str, ...] = ()
    """Namespaces that the engine shares with the host as configured, by OCI name."""


def image_of(
    name: str | None, image_id: str | None = None, digest: str | None = None
) -> Image | None:
    """Make an image of what is known of it; None if that is nothing.

    A name that is only an id or a digest is dropped. ``image_id`` is ``sha256:…`` or bare hex. A
    name without a digest may be what an engine made of one, so that does not mean unpinned.
    """
    if image_id is not None and is_hex_digest(image_id):
        image_id = f"sha256:{image_id}"
    pinned = None
    if name is not None:
        name, at, wanted = name.partition("@")
        pinned = True if at else None
        if digest is None and wanted.startswith("sha256:"):
            digest = wanted
        if name.startswith("sha256:") or is_hex_digest(name):
            image_id, name, pinned = image_id or _prefixed(name), None, True
        elif image_id is not None and image_id.startswith(f"sha256:{name}") and _is_short_id(name):
            name, pinned = None, True
    if not (name or image_id or digest):
        return None
    return Image(name=name or None, id=image_id or None, digest=digest or None, pinned=pinned)


def is_hex_digest(text: str) -> bool:
    """Return whether ``text`` is a bare SHA-256 in hex."""
    return len(text) == _DIGEST_LENGTH and not set(text) - _HEX


_DIGEST_LENGTH = 64
_SHORT_ID = 12
_HEX = frozenset("0123456789abcdef")


def _is_short_id(name: str) -> bool:
    return len(name) >= _SHORT_ID and not set(name) - _HEX


def _prefixed(digest: str) -> str:
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def bounded_facts(facts: EngineFacts, cgroup: str | None) -> EngineFacts:
    """Return the facts with every string bounded and no secret in a label.

    The pod's uid is taken from the cgroup path where the engine does not have it.
    """
    record = facts.record
    if record is not None and record.restart_policy is not None:
        policy = known(record.restart_policy)
        if policy != record.restart_policy:
            record = replace(record, restart_policy=policy)
    image = facts.image
    if image is not None:
        image = Image(known(image.name), known(image.id), known(image.digest), image.pinned)
    labels = facts.labels
    if labels:
        labels = redact_labels(bounded_labels(labels))
    return EngineFacts(
        name=known(facts.name),
        image=image,
        labels=labels,
        created_wall=facts.created_wall,
        orchestrator=_bounded_pod(facts.orchestrator, cgroup),
        sandbox=facts.sandbox,
        sandbox_id=known(facts.sandbox_id),
        record=record,
        privileged=facts.privileged,
        host_namespaces=facts.host_namespaces,
    )


def _bounded_pod(pod: Orchestrator | None, cgroup: str | None) -> Orchestrator | None:
    if pod is None:
        return None
    uid = pod.pod_uid
    if uid is None and cgroup is not None:
        identity = parse(cgroup)
        uid = identity.pod_uid if identity is not None else None
    return replace(
        pod,
        namespace=known(pod.namespace),
        pod=known(pod.pod),
        pod_uid=known(uid),
        container=known(pod.container),
        source=pod.source or pod_source(uid),
        owner=_bounded_owner(pod.owner),
    )


def _bounded_owner(owner: Owner | None) -> Owner | None:
    name = known(owner.name) if owner is not None else None
    return replace(owner, name=name) if owner is not None and name is not None else None
