"""Tokens of Google that an authenticated push subscription of Pub/Sub shows (OpenID Connect).

A token is a JWT that Google signed (RS256) for an audience and a service account. Every customer
can get a token of Google for an account of its own, so that audience and account must be the
configured ones (cloud.google.com/pubsub/docs/authenticate-push-subscriptions).
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from sensor.agent.receivers.fetching import GOOGLE_KEYS, fetch

if TYPE_CHECKING:
    from jwt import PyJWK

    from sensor.agent.receivers.fetching import Fetch

ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
KEYS_SECONDS = 3600.0
KEYS_PAUSE = 60.0
"""Seconds between two fetches for tokens whose key is unknown: a forger chooses the key's name."""
KEYS_LIMIT = 32
LEEWAY_SECONDS = 60
_TOKEN_LIMIT = 8192


class TokenInvalid(ValueError):
    """A token that proves nothing."""


class GoogleTokens:
    """Checks tokens. ``get`` fetches Google's keys; it may block, so call this in a thread."""

    def __init__(self, audience: str, accounts: tuple[str, ...], get: Fetch = fetch) -> None:
        self._audience = audience
        self._accounts = frozenset(accounts)
        self._get = get
        self._keys: dict[str, PyJWK] = {}
        self._fetched: float | None = None
        self._lock = threading.Lock()

    def check(self, authorization: str) -> str:
        """Return the account of a token. Raises :class:`TokenInvalid` and OSError."""
        import jwt  # optional

        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _TOKEN_LIMIT:
            raise TokenInvalid("no token")
        try:
            name = jwt.get_unverified_header(token).get("kid")
            claims = jwt.decode(
                token,
                self._key(name).key,
                algorithms=["RS256"],
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise TokenInvalid(str(error)) from None
        account = claims.get("email")
        if claims.get("iss") not in ISSUERS:
            raise TokenInvalid("the issuer is not Google")
        if account not in self._accounts or claims.get("email_verified") is not True:
            raise TokenInvalid("the account is not one of push.pub_sub.accounts")
        return str(account)

    def _key(self, name: object) -> PyJWK:
        if not isinstance(name, str):
            raise TokenInvalid("the token names no key")
        with self._lock:
            now = time.monotonic()
            age = None if self._fetched is None else now - self._fetched
            if age is None or age > KEYS_SECONDS or (name not in self._keys and age > KEYS_PAUSE):
                self._keys = _keys(self._get(GOOGLE_KEYS))
                self._fetched = now
            found = self._keys.get(name)
        if found is None:
            raise TokenInvalid("the key of the token is not one of Google's")
        return found


def _keys(body: bytes) -> dict[str, PyJWK]:
    """Return the RSA keys of a JSON Web Key Set by their names. Raises OSError."""
    import jwt  # optional

    try:
        rows = json.loads(body)["keys"][:KEYS_LIMIT]
        return {
            row["kid"]: jwt.PyJWK(row, "RS256")
            for row in rows
            if row.get("kty") == "RSA" and isinstance(row.get("kid"), str)
        }
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise OSError(f"Google's keys cannot be read: {error}") from None
