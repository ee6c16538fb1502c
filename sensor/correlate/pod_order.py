"""What the order of a pod's containers shows of them: which one was an init container.

Neither an engine nor kubelet writes on a node what a container is within its pod. Kubelet's order
shows some of it (computePodActions): it runs the init containers first, one at a time, and each has
to end with 0 before kubelet creates the next container. So a container is an init container,
inferred, under these conditions:

1. before it the sandbox had no other containers than such ones;
2. no other started beside it, and it ended with 0;
3. then another container of the sandbox started, of another name and for the first time.

A main container that ends with 0 before kubelet has started the next one looks the same: that is
why it is inferred. If it starts again in the same sandbox, it was none. A sidecar runs beside the
others as a main container does: nothing distinguishes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.vocabulary import ContainerType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.correlate.containers import ContainerState
    from sensor.model.container import Orchestrator
    from sensor.model.vocabulary import ContainerId


def place_in_order(
    state: ContainerState,
    claim: Orchestrator,
    sandbox: ContainerId | None,
    members: Iterable[ContainerState],
) -> ContainerState | None:
    """Take note of a container that starts in a sandbox; return the init container before it.

    ``members`` are the latest containers of each name in its pod.
    """
    if sandbox is None or claim.container is None:
        return None
    before: ContainerState | None = None
    leads = True
    for one in members:
        if one is state or one.pod_container is None or _sandbox_of(one) != sandbox:
            continue
        if one.pod_container == claim.container:
            if one.by_order is not None:
                one.by_order, leads = None, False
            continue
        if one.by_order is None and claim.attempt == 0 and _is_over(one):
            one.by_order = ContainerType.INIT
            before = one
        # Nothing starts beside an init container.
        one.leads = one.leads and not one.alive
        leads = leads and one.by_order is ContainerType.INIT
    state.leads = leads
    return before


def _is_over(one: ContainerState) -> bool:
    run = one.last_run
    return one.leads and not one.alive and run is not None and run.exit_code == 0


def _sandbox_of(one: ContainerState) -> ContainerId | None:
    if one.alive:
        return one.description.sandbox_id if one.description is not None else None
    return one.last_run.sandbox if one.last_run is not None else None
