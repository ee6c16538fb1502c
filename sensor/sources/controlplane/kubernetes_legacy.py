"""Audit events as text, as ``--audit-log-format=legacy`` writes them: without bodies and objects.

A line is ``TIME AUDIT: id="…" stage="…" ip="…" method="…" user="…" groups="…" as="…" …
uri="…" response="…"`` with values as Go quotes them (``audit.EventString``). What the call is about
stands in its URI alone. ``ip`` is the first address of the list, which is the client's claim behind
a proxy, so it is not taken.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sensor.sources.controlplane import kubernetes_record
from sensor.sources.controlplane.identity import call_key
from sensor.sources.controlplane.json_text import clean
from sensor.sources.controlplane.kubernetes_call import Call
from sensor.sources.controlplane.kubernetes_caller import actor
from sensor.sources.controlplane.kubernetes_query import asks_for_dry_run
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord, RecordRef

_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d)) AUDIT: (?=id=)")
_FIELD = re.compile(rb'([a-z-]+)="((?:[^"\\]|\\.)*+)"(?: |$)')
_LIMIT = 1 << 16
"""Bytes of a line that are searched: a user agent has at most 1,024, a URI some thousand."""
_GROUPS_LIMIT = 64
_CORE, _NAMED = 2, 3
"""Parts of a path before the resource: ``api/v1``, ``apis/GROUP/VERSION``."""


def is_line(line: bytes) -> bool:
    """Return whether a line is an audit event as text."""
    return _LINE.match(line) is not None


def read(line: bytes, ref: RecordRef) -> ControlRecord:
    """Return the record of a line."""
    head = _LINE.match(line)
    said: dict[bytes, bytes] = {}
    at = 0 if head is None else head.end()
    while (found := _FIELD.match(line, at, _LIMIT)) is not None:
        said[found.group(1)] = found.group(2)
        at = found.end()
    uri = _unquoted(said.get(b"uri")) or ""
    received = None if head is None else wall(head.group(1).decode())
    path = uri.partition("?")[0]
    namespace, resource, name, subresource = _about(path)
    user, acting = (_given(_unquoted(said.get(key))) for key in (b"user", b"as"))
    id_, stage = _unquoted(said.get(b"id")), _unquoted(said.get(b"stage"))
    response = said.get(b"response", b"")
    call = Call(
        verb=_unquoted(said.get(b"method")),
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
        object_uid=None,
        id=id_,
        key=call_key(id_, stage, received, user, uri),
        actor=actor(user, _groups(_unquoted(said.get(b"groups"))), impersonated=acting),
        user_agent=_unquoted(said.get(b"user-agent")),
        level="Metadata",
        stage=stage,
        code=int(response) if response.isdigit() and len(response) <= _NAMED else None,
        dry_run=asks_for_dry_run(uri),
        received=received,
        group=_group(path),
    )
    return kubernetes_record.record(call, ref)


def _about(path: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Return namespace, resource, name and subresource of a path of the API."""
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:1] not in (["api"], ["apis"]):
        return None, None, None, None
    rest = parts[_CORE if parts[0] == "api" else _NAMED :]
    namespace = None
    if len(rest) > _CORE and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = [*rest[:3], None, None, None][:3]
    return clean(namespace), clean(resource), clean(name), clean(subresource)


def _group(path: str) -> str | None:
    """Return the API group of a path; None for the core."""
    parts = path.split("/", _NAMED)
    return clean(unquote(parts[2])) if parts[1:2] == ["apis"] and len(parts) > _NAMED else None


def _unquoted(value: bytes | None) -> str | None:
    """Return a value without Go's escapes; as it stands where JSON has no such escape."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    try:
        return clean(json.loads(f'"{text}"'))
    except ValueError:
        return clean(text)


def _given(value: str | None) -> str | None:
    """Return a user; ``<none>`` and ``<self>`` stand for no other."""
    return None if value is None or value.startswith("<") else value


def _groups(value: str | None) -> tuple[str, ...]:
    try:
        found = json.loads(f"[{value or ''}]")
    except ValueError:
        return ()
    return tuple(one for one in found[:_GROUPS_LIMIT] if isinstance(one, str))
