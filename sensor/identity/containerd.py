"""containerd's containers, from the annotations that its clients put into the bundle.

containerd's own metadata is a bbolt database that only its daemon can read consistently, but:

- the CRI plugin annotates every container (pkg/cri/annotations/annotations.go);
- nerdctl passes all labels on as annotations (pkg/labels/labels.go), its own as ``nerdctl/…``;
- ``ctr`` leaves nothing behind: name and image of its containers stay unknown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.identity.facts import EngineFacts, image_of
from sensor.identity.kubernetes import attempt_from_logs, from_cri
from sensor.model.container import EngineRecord

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle
    from sensor.identity.reading import Reading

_CRI = "io.kubernetes.cri."
_NERDCTL = "nerdctl/"
_RESTART_POLICY = "containerd.io/restart.policy"
_RESERVED = (_NERDCTL, "containerd.io/", "io.containerd.", "io.kubernetes.cri.")


def containerd_facts(bundle: Bundle, reading: Reading, pod_logs: str) -> EngineFacts:
    """Read what a containerd client left in the bundle's annotations."""
    if bundle.annotation(f"{_CRI}container-type") is not None:
        return _cri(bundle, reading, pod_logs)
    if bundle.annotation(f"{_NERDCTL}namespace") is not None:
        return _nerdctl(bundle)
    return EngineFacts()


def _cri(bundle: Bundle, reading: Reading, pod_logs: str) -> EngineFacts:
    orchestrator = from_cri(bundle)
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
