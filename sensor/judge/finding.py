"""The strong findings about a single start: what each looks for.

:mod:`sensor.judge.findings` has the titles, severities and techniques of all findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.judge.findings.unknown_runtime import DIRECTORIES
from sensor.model.alert import Fact, Strength
from sensor.model.vocabulary import Confidence, Engine, Finding, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.judge.case import Facts
    from sensor.judge.lesson import TermKey
    from sensor.judge.tuning import Tuning


RUNTIME_DIRECTORIES = (
    "/usr/", "/bin/", "/sbin/", "/opt/", "/snap/", "/nix/store/", "/gnu/store/",
    "/run/current-system/", "/var/lib/rancher/", "/var/lib/k0s/", "/var/lib/snapd/",
)  # fmt: skip
"""Where packages and distributions of Kubernetes put runtimes: root alone writes there."""

ENGINES_NAMESPACES = {"moby": Engine.DOCKER, "k8s.io": None}
"""containerd's namespaces that an engine keeps for itself, and that engine; None is the kubelet."""

_BY_CLIENTS = frozenset({Trigger.USER_COMMAND, Trigger.API_CLIENT, Trigger.CONTAINER})


@quick
@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and the sentence that states it: feature, expected, seen."""

    finding: Finding
    reason: str
    value: str = ""
    """The novel value: with the finding it names the group of an alert."""
    terms: tuple[TermKey, ...] = ()
    """What is not learnt because of it."""
    fact: Fact | None = None

    @property
    def stated(self) -> Fact:
        """The reason as a fact: one that stands alone is strong."""
        if self.fact is not None:
            return self.fact
        feature, colon, rest = self.reason.partition(": expected ")
        if not colon:
            return Fact(self.finding, "nothing of the kind", self.reason, None, Strength.STRONG)
        expected, _, seen = rest.partition(", seen ")
        return Fact(feature, expected, seen, None, Strength.STRONG)


def direct_runtime(facts: Facts, _: Tuning) -> Found | None:
    """An OCI runtime ran without an engine above it."""
    if facts.trigger is not Trigger.DIRECT_RUNTIME:
        return None
    if facts.event.confidence.trigger not in {Confidence.EXACT, Confidence.INFERRED}:
        return None
    container = facts.event.container
    runtime = container.oci_runtime if container is not None else None
    return Found(
        Finding.DIRECT_RUNTIME,
        f"trigger: expected an engine above the runtime, seen {runtime or 'a runtime'} alone",
    )


def engine_namespace(facts: Facts, _: Tuning) -> Found | None:
    """A client put a container into a namespace that another engine keeps for itself."""
    container = facts.event.container
    namespace = container.namespace if container is not None else None
    if container is None or namespace not in ENGINES_NAMESPACES:
        return None
    owner = ENGINES_NAMESPACES[namespace]
    if owner is None:
        foreign = facts.event.orchestrator is None and facts.trigger in _BY_CLIENTS
    else:
        foreign = container.runtime is Engine.CONTAINERD and facts.trigger in _BY_CLIENTS
    if not foreign:
        return None
    return Found(
        Finding.ENGINE_NAMESPACE,
        f"container.namespace: expected {owner or 'the kubelet'} alone in {namespace},"
        f" seen {facts.trigger}",
        value=f"{namespace} {facts.trigger}",
    )


def unknown_runtime(facts: Facts, tuning: Tuning) -> Found | None:
    """The OCI runtime's file lies where no package puts one."""
    container = facts.event.container
    path = container.oci_runtime_path if container is not None else None
    if path is None or not path.startswith("/") or path.startswith(RUNTIME_DIRECTORIES):
        return None
    if path.startswith(tuning.texts(DIRECTORIES)):
        return None
    return Found(
        Finding.UNKNOWN_RUNTIME,
        f"container.oci_runtime_path: expected a directory of packages, seen {path}",
        value=path,
    )


FINDERS: tuple[Callable[[Facts, Tuning], Found | None], ...] = (
    direct_runtime,
    engine_namespace,
    unknown_runtime,
)
"""What is looked for in every start, whatever the policy."""
