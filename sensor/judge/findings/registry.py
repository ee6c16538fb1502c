"""Every finding by its id. A new one is one file beside this, one line here, and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.judge.findings import (
    burst,
    changed_registry,
    crash_loop,
    direct_runtime,
    dormant,
    engine_namespace,
    engine_socket,
    failed_starts,
    forbidden,
    hidden_start,
    late_container,
    local_image,
    new_container_in_pod,
    new_entrypoint,
    new_initiator,
    new_person,
    new_privilege,
    no_explanation,
    outside_window,
    restart_storm,
    restored,
    sensor_tampering,
    slow_change,
    static_pod,
    unapproved_image,
    unknown_runtime,
    unpinned_image,
    unusual_combination,
    wide_change,
    workload_flood,
)

if TYPE_CHECKING:
    from sensor.judge.findings.kind import FindingKind
    from sensor.model.vocabulary import Finding

KINDS: dict[Finding, FindingKind] = {
    one.KIND.finding: one.KIND
    for one in (
        hidden_start,
        direct_runtime,
        engine_namespace,
        unknown_runtime,
        sensor_tampering,
        engine_socket,
        restored,
        dormant,
        new_privilege,
        new_initiator,
        new_person,
        new_entrypoint,
        new_container_in_pod,
        late_container,
        static_pod,
        local_image,
        changed_registry,
        unusual_combination,
        slow_change,
        burst,
        workload_flood,
        forbidden,
        outside_window,
        unapproved_image,
        unpinned_image,
        no_explanation,
        wide_change,
        crash_loop,
        restart_storm,
        failed_starts,
    )
}
"""In the order in which one is chosen to name an alert, among those of one severity."""
