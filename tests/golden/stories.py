"""The story of each golden capture: one line an event, as a person would say it."""

from __future__ import annotations

FRESH = ("the probes are attached", "the inventory has 0")
BY_RUN = "user_command, inferred, inferred: docker run"
BY_RUN_NAMED = "user_command, exact, exact: docker run"
BY_START = "user_command, exact, exact: docker start"
BY_RESTART = "user_command, exact, exact: docker restart"
BY_RUNC = "direct_runtime, exact, exact"

BY_KUBELET = "by orchestrator, exact, none"
ASKED_BY_KUBELET = "by orchestrator, exact, exact: kubelet"
STORIES: dict[str, tuple[str, ...]] = {
    "docker_run": (*FRESH, f"web starts, first, attempt 0, by {BY_RUN_NAMED}"),
    "docker_short_lived": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 0",
    ),
    "docker_restart_command": (
        *FRESH,
        f"web starts, first, attempt 0, by {BY_RUN_NAMED}",
        "web stops: signal 9",
        f"web starts, restart after signal 9, attempt 0, by {BY_RESTART}",
    ),
    "docker_start_stopped": (
        *FRESH,
        f"job starts, first, attempt 0, by {BY_RUN_NAMED}",
        "job stops: exit 7",
        f"job starts, reactivation after exit 7, attempt 0, by {BY_START}",
        "job stops: exit 7",
    ),
    "docker_restart_policy": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 8",
        "#1 starts, restart after exit 8, attempt 1, by restart_policy, exact, none",
        "#1 stops: exit 8",
    ),
    "docker_engine_boot": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: signal 9",
        "#1 starts, restart after signal 9, attempt 0, by engine_boot, inferred, none",
    ),
    "docker_exec": (*FRESH, f"#1 starts, first, attempt 0, by {BY_RUN}"),
    "docker_pause": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 sees pause",
        "#1 sees unpause",
    ),
    "docker_failed_start": (
        *FRESH,
        f"#1 fails: its init ended before its first execve: first, attempt 0, by {BY_RUN}",
        f"#2 fails: its init ended before its first execve: first, attempt 0, by {BY_RUN}",
    ),
    "docker_kill": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: signal 9",
    ),
    "docker_pid_host": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 3",
    ),
    "docker_renamed_runtime": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}, with harmless-helper",
        "#1 stops: exit 3",
    ),
    "docker_api_start": (
        *FRESH,
        "#1 starts, first, attempt 0, by api_client, inferred, inferred: curl, as alice",
        "#1 stops: exit 0",
    ),
    "docker_parallel": (
        *FRESH,
        *(f"w{number} starts, first, attempt 0, by {BY_RUN_NAMED}" for number in range(8)),
        *(f"w{number} stops: exit 0" for number in range(8)),
    ),
    "docker_logins": (
        *FRESH,
        f"report starts, first, attempt 0, by {BY_RUN_NAMED}, as alice",
        "report stops: exit 0",
        f"#1 starts, first, attempt 0, by {BY_RUN}, as bob",
        "#1 stops: exit 0",
    ),
    "unshare": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN}",
        "#1 stops: exit 6",
    ),
    "ctr_run_named": (
        *FRESH,
        "My_Box.v1.2 starts, first, by user_command, exact, exact: ctr run",
        "My_Box.v1.2 stops: exit 0",
    ),
    "cri_pod": (
        *FRESH,
        "shop starts, first, by orchestrator, exact, none",
        "main starts, first, attempt 0, by orchestrator, exact, none",
        "main stops: exit 5",
        "main starts, restart after exit 5, attempt 1, by orchestrator, exact, none",
    ),
    "kubelet_pods": (
        *FRESH,
        *(
            line
            for number in (1, 2, 3)
            for line in (
                f"#{number} starts, first, {ASKED_BY_KUBELET}",
                f"main starts, first, attempt 0, {ASKED_BY_KUBELET}",
            )
        ),
    ),
    "kubelet_causes": (
        *FRESH,
        f"#1 starts, first, {BY_KUBELET}",
        f"main starts, first, attempt 0, {BY_KUBELET}",
        "main stops: exit 3",
        f"main starts, restart after exit 3, attempt 1, {BY_KUBELET}",
        "main stops: signal 9",
        f"main starts, restart after signal 9, attempt 2, {BY_KUBELET}",
        "#1 stops: signal 9",
        "main stops: signal 9",
        f"#2 starts, restart after signal 9, {BY_KUBELET}",
        f"main starts, restart after signal 9, attempt 3, {BY_KUBELET}",
        f"#3 fails: its init ended before its first execve: first, attempt 0, {BY_KUBELET}",
    ),
    "kubelet_kills": (
        *FRESH,
        f"#1 starts, first, {ASKED_BY_KUBELET}",
        f"main starts, first, attempt 0, {ASKED_BY_KUBELET}",
        "main stops: signal 9",
        f"main starts, restart after signal 9, attempt 1, {ASKED_BY_KUBELET}",
        f"#2 starts, first, attempt 0, {ASKED_BY_KUBELET}",
    ),
    "kubelet_and_another": (
        *FRESH,
        f"#1 starts, first, {ASKED_BY_KUBELET}",
        "#2 starts, first, by api_client, exact, exact: injector",
        "main starts, first, attempt 0, by api_client, exact, exact: injector",
        "main stops: signal 9",
        "#2 stops: signal 9",
    ),
    "forged_annotations": (
        *FRESH,
        f"#1 starts, first, {BY_KUBELET}",
        f"main starts, first, attempt 0, {BY_KUBELET}",
        "main starts, first, by user_command, exact, exact: ctr run",
        "main stops: exit 0",
    ),
    "kubelet_init_containers": (
        *FRESH,
        f"#1 starts, first, {ASKED_BY_KUBELET}",
        f"#2 starts, first, attempt 0, {ASKED_BY_KUBELET}",
        "#2 stops: exit 0",
        f"#3 starts, first, attempt 0, {ASKED_BY_KUBELET}",
        "#3 stops: exit 1",
        f"#4 starts, restart after exit 1, attempt 1, {ASKED_BY_KUBELET}",
        "#4 stops: exit 0",
        f"#5 starts, first, attempt 0, {ASKED_BY_KUBELET}",
        f"#6 starts, first, attempt 0, {ASKED_BY_KUBELET}",
    ),
    "contained_kubelet": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN_NAMED}",
        f"#2 starts, first, {ASKED_BY_KUBELET}",
        f"main starts, first, attempt 0, {ASKED_BY_KUBELET}",
        "#1 stops: exit 0",
    ),
    "contained_panel": (
        *FRESH,
        f"#1 starts, first, attempt 0, by {BY_RUN_NAMED}",
        "#2 starts, first, by container, exact, exact: panel",
        "main starts, first, attempt 0, by container, exact, exact: panel",
        "#1 stops: exit 0",
    ),
    "kubelet_without_agent": (
        "the probes are attached still",
        *(
            line
            for attempt in (1, 2, 3)
            for line in (
                f"main starts, restart after exit 1, attempt {attempt}, {BY_KUBELET}",
                "main stops: exit 1",
            )
        ),
        "the inventory has 1",
    ),
    "podman_run": (
        *FRESH,
        "batch starts, first, by user_command, exact, exact: podman run",
        "batch stops: exit 0",
    ),
    "podman_restart": (
        *FRESH,
        "web starts, first, by user_command, exact, exact: podman run",
        "web stops: signal 9",
        "web starts, restart after signal 9, by user_command, exact, exact: podman restart",
    ),
    "runc_by_hand": (
        *FRESH,
        f"byhand starts, first, by {BY_RUNC}: runc run",
        "byhand is an alert: direct-runtime",
        "byhand stops: exit 3",
    ),
    "runc_renamed_by_hand": (
        *FRESH,
        f"byfoo starts, first, by {BY_RUNC}: foo run, with foo",
        "byfoo is an alert: direct-runtime",
        "byfoo stops: exit 4",
    ),
    "runc_shared_pid": (
        *FRESH,
        f"shares starts, first, by {BY_RUNC}: runc run",
        "shares is an alert: direct-runtime",
        "shares stops: signal 9",
    ),
    "agent_upgrade": (
        "the probes are attached still",
        "the inventory has 2",
        f"short starts, first, attempt 0, by {BY_RUN_NAMED}",
        "short stops: exit 0",
        f"fresh starts, first, attempt 0, by {BY_RUN_NAMED}",
    ),
    "agent_blind": (
        "the probes are attached",
        "gap of kernel: None lost",
        "the inventory has 2",
        "unseen starts, first, attempt 0, by unknown, none, none, late by procfs",
    ),
    "kernel_loss": (
        *FRESH,
        "#1 starts, first, attempt 0, by user_command, inferred, inferred: docker run",
        "#1 stops: exit 0",
        "gap of kernel.lifecycle: 1 lost",
        "gap of kernel.commands: 200 lost",
    ),
}

AT_ONCE = frozenset({"docker_parallel", "agent_upgrade", "agent_blind"})
"""Stories whose lines come in any order: of eight at once, of an inventory beside the rings."""
