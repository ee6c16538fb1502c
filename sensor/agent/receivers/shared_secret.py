"""Whether a request shows the secret that was agreed on."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from sensor.agent.receivers.post_server import Post
    from sensor.settings.secret import Secret

_QUERY_FIELDS = 32
_HEADERS = ("authorization", "x-api-key", "x-castoff-secret")


def shows(post: Post, secret: Secret, parameter: str | None = None) -> bool:
    """Return whether a request shows a secret: in a header, or in a parameter of its query.

    Headers are ``Authorization`` (bare, Bearer or Basic), ``X-Api-Key`` and ``X-Castoff-Secret``.
    """
    if not secret:
        return False
    wanted = secret.reveal().encode()
    shown = [text for name in _HEADERS for text in _forms(post.headers.get(name, ""))]
    if parameter is not None:
        shown += _in_query(post, parameter)
    return any(hmac.compare_digest(one.encode("utf-8", "replace"), wanted) for one in shown)


def _in_query(post: Post, parameter: str) -> list[str]:
    try:
        query = parse_qs(post.target.partition("?")[2], max_num_fields=_QUERY_FIELDS)
    except ValueError:
        return []
    return query.get(parameter, [])


def _forms(value: str) -> list[str]:
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            return [base64.b64decode(rest, validate=True).decode("utf-8", "replace")]
        except (binascii.Error, ValueError):
            return []
    return [rest.strip()] if scheme.lower() == "bearer" else [value]
