"""One call of the Kubernetes API, whatever envelope it was recorded in."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.sources.controlplane.kubernetes_caller import KNOWN_LIMIT
from sensor.sources.controlplane.kubernetes_objects import is_status

if TYPE_CHECKING:
    from sensor.model.control_plane import Actor, Cluster
    from sensor.sources.controlplane.json_text import Json


WRITES = frozenset({"patch", "update", "apply"})
CREATED = 201


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """A call as the API server recorded it; bodies are untrusted JSON."""

    verb: str | None
    resource: str | None
    subresource: str | None
    namespace: str | None
    name: str | None
    object_uid: str | None
    """``objectRef.uid``: filled from the request's body, so empty for what the call creates."""
    id: str | None
    key: str
    actor: Actor | None
    """Who made the call."""
    addresses: tuple[str, ...] = ()
    user_agent: str | None = None
    level: str | None = None
    stage: str | None = None
    code: int | None = None
    failed: bool | None = None
    """The outcome where there is no HTTP code."""
    reason: str | None = None
    request: Json | list[Any] | None = None
    response: Json | None = None
    """What the server answered with: an object, or a Status."""
    answer: Json | None = None
    """That, where it is an object."""
    stored: Json = field(default_factory=dict)
    """The object as the server stored it; where it did not answer with one, as asked."""
    dry_run: bool = False
    truncated: bool = False
    received: int | None = None
    finished: int | None = None
    action: str | None = None
    """The envelope's own name of the operation, where it has one."""
    cluster: Cluster | None = None
    group: str | None = None
    """The API group of the resource; None for the core, or where the record has none."""


def creates(call: Call) -> bool:
    """Server-side apply creates with the verb patch and the code 201."""
    return call.verb == "create" or (call.verb in WRITES and call.code == CREATED)


def answered(response: Json | None) -> Json | None:
    """Return an API server's answer where it is an object, and no Status."""
    return None if response is None or is_status(response) else response


def stored(request: Json | list[Any] | None, answer: Json | None) -> Json:
    """Return the object as it is stored. A Scale is another object than the one it scales."""
    if answer is not None and answer.get("kind") != "Scale":
        return answer
    return request if type(request) is dict else {}


@lru_cache(maxsize=2 * KNOWN_LIMIT)
def shared_name(text: str) -> str:
    """Return an equal name or uid that earlier records have: an object has several records."""
    return text


@lru_cache(maxsize=KNOWN_LIMIT)
def operation(verb: str | None, resource: str | None, subresource: str | None) -> str:
    """Name an operation: ``patch deployments/scale``."""
    return f"{verb or '-'} {resource or '-'}" + (f"/{subresource}" if subresource else "")
