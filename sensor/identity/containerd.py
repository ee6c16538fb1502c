"""containerd's containers, from the annotations that its clients put into the bundle.

- the CRI plugin annotates every container (pkg/cri/annotations/annotations.go);
- nerdctl passes all labels on as annotations (pkg/labels/labels.go), its own as ``nerdctl/…``;
- ``ctr`` annotates nothing: the image of its containers is in containerd's metadata only.

A pod's labels are on the record of its sandbox (pkg/cri/server/sandbox_run.go), and hold for each
of its containers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.identity.facts import EngineFacts, image_of
from sensor.identity.kubernetes import attempt_from_logs, from_cri
from sensor.model.container import EngineRecord

if TYPE_CHECKING:
    from sensor.identity.containerd_metadata import ContainerdRecord
    from sensor.identity.oci import Bundle
    from sensor.identity.reading import RootReader

_CRI = "io.kubernetes.cri."
_NERDCTL = "nerdctl/"
_RESTART_POLICY = "containerd.io/restart.policy"
_OF_CRI = "io.cri-containerd."
"""Labels that the CRI plugin keeps for itself (pkg/cri/server/helpers.go)."""
_RESERVED = (_NERDCTL, "containerd.io/", "io.containerd.", "io.kubernetes.cri.")


def containerd_facts(
    bundle: Bundle, reading: RootReader, pod_logs: str, record: ContainerdRecord | None = None
) -> EngineFacts:
    """Read what a containerd client left in the bundle's annotations and in its record."""
    if bundle.annotation(f"{_CRI}container-type") is not None:
        facts = _cri(bundle, reading, pod_logs, record)
    elif bundle.annotation(f"{_NERDCTL}namespace") is not None:
        facts = _nerdctl(bundle)
    else:
        facts = EngineFacts()
    if record is None:
        return facts
    return replace(
        facts,
        image=facts.image or image_of(record.image),
        labels=facts.labels if facts.labels is not None else record.labels or None,
        created_wall=facts.created_wall or record.created_wall,
    )


def with_pod_labels(facts: EngineFacts, sandbox: ContainerdRecord | None) -> EngineFacts:
    """Add the labels of the pod, which its sandbox's record has, to those of the container."""
    if facts.orchestrator is None or sandbox is None:
        return facts
    labels = {**dict(sandbox.labels), **dict(facts.labels or ())}
    kept = tuple((key, value) for key, value in labels.items() if not key.startswith(_OF_CRI))
    return replace(facts, labels=kept or None)


def _cri(
    bundle: Bundle, reading: RootReader, pod_logs: str, record: ContainerdRecord | None
) -> EngineFacts:
    orchestrator = from_cri(bundle)
    if orchestrator is not None and orchestrator.container and record is not None:
        # The newest log may be a later attempt's by now.
        attempt = orchestrator.attempt if record.attempt is None else record.attempt
        orchestrator = replace(orchestrator, attempt=attempt)
    if orchestrator is not None and orchestrator.container and orchestrator.attempt is None:
        uid = bundle.annotation(f"{_CRI}sandbox-uid")
        attempt = attempt_from_logs(reading, pod_logs, orchestrator, uid)
        orchestrator = replace(orchestrator, attempt=attempt)
    sandbox = bundle.annotation(f"{_CRI}container-type") == "sandbox"
    return EngineFacts(
        name=bundle.annotation(f"{_CRI}{'sandbox' if sandbox else 'container'}-name"),
        image=image_of(bundle.annotation(f"{_CRI}image-name")),
        orchestrator=orchestrator,
        sandbox=sandbox,
        sandbox_id=bundle.annotation(f"{_CRI}sandbox-id"),
    )


def _nerdctl(bundle: Bundle) -> EngineFacts:
    policy = bundle.annotation(_RESTART_POLICY)
    return EngineFacts(
        name=bundle.annotation(f"{_NERDCTL}name"),
        labels=tuple(
            (key, value) for key, value in bundle.annotations if not key.startswith(_RESERVED)
        ),
        record=EngineRecord(restart_policy=policy) if policy else None,
    )
