"""Read the first bytes of a request to an engine: which container it asks to start.

HTTP/1.1 of the Docker Engine API and of Podman's (docs.docker.com/reference/api/engine,
docs.podman.io/en/latest/_static/api.html): the target stands in the path. gRPC and ttrpc carry it
in the message, so that any id of 64 hex digits in the bytes is taken for named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sensor.correlate.client_command import Request

TARGETS_MAX = 16

_HTTP = re.compile(rb"POST ([!-~]{1,480}) HTTP/1\.[01]\r\n")
_HTTP_CUT = re.compile(rb"POST ([!-~]{1,512})")
_ACTION = re.compile(
    r"^(?:/v[0-9.]{1,8})?(?:/libpod)?/containers/(?P<target>/?[^/]{1,1024})/(?P<action>start|restart)\Z"
)
_FULL_ID = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """What a request asks for. ``targets`` are names, ids or prefixes of ids.

    ``request`` is None when the bytes name a container but not what is to be done with it. What
    asks for a container to be made names none yet, and is not read.
    """

    request: Request | None
    targets: tuple[str, ...]


def parse(payload: bytes) -> ApiTarget | None:
    """Read a request's first bytes; None when they ask to start nothing and name no container."""
    found = _HTTP.match(payload)
    if found is None and payload.startswith(b"POST "):
        found = _HTTP_CUT.match(payload)
    if found is not None:
        return _http(found.group(1).decode("ascii"))
    ids = dict.fromkeys(_FULL_ID.findall(payload))
    if not ids:
        return None
    return ApiTarget(None, tuple(one.decode("ascii") for one in list(ids)[:TARGETS_MAX]))


def _http(target: str) -> ApiTarget | None:
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    # Engines match the path as it reads decoded (net/http, URL.Path): %73tart starts, too.
    path = unquote(parts.path, errors="surrogateescape")
    action = _ACTION.match(path)
    if action is not None:
        request = Request.START if action["action"] == "start" else Request.RESTART
        return ApiTarget(request, (action["target"],))
    return None
