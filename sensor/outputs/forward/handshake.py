"""The handshake: both sides prove that they know the shared key, and the client its password.

===========================  =======================================================================
server: HELO                 ``["HELO", {nonce, auth, keepalive}]``; ``auth`` is the salt for the
                             password. Fluentd leaves it empty where it has no users; Fluent Bit
                             always sends one (``send_helo`` in plugins/in_forward/fw_prot.c)
client: PING                 ``["PING", hostname, salt, digest(salt, hostname, nonce, key), user,
                             digest(auth, user, password)]``
server: PONG                 ``["PONG", ok, reason, hostname, digest(salt, hostname, nonce, key)]``
===========================  =======================================================================

``digest`` is the SHA-512 of all that is named, in hex. So a salt does not say that a user is
wanted: without one, PING has an empty user with its digest, and PONG decides. A server without
security says nothing at all: that there is a key is a setting of the client. Source: the
specification's section Handshake.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from sensor.dataclass import dataclass
from sensor.outputs.forward.wire import packed

SALT_BYTES = 16
REASON_LIMIT = 200
"""Characters of a server's reason that are repeated."""

_HELO_LENGTH, _PONG_LENGTH = 2, 5


class Distrust(Exception):
    """One side does not trust the other. The message has the reason, without secrets."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a client proves itself with. ``hostname`` is what it calls itself."""

    hostname: str
    shared_key: str
    user: str = ""
    password: str = ""


class Handshake:
    """The client's side of one handshake. ``salt`` is random, hex since PING takes text only."""

    def __init__(self, credentials: Credentials, salt: str | None = None) -> None:
        self._mine = credentials
        self._salt = (salt or os.urandom(SALT_BYTES).hex()).encode()
        self._nonce = b""
        self.keeps = True
        """Whether the server keeps the connection after an answer."""
        self._salted = False
        """Whether the server sent a salt for passwords."""

    def ping(self, helo: object) -> bytes:
        """Return the answer to a HELO. Raises Distrust."""
        options = helo[1] if is_helo(helo) and isinstance(helo, list) else None
        if not isinstance(options, dict):
            raise Distrust("the server begins with something else than HELO")
        nonce, auth = options.get(b"nonce", b""), options.get(b"auth") or b""
        if not isinstance(nonce, bytes) or not isinstance(auth, bytes):
            raise Distrust("the server's HELO has no nonce")
        mine = self._mine
        self._nonce, self._salted = nonce, bool(auth)
        self.keeps = options.get(b"keepalive") is not False
        proof = _digest(auth, _raw(mine.user), _raw(mine.password)) if auth else ""
        return packed(
            [
                "PING",
                mine.hostname,
                self._salt.decode(),
                self._key_digest(mine.hostname.encode("utf-8", "backslashreplace")),
                mine.user if auth else "",
                proof,
            ]
        )

    def verify(self, pong: object) -> None:
        """Raise Distrust for a PONG that is not the one of a server that knows the key."""
        if not isinstance(pong, list) or len(pong) != _PONG_LENGTH or pong[0] != b"PONG":
            raise Distrust("the server answers PING with something else than PONG")
        _, accepted, reason, hostname, digest = pong
        if accepted is not True:
            no_user = self._salted and not self._mine.user
            hint = " (it may ask for a user: none is configured)" if no_user else ""
            raise Distrust(f"the server refuses us: {shown(reason)}{hint}")
        if not isinstance(hostname, bytes) or not isinstance(digest, bytes):
            raise Distrust("the server's PONG is malformed")
        if hostname == self._mine.hostname.encode("utf-8", "backslashreplace"):
            raise Distrust(f"the server has our own name, {shown(hostname)}: set another hostname")
        if not hmac.compare_digest(digest, self._key_digest(hostname).encode()):
            raise Distrust("the server does not know the shared key")

    def _key_digest(self, hostname: bytes) -> str:
        return _digest(self._salt, hostname, self._nonce, _raw(self._mine.shared_key))


def is_helo(message: object) -> bool:
    """Whether a message is the beginning of a handshake."""
    return isinstance(message, list) and len(message) == _HELO_LENGTH and message[0] == b"HELO"


def shown(value: object) -> str:
    """Return what a server wrote as printable ASCII, cut."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else "no reason given"
    cut = text[:REASON_LIMIT].encode("ascii", "backslashreplace").decode("ascii")
    return "".join(character if character.isprintable() else "?" for character in cut)


def _raw(secret: str) -> bytes:
    """Return a secret as the bytes that it was before the environment made text of it."""
    return secret.encode("utf-8", "surrogateescape")


def _digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()
