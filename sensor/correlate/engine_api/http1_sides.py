"""The two directions of an HTTP/1.1 connection: its requests, and the answers to them."""

from __future__ import annotations

import json
import re
from typing import Protocol

from sensor.correlate.engine_api.calls import MESSAGE_MAX, Action
from sensor.correlate.engine_api.http1 import REFUSED, BodyFraming, BodyKind, MessageReader
from sensor.correlate.engine_api.methods import HttpMethod, http_method

_REQUEST_LINE = re.compile(rb"([A-Z]{3,10}) ([!-~]{1,8192}) HTTP/1\.[01]")
_CUT_LINE = re.compile(rb"([A-Z]{3,10}) ([!-~]{1,8192})")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: .*)?", re.DOTALL)
_MADE = re.compile(rb'"I[dD]" ?: ?"([0-9a-f]{64}|[0-9a-z]{25})"')
"""Docker's ids of containers, and those of swarm's services (moby, pkg/identity)."""
_MESSAGE = re.compile(rb'\{"message" ?: ?"((?:[^"\\]|\\.){1,4096})', re.DOTALL)
"""The body of Docker's errors, which may be cut."""
_SWITCHING, _OK, _NO_CONTENT, _NOT_MODIFIED = 101, 200, 204, 304


class Pairing(Protocol):
    """What the connection does with requests and statuses."""

    def add_http(self, count: int, method: HttpMethod, verb: str, *, sound: bool) -> None:
        """Add the connection's request of that number."""

    def next_answered(self, status: int | None) -> str | None:
        """Pair a status with the oldest request; return that request's verb."""

    def amend(self, *, made: str | None = None, message: str | None = None) -> None:
        """Add to the last answer the id or the message that its body gives."""

    def give_up_answers(self) -> None:
        """Answers were missed."""


class Http1Sides:
    """The two directions of an HTTP/1.1 connection."""

    __slots__ = ("answers", "requests")

    def __init__(self, connection: Pairing, *, joined: bool) -> None:
        self.requests = MessageReader(_RequestSink(connection, self), joined=joined)
        self.answers = MessageReader(_AnswerSink(connection, self), joined=joined)


class _RequestSink:
    __slots__ = ("_both", "_connection", "_count", "_hijacks")

    def __init__(self, connection: Pairing, both: Http1Sides) -> None:
        self._connection = connection
        self._both = both
        self._count = 0
        self._hijacks = False

    def start(self, line: bytes, *, whole: bool) -> None:
        """Report the request: its line says all."""
        found = _REQUEST_LINE.fullmatch(line)
        if found is None and not whole:
            found = _CUT_LINE.fullmatch(line)
            if found is not None and b"?" not in found[2]:
                # The path may go on where the bytes end.
                found = None
        if found is None:
            method, verb = HttpMethod(Action.UNKNOWN, None), ""
        else:
            verb = found[1].decode("ascii")
            method = http_method(verb, found[2].decode("ascii"))
        self._hijacks = method.hijacks
        self._count += 1
        self._connection.add_http(self._count, method, verb, sound=self._both.requests.sound)

    def head(self, framing: BodyFraming) -> BodyKind:
        """Go on with the body; a connection that may switch carries none of ours."""
        raw = framing.upgrade or self._hijacks
        return BodyKind.RAW if raw else BodyKind.FRAMED

    def body(self, data: bytes) -> None:
        """No body of a request is read."""

    def lost(self) -> None:
        """Calls that were read stay read."""


class _AnswerSink:
    __slots__ = ("_body", "_both", "_connection", "_status", "_verb")

    def __init__(self, connection: Pairing, both: Http1Sides) -> None:
        self._connection = connection
        self._both = both
        self._status: int | None = None
        self._verb: str | None = None
        self._body = b""

    def start(self, line: bytes, *, whole: bool) -> None:
        """Pair the status; an interim one (RFC 9110 15.2) answers nothing yet."""
        del whole
        self._body = b""
        found = _STATUS_LINE.fullmatch(line)
        self._status = int(found[1]) if found is not None else None
        interim = self._status is not None and self._status < _OK and self._status != _SWITCHING
        if not interim:
            self._verb = self._connection.next_answered(self._status)
        if self._status is not None and self._status >= REFUSED:
            self._both.requests.resume()

    def head(self, framing: BodyFraming) -> BodyKind:
        """Return what follows: RFC 9112 6.3 lists the answers without a body."""
        del framing
        status = self._status
        if status == _SWITCHING:
            return BodyKind.RAW
        bodiless = status is not None and (
            status < _OK or status in (_NO_CONTENT, _NOT_MODIFIED) or self._verb == "HEAD"
        )
        return BodyKind.NONE if bodiless else BodyKind.UNTIL_CLOSE

    def body(self, data: bytes) -> None:
        """Look for the id of what a create has made, or for why it was refused."""
        self._body += data
        if self._status is not None and self._status >= REFUSED:
            said = _MESSAGE.match(self._body)
            if said is not None:
                self._connection.amend(message=_unescaped(said[1]))
            return
        made = _MADE.search(self._body)
        if made is not None:
            self._connection.amend(made=made[1].decode("ascii"))

    def lost(self) -> None:
        """Give up pairing where it is ambiguous."""
        self._connection.give_up_answers()


def _unescaped(text: bytes) -> str | None:
    """Return a JSON string's text, given without its quotes and perhaps cut at its end."""
    try:
        found = json.loads(b'"' + text + b'"')
    except ValueError:
        return None
    return found[:MESSAGE_MAX] if isinstance(found, str) else None
