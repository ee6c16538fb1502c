"""What people call a container: its id, its name, its pod, its workload.

A reference means, and the first that fits is taken:

1. the whole id;
2. the whole name of a container, sandboxes excepted;
3. all containers of a pod: ``pod`` or ``namespace/pod``;
4. all containers of a workload: ``Deployment/web``, ``web`` or ``namespace/web``;
5. the whole name of a sandbox;
6. the beginning of an id, of a name or of a pod's name; of a sandbox only if nothing else fits.

Several containers may have had one name, so that the one which runs is meant. A pod's sandbox is
meant only where nothing else of the pod is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.api.view import ContainerView


def find(containers: Sequence[ContainerView], reference: str) -> list[ContainerView]:
    """Return the containers that a reference may mean: none, the one, or several."""
    if not reference:
        return []
    for fits, several in _MEANINGS:
        found = [one for one in containers if fits(one, reference)]
        if found:
            alive = [one for one in found if one.alive]
            return alive if alive and (several or len(alive) == 1) else found
    found = [one for one in containers if _begins(one, reference)]
    return [one for one in found if not one.sandbox or one.id.startswith(reference)] or found


def called(one: ContainerView) -> str | None:
    """Return what distinguishes a container for people: in a pod its namespace, pod and name."""
    if one.pod is None or one.sandbox:
        return one.name
    return "/".join(part for part in (one.namespace, one.pod, one.pod_container) if part)


def is_group(found: Sequence[ContainerView], reference: str) -> bool:
    """Whether a reference means several containers that belong together: a pod, a workload."""
    return bool(found) and any(
        all(fits(one, reference) for one in found) for fits, several in _MEANINGS if several
    )


def latest(found: Sequence[ContainerView]) -> ContainerView:
    """Return the container that started last."""
    return max(found, key=lambda one: one.started or "")


def _begins(one: ContainerView, reference: str) -> bool:
    names = (one.id, one.name or "", one.pod or "", f"{one.namespace}/{one.pod}")
    return any(name.startswith(reference) for name in names)


def _of_id(one: ContainerView, reference: str) -> bool:
    return one.id == reference


def _named(one: ContainerView, reference: str) -> bool:
    return one.name == reference and not one.sandbox


def _in_pod(one: ContainerView, reference: str) -> bool:
    if one.pod is None or one.sandbox:
        return False
    return reference in (one.pod, f"{one.namespace}/{one.pod}")


def _in_workload(one: ContainerView, reference: str) -> bool:
    if one.owner is None or one.sandbox:
        return False
    name = one.owner.partition("/")[2]
    return reference in (one.owner, name, f"{one.namespace}/{name}", f"{one.namespace}/{one.owner}")


def _of_sandbox(one: ContainerView, reference: str) -> bool:
    return one.name == reference or (
        one.pod is not None and reference in (one.pod, f"{one.namespace}/{one.pod}")
    )


_MEANINGS: tuple[tuple[Callable[[ContainerView, str], bool], bool], ...] = (
    (_of_id, False),
    (_named, False),
    (_in_pod, True),
    (_in_workload, True),
    (_of_sandbox, False),
)
"""What a reference may mean, and whether it means several containers at once."""
