"""The chain of causes of a start, from the person to the container's init, out of its event.

    login ─▶ ancestors ─▶ initiator ─▶ API ─▶ engine ─▶ supervisor ─▶ runtime ─▶ init

Each step has its confidence and the evidence of the event that supports it. A step that no source
reported, but that the engine never leaves out, is ``inferred`` and has no evidence. What the event
does not hold makes no step. Pure: a document of schema ``castoff.event/1`` goes in.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from sensor.dataclass import dataclass
from sensor.model.vocabulary import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHELLS = frozenset({"ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"})
ENGINES = {
    "docker": "dockerd",
    "containerd": "containerd",
    "cri-o": "crio",
    "podman": "podman",
    "buildah": "buildah",
}
SUPERVISORS = {
    "docker": "containerd-shim",
    "containerd": "containerd-shim",
    "podman": "conmon",
    "cri-o": "conmon",
}
_INIT = frozenset({EvidenceKind.INIT_EXEC, EvidenceKind.INIT_EXIT, EvidenceKind.INIT_FOUND})
_API = frozenset({EvidenceKind.CONNECTION, EvidenceKind.REQUEST})
_STATE = frozenset({EvidenceKind.ENGINE_RECORD})
_PODS = frozenset({EvidenceKind.POD})
_RUNTIME = frozenset({EvidenceKind.RUNTIME_COMMAND})
_BEFORE_KINDS = {
    "first execve of the init": EvidenceKind.INIT_EXEC,
    "restore succeeded": EvidenceKind.INIT_EXEC,
    "init found running": EvidenceKind.INIT_FOUND,
    "exit of ": EvidenceKind.INIT_EXIT,
    "connect ": EvidenceKind.CONNECTION,
    "API request": EvidenceKind.REQUEST,
    "engine state": EvidenceKind.ENGINE_RECORD,
    "pod annotations": EvidenceKind.POD,
}
"""How the evidence of agents began that wrote no kind; the runtime's begins with its name."""
_TRIGGERS = {
    "restart_policy": "its restart policy",
    "engine_boot": "the engine's own start",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True)
class Witnessed:
    """One piece of evidence: who saw what, when, and where to find it again."""

    source: str
    what: str
    time: str | None
    ref: str | None
    kind: str | None = None
    """One of :class:`EvidenceKind`; None for what an agent wrote that knew no kinds."""


@dataclass(frozen=True, slots=True)
class CauseStep:
    """One link of the chain, the cause of the next.

    ``kind``: ``login``, ``ancestor``, ``shell``, ``client``, ``candidate``, ``api``, ``request``,
    ``orchestrator``, ``engine``, ``supervisor``, ``runtime`` or ``init``. ``label`` is what it is
    called, ``detail`` what else is known of it, both as the host has them and not yet safe to show.
    """

    kind: str
    label: str
    detail: str | None = None
    pid: int | None = None
    confidence: str = "exact"
    evidence: tuple[Witnessed, ...] = ()

    def document(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read the JSON form, leaving out what a newer agent adds; raises ValueError."""
        known = {name: document[name] for name in cls.__slots__ if name in document}
        try:
            seen = tuple(
                Witnessed(**{name: one[name] for name in Witnessed.__slots__ if name in one})
                for one in known.pop("evidence", ())
            )
            return cls(**known, evidence=seen)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no step of a cause: {error}") from error


def steps(event: Mapping[str, Any], callers: Sequence[str] = ()) -> tuple[CauseStep, ...]:
    """Return the chain of a ``container.start``, outermost cause first.

    ``callers``: this node's containers in the pod whose token made the request.
    """
    return _Chain(event, callers).steps()


class _Chain:
    def __init__(self, event: Mapping[str, Any], callers: Sequence[str]) -> None:
        self._callers = callers
        self._container: Mapping[str, Any] = event.get("container") or {}
        self._start: Mapping[str, Any] = event.get("start") or {}
        self._initiator: Mapping[str, Any] | None = event.get("initiator")
        self._candidates: list[Mapping[str, Any]] = event.get("candidates") or []
        self._orchestrator: Mapping[str, Any] | None = event.get("orchestrator")
        self._confidence: Mapping[str, str] = event.get("confidence") or {}
        self._evidence = [
            Witnessed(
                one["source"],
                one["what"],
                one.get("time"),
                one.get("ref"),
                one.get("kind") or self._kind_before_kinds(one["what"]),
            )
            for one in event.get("evidence") or ()
        ]

    def _kind_before_kinds(self, what: str) -> EvidenceKind | None:
        runtime = self._container.get("oci_runtime")
        if runtime and what.startswith(f"{runtime} "):
            return EvidenceKind.RUNTIME_COMMAND
        return next((kind for text, kind in _BEFORE_KINDS.items() if what.startswith(text)), None)

    def steps(self) -> tuple[CauseStep, ...]:
        init, api = self._take(_INIT), self._take(_API)
        state = self._take(_STATE)
        pods = self._take(_PODS) if self._orchestrator is not None else ()
        oci_runtime = self._container.get("oci_runtime")
        runtime = self._take(_RUNTIME) if oci_runtime else ()
        trigger = self._start.get("trigger") or "unknown"
        found: list[CauseStep] = []
        if self._initiator is not None:
            found += self._initiation(self._initiator, direct=trigger == "direct_runtime")
        for candidate in self._candidates:
            found.append(self._party(candidate, "candidate", "ambiguous"))
        if self._orchestrator is not None:
            found += _requests(self._orchestrator.get("requested_by"), self._callers)
            found.append(self._pod(self._orchestrator, pods))
        if not found:
            label = _TRIGGERS.get(trigger, trigger.replace("_", " "))
            found.append(
                CauseStep("trigger", label, confidence=self._sure("trigger"), evidence=state)
            )
            state = ()
        socket = (self._initiator or {}).get("socket")
        if api or socket:
            asked = any(one.kind == EvidenceKind.REQUEST for one in api)
            label = "API request" if asked else "API connection"
            sure = self._sure("initiator") if api else "inferred"
            found.append(CauseStep("api", label, socket, confidence=sure, evidence=api))
        found += self._machinery(trigger, state)
        if oci_runtime and trigger != "direct_runtime":
            verb = runtime[0].what if runtime else oci_runtime
            sure = "exact" if runtime else "inferred"
            found.append(CauseStep("runtime", verb, confidence=sure, evidence=runtime))
        found.append(self._init(init))
        return self._with_rest(found, () if trigger != "direct_runtime" else runtime)

    def _take(self, kinds: frozenset[EvidenceKind]) -> tuple[Witnessed, ...]:
        """Remove and return the evidence of some kinds."""
        taken = tuple(one for one in self._evidence if one.kind in kinds)
        self._evidence = [one for one in self._evidence if one not in taken]
        return taken

    def _sure(self, of: str) -> str:
        return self._confidence.get(of) or "none"

    def _initiation(self, initiator: Mapping[str, Any], *, direct: bool) -> list[CauseStep]:
        sure = self._sure("initiator")
        found: list[CauseStep] = []
        user = initiator.get("user") or {}
        if user.get("auid") is not None:
            label = user.get("auid_name") or f"uid {user['auid']}"
            session = user.get("session")
            detail = f"login session {session}" if session is not None else "logged in"
            found.append(CauseStep("login", label, detail, confidence=sure))
        for ancestor in reversed(initiator.get("ancestors") or ()):
            name = ancestor.get("comm") or ancestor.get("exe") or "?"
            kind = "shell" if name.lstrip("-") in SHELLS else "ancestor"
            found.append(CauseStep(kind, name, ancestor.get("exe"), ancestor.get("pid"), sure))
        found.append(self._party(initiator, "runtime" if direct else "client", sure))
        return found

    def _party(self, initiator: Mapping[str, Any], kind: str, sure: str) -> CauseStep:
        process = initiator.get("process") or {}
        user = initiator.get("user") or {}
        label = " ".join(process.get("argv") or ()) or process.get("exe") or "a process"
        parts = []
        account = user.get("name") or (
            f"uid {user['uid']}" if user.get("uid") is not None else None
        )
        if account:
            parts.append(f"as {account}")
        if process.get("cwd"):
            parts.append(f"in {process['cwd']}")
        if process.get("tty"):
            parts.append(f"on {process['tty']}")
        if initiator.get("container_id"):
            parts.append(f"inside of container {initiator['container_id']}")
        return CauseStep(kind, label, ", ".join(parts) or None, process.get("pid"), sure)

    def _pod(self, pod: Mapping[str, Any], evidence: tuple[Witnessed, ...]) -> CauseStep:
        name = "/".join(str(pod[key]) for key in ("namespace", "pod") if pod.get(key))
        parts = [f"container {pod['container']}"] if pod.get("container") else []
        requested = pod.get("requested_by")
        if isinstance(requested, dict) and requested.get("candidates"):
            parts.append(f"requested by one of {', '.join(requested['candidates'])}")
        label = f"{pod.get('type') or 'orchestrator'} pod {name or '?'}"
        detail = ", ".join(parts) or None
        return CauseStep("orchestrator", label, detail, None, self._sure("trigger"), evidence)

    def _machinery(self, trigger: str, state: tuple[Witnessed, ...]) -> list[CauseStep]:
        """Return the engine, and the supervisor that it never leaves out."""
        runtime = self._container.get("runtime")
        if trigger == "direct_runtime" or runtime is None:
            return []
        found: list[CauseStep] = []
        client = (((self._initiator or {}).get("process") or {}).get("exe") or "").rpartition("/")
        engine = ENGINES.get(runtime, runtime)
        if client[2] != engine:  # podman is its own engine
            sure = "exact" if state else self._sure("container")
            found.append(CauseStep("engine", engine, confidence=sure, evidence=state))
        if runtime in SUPERVISORS:
            found.append(CauseStep("supervisor", SUPERVISORS[runtime], confidence="inferred"))
        return found

    def _init(self, evidence: tuple[Witnessed, ...]) -> CauseStep:
        container = self._container
        label = " ".join(container.get("command") or ()) or "init"
        image = (container.get("image") or {}).get("name")
        parts = [f"container {container.get('name') or container.get('id') or '?'}"]
        if image:
            parts.append(f"image {image}")
        sure = self._sure("container")
        return CauseStep("init", label, ", ".join(parts), container.get("pid"), sure, evidence)

    def _with_rest(
        self, found: list[CauseStep], runtime: tuple[Witnessed, ...]
    ) -> tuple[CauseStep, ...]:
        """Give what evidence is left to who asked: the client's own command and audit records."""
        rest = (*self._evidence, *runtime)
        place = next(
            (n for n, step in enumerate(found) if step.kind in {"client", "runtime", "trigger"}),
            len(found) - 1,
        )
        step = found[place]
        found[place] = CauseStep(
            step.kind,
            step.label,
            step.detail,
            step.pid,
            step.confidence,
            (*rest, *step.evidence),
        )
        return tuple(found)


def _requests(requested: object, callers: Sequence[str] = ()) -> list[CauseStep]:
    """Return the records of the control plane, from the person's request to the pod's binding.

    A request that a pod's bound token made begins with that pod.
    """
    if not isinstance(requested, dict):
        return []
    sure = str(requested.get("confidence"))
    found: list[CauseStep] = []
    if requested.get("pod_uid"):
        inside = f"container {', '.join(callers)}" if callers else "not on this node"
        found.append(CauseStep("request", f"from pod {requested['pod_uid']}", inside, None, sure))
    for record in reversed(requested.get("chain") or []):
        who = record.get("actor") or "unknown"
        request_id = record.get("request_id")
        ref = record.get("ref") or {}
        parts = [
            record.get("workload"),
            request_id,
            f"{ref['file']}:{ref['line']}" if ref else None,
        ]
        source = "audit" if str(request_id).startswith("audit ") else "kubernetes"
        seen = Witnessed(source, str(record.get("action")), record.get("time"), request_id)
        detail = ", ".join(str(part) for part in parts if part) or None
        label = f"{who}: {record.get('action')}"
        found.append(CauseStep("request", label, detail, None, sure, (seen,)))
    return found
