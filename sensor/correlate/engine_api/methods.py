"""The methods of the engines' APIs that make, start or end containers.

Sources: Docker Engine API 1.24-1.47 (api/swagger.yaml, api/server/router), Podman's libpod and
compatibility API (pkg/api/server/register_*.go), containerd's services (api/services/*.proto) and
its shims' ttrpc service (api/runtime/task), the CRI (k8s.io/cri-api runtime/v1/api.proto).

HTTP paths match as Go's net/http decodes them: percent-encoding is resolved, ``#`` means nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum, auto
from urllib.parse import parse_qsl, unquote

from sensor.correlate.engine_api.calls import Action
from sensor.dataclass import dataclass

NAME_MAX = 1024
"""Longest container name or id that is read from a path."""

QUERY_MAX = 2048
"""Longest query string that is read for a name; what is longer names nothing."""


class Subject(Enum):
    """What the first fields of a gRPC or ttrpc request message hold."""

    CONTAINER = auto()
    """Field 1 is the container's id."""
    TASK_PROCESS = auto()
    """Field 1 is the container's id; field 2, if set, the id of an exec in it."""
    CONTAINER_RECORD = auto()
    """Field 1 is a message whose field 1 is the container's id."""
    SANDBOX_CONFIG = auto()
    """Field 1 is a CRI ``PodSandboxConfig``."""
    CRI_CREATE = auto()
    """Field 1 is the sandbox's id, field 2 a CRI ``ContainerConfig``."""
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class RpcMethod:
    """What a gRPC or ttrpc method does, and where its message names a container."""

    action: Action
    subject: Subject


@dataclass(frozen=True, slots=True)
class HttpMethod:
    """What an HTTP request does."""

    action: Action
    method: str | None
    targets: tuple[str, ...] = ()
    hijacks: bool = False
    """The connection carries raw bytes once the engine has accepted the request."""


def _table(package: str, methods: dict[str, tuple[Action, Subject]]) -> dict[str, RpcMethod]:
    return {f"{package}/{name}": RpcMethod(*entry) for name, entry in methods.items()}


_CRI = {
    "RunPodSandbox": (Action.RUN, Subject.SANDBOX_CONFIG),
    "CreateContainer": (Action.CREATE, Subject.CRI_CREATE),
    "StartContainer": (Action.START, Subject.CONTAINER),
    "StopContainer": (Action.STOP, Subject.CONTAINER),
    "RemoveContainer": (Action.STOP, Subject.CONTAINER),
    "StopPodSandbox": (Action.STOP, Subject.CONTAINER),
    "RemovePodSandbox": (Action.STOP, Subject.CONTAINER),
}
_TASK = {
    "Create": (Action.PREPARE, Subject.CONTAINER),
    "Start": (Action.START, Subject.TASK_PROCESS),
    "Kill": (Action.STOP, Subject.TASK_PROCESS),
    "Delete": (Action.STOP, Subject.TASK_PROCESS),
}
_SANDBOX = {
    "Create": (Action.CREATE, Subject.CONTAINER),
    "CreateSandbox": (Action.CREATE, Subject.CONTAINER),
    "Start": (Action.START, Subject.CONTAINER),
    "StartSandbox": (Action.START, Subject.CONTAINER),
    "Stop": (Action.STOP, Subject.CONTAINER),
    "StopSandbox": (Action.STOP, Subject.CONTAINER),
    "Shutdown": (Action.STOP, Subject.CONTAINER),
    "ShutdownSandbox": (Action.STOP, Subject.CONTAINER),
}

RPC_METHODS: dict[str, RpcMethod] = {
    **_table("runtime.v1.RuntimeService", _CRI),
    **_table("runtime.v1alpha2.RuntimeService", _CRI),
    **_table("containerd.services.tasks.v1.Tasks", _TASK),
    **_table("containerd.task.v2.Task", _TASK),
    **_table("containerd.task.v3.Task", _TASK),
    **_table(
        "containerd.services.containers.v1.Containers",
        {
            "Create": (Action.CREATE, Subject.CONTAINER_RECORD),
            "Delete": (Action.NOTHING, Subject.NOTHING),
        },
    ),
    **_table("containerd.services.sandbox.v1.Controller", _SANDBOX),
    **_table("containerd.runtime.sandbox.v1.Sandbox", _SANDBOX),
    **_table("moby.buildkit.v1.Control", {"Solve": (Action.INDIRECT, Subject.NOTHING)}),
}
_OTHER = RpcMethod(Action.NOTHING, Subject.NOTHING)
_NOTHING = HttpMethod(Action.NOTHING, None)

_VERSION = re.compile(r"/v[0-9.]{1,8}(?=/)")
_CONTAINER = re.compile(r"/containers/(?P<name>/?[^/]{1,1024})/(?P<verb>[a-z]{1,16})")
_LINKED = re.compile(r"/containers/[^/]{1,1024}(?:/[^/]{1,1024}){1,8}/(?:start|restart)")
"""A name with a slash is that of a link of Docker's, which may mean any container."""
_POD = re.compile(r"/libpod/pods/[^/]{1,1024}/(?:start|restart|unpause)")
_REMOVE = re.compile(r"/containers/(?P<name>/?[^/]{1,1024})")
_HIJACKING = re.compile(
    r"(?:/libpod)?(?:/containers/[^/]{1,1024}/attach(?:/ws)?|/exec/[^/]{1,256}/start)|/session|/grpc"
)
_INDIRECT = re.compile(
    r"/build|/libpod/build|/services/create|/services/[^/]{1,256}/update|/swarm/(?:init|join|update)"
    r"|/plugins/[^/]{1,256}/enable|/libpod/(?:play/kube|kube/play|kube/apply)|/session|/grpc"
    r"|/libpod/pods/create|/nodes/[^/]{1,256}/update"
)
_ABOUT = re.compile(r"/(?:services|pods)/(?P<name>[^/]{1,1024})/[a-z]{1,16}")
"""Of what such a request starts containers: a service or a pod, by its name or id."""
_VERBS = {
    "start": Action.START,
    "restart": Action.RESTART,
    "restore": Action.START,
    "init": Action.PREPARE,
    "stop": Action.STOP,
    "kill": Action.STOP,
}


def rpc_method(name: str) -> RpcMethod:
    """Return what ``package.Service/Method`` does; a method outside of the table does nothing."""
    return RPC_METHODS.get(name, _OTHER)


def is_rpc(path: str) -> bool:
    """Whether an HTTP/2 path names a gRPC method: two segments, the first one a service."""
    service, slash, method = path[1:].partition("/")
    return bool(slash) and "." in service and method.isidentifier()


def http_method(verb: str, target: str) -> HttpMethod:
    """Return what an HTTP request does. ``target`` is the request line's, in any of its forms."""
    path, query = _split(target)
    if path is None:
        return HttpMethod(Action.UNKNOWN, None)
    path = _VERSION.sub("", path, count=1) if path.startswith("/v") else path
    if verb == "POST":
        found = _post(path, query)
    elif verb == "DELETE":
        found = _removal(path)
    else:
        found = _NOTHING
    return replace(found, hijacks=True) if _HIJACKING.fullmatch(path) else found


def _post(path: str, query: str) -> HttpMethod:
    api = path.removeprefix("/libpod")
    if api == "/containers/create":
        return HttpMethod(Action.CREATE, "POST /containers/create", _name_of(query))
    if _INDIRECT.fullmatch(path) or _POD.fullmatch(path):
        about = _ABOUT.fullmatch(api)
        targets = (about["name"],) if about is not None else ()
        return HttpMethod(Action.INDIRECT, f"POST {_shape(path)}", targets)
    found = _CONTAINER.fullmatch(api)
    action = _VERBS.get(found["verb"]) if found is not None else None
    if found is None and _LINKED.fullmatch(path):
        return HttpMethod(Action.INDIRECT, f"POST {_shape(path)}")
    if found is None or action is None:
        return _NOTHING
    return HttpMethod(action, f"POST /containers/{{name}}/{found['verb']}", (found["name"],))


def _removal(path: str) -> HttpMethod:
    found = _REMOVE.fullmatch(path.removeprefix("/libpod"))
    if found is None:
        return _NOTHING
    return HttpMethod(Action.STOP, "DELETE /containers/{name}", (found["name"],))


def _split(target: str) -> tuple[str | None, str]:
    """Return the decoded path and the raw query of a request target; no path for ``*``."""
    raw, _, query = target.partition("?")
    if not raw.startswith("/"):
        scheme, separator, rest = raw.partition("://")
        if not separator or scheme.lower() not in ("http", "https", "unix"):
            return None, ""
        raw = "/" + rest.partition("/")[2]
    return unquote(raw, errors="surrogateescape"), query


def _name_of(query: str) -> tuple[str, ...]:
    if len(query) > QUERY_MAX:
        return ()
    for key, value in parse_qsl(query, errors="surrogateescape"):
        if key == "name" and value:
            return (value[:NAME_MAX],)
    return ()


def _shape(path: str) -> str:
    """Return the path with what the caller chose in it replaced."""
    head, *rest = path.removeprefix("/libpod").strip("/").split("/")
    middle = ["{name}"] if len(rest) > 1 else []
    return "/" + "/".join([head, *middle, *rest[-1:]])
