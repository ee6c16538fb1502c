"""One connection to an engine: detect its protocol, read its calls, pair them with the answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sensor.correlate.engine_api import http2, http2_frames, ttrpc
from sensor.correlate.engine_api.calls import (
    Action,
    CallAnswer,
    CallOutcome,
    EngineCall,
    Segment,
)
from sensor.correlate.engine_api.frames import FrameReader
from sensor.correlate.engine_api.http1_sides import Http1Sides
from sensor.correlate.engine_api.messages import EngineRequest, Named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.engine_api.methods import HttpMethod

OUTSTANDING_MAX = 256
"""Calls of one connection that wait for their answer; the oldest is given up."""

_VERB = re.compile(rb"[A-Z]{3,10} ")
_VERB_BEGINS = re.compile(rb"[A-Z]{1,10}")
_MAKING = frozenset({Action.CREATE, Action.RUN})
Item = TypeVar("Item")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class _Waiting(NamedTuple):
    call: EngineCall
    rpc: bool
    verb: str


class Connection:
    """What is known of one connection. ``numbers`` gives each call its number."""

    __slots__ = (
        "_answer_frames",
        "_answers",
        "_calls",
        "_frames",
        "_held",
        "_http1",
        "_id",
        "_numbers",
        "_pipelined",
        "_reported_unread",
        "_requests",
        "_time",
        "_waiting",
    )

    def __init__(self, id_: int | None, numbers: Iterator[int]) -> None:
        self._id = id_
        self._numbers = numbers
        self._time = 0
        self._calls: list[EngineCall] = []
        self._answers: list[CallAnswer] = []
        self._waiting: dict[int, _Waiting] = {}
        """By stream; of HTTP/1.1 by the request's number on the connection."""
        self._pipelined = False
        """Requests of HTTP/1.1 were sent before the answers to earlier ones."""
        self._held: Segment | None = None
        """The first bytes, as long as they fit several protocols."""
        self._http1: Http1Sides | None = None
        self._frames: FrameReader | None = None
        self._requests: http2.Http2Requests | ttrpc.TtrpcRequests | None = None
        self._answer_frames: FrameReader | None = None
        self._reported_unread = False

    def sent(self, segment: Segment) -> tuple[EngineCall, ...]:
        """Take what the client wrote; return the calls that were read from it."""
        self._time = segment.time
        self._calls.clear()
        if self._http1 is not None and self._http1.requests.raw:
            self._after_switch(segment)
        elif self._http1 is not None:
            self._http1.requests.feed(segment)
        elif self._frames is not None:
            self._frames.feed(segment)
        else:
            self._detect(segment)
        if (
            segment.cut
            and self._requests is not None
            and isinstance(self._requests, http2.Http2Requests)
        ):
            self._requests.flush()
        return _taken(self._calls)

    def answered(self, segment: Segment) -> tuple[CallAnswer, ...]:
        """Take what the engine wrote; return the answers that were read from it."""
        self._time = segment.time
        self._answers.clear()
        if self._http1 is not None:
            self._http1.answers.feed(segment)
        elif self._answer_frames is not None:
            self._answer_frames.feed(segment)
        return _taken(self._answers)

    # ----------------------------------------------------------------- protocols

    def _detect(self, segment: Segment) -> None:
        held, self._held = self._held, None
        if held is not None and segment.offset == (held.offset or 0) + len(held.data):
            data = held.data + segment.data
            segment = replace(segment, offset=held.offset, data=data)
        data, joined = segment.data, bool(segment.offset)
        if data.startswith(http2_frames.PREFACE):
            self._begin_http2(segment, joined=joined)
        elif _may_go_on(segment):
            self._held = segment
        elif _VERB.match(data):
            self._http1 = Http1Sides(self, joined=joined)
            self._http1.requests.feed(segment)
        elif ttrpc.begins_request(data):
            self._requests = ttrpc.TtrpcRequests(self._found)
            self._frames = FrameReader(ttrpc.HEADER_SIZE, self._requests, joined=joined)
            self._answer_frames = FrameReader(
                ttrpc.HEADER_SIZE, ttrpc.TtrpcAnswers(self._paired), joined=joined
            )
            self._frames.feed(segment)
        elif len(data) >= http2_frames.HEADER_SIZE and http2_frames.is_plausible(
            data[: http2_frames.HEADER_SIZE]
        ):
            self._read_http2(segment, joined=True)
        else:
            self._unread(data)

    def _begin_http2(self, segment: Segment, *, joined: bool) -> None:
        size = len(http2_frames.PREFACE)
        offset = None if segment.offset is None else segment.offset + size
        rest = replace(segment, offset=offset, data=segment.data[size:])
        self._read_http2(rest, joined=joined)

    def _read_http2(self, segment: Segment, *, joined: bool) -> None:
        self._requests = http2.Http2Requests(self._found)
        self._frames = FrameReader(http2_frames.HEADER_SIZE, self._requests, joined=joined)
        answers = http2.Http2Answers(self._is_rpc_call, self._paired)
        # An engine's side is joined always: what came before the first watched answer is unknown.
        self._answer_frames = FrameReader(http2_frames.HEADER_SIZE, answers, joined=True)
        self._frames.feed(segment)

    def _after_switch(self, segment: Segment) -> None:
        """Take bytes after a request to switch protocols: HTTP/2 is read, raw bytes are not."""
        if segment.data.startswith(http2_frames.PREFACE):
            self._http1 = None
            self._waiting.clear()
            self._begin_http2(segment, joined=True)

    def _unread(self, data: bytes) -> None:
        ids = http2_frames.ids_in(data)
        if ids or not self._reported_unread:
            self._reported_unread = True
            self._add(None, Named(Action.UNKNOWN, ids), sound=False)

    # ----------------------------------------------------------------- calls

    def _found(self, request: EngineRequest) -> None:
        sound = self._frames is not None and self._frames.sound
        call = self._add(request.method, request.named, sound=sound)
        self._wait(request.stream, _Waiting(call, request.rpc, ""))

    def _add(self, method: str | None, named: Named, *, sound: bool) -> EngineCall:
        call = EngineCall(
            number=next(self._numbers),
            connection=self._id,
            time=self._time,
            action=named.action,
            method=method,
            targets=named.targets,
            pod=named.pod,
            sandbox=named.sandbox,
            attempt=named.attempt,
            sound=sound,
        )
        self._calls.append(call)
        return call

    def add_http(self, count: int, method: HttpMethod, verb: str, *, sound: bool) -> None:
        """Add the connection's request of that number, of HTTP/1.1."""
        call = self._add(method.method, Named(method.action, method.targets), sound=sound)
        self._wait(count, _Waiting(call, rpc=False, verb=verb))

    def _wait(self, stream: int, waiting: _Waiting) -> None:
        """Expect an answer to a call."""
        self._pipelined = bool(self._waiting) and (self._pipelined or self._http1 is not None)
        self._waiting[stream] = waiting
        if len(self._waiting) > OUTSTANDING_MAX:
            self._give_up_oldest()

    def _give_up_oldest(self) -> _Waiting:
        return self._waiting.pop(next(iter(self._waiting)))

    # ----------------------------------------------------------------- answers

    def _is_rpc_call(self, stream: int) -> bool | None:
        call = self._waiting.get(stream)
        return None if call is None else call.rpc

    def _paired(
        self,
        stream: int,
        outcome: CallOutcome,
        status: int | None,
        made: str | None,
        message: str | None,
    ) -> None:
        waiting = self._waiting.pop(stream, None)
        if waiting is None:
            return
        call = waiting.call
        if call.action not in _MAKING or made is None or not _ID.fullmatch(made):
            made = None
        answer = CallAnswer(call.number, self._time, outcome, status, made, message)
        self._answers.append(answer)

    def next_answered(self, status: int | None) -> str | None:
        """Pair an HTTP/1.1 status with the oldest call; return that call's verb."""
        if not self._waiting:
            return None
        waiting = self._give_up_oldest()
        outcome = http2.http_outcome(status)
        self._answers.append(CallAnswer(waiting.call.number, self._time, outcome, status))
        return waiting.verb

    def amend(self, *, made: str | None = None, message: str | None = None) -> None:
        """Add to the last answer the id or the message that its body gives."""
        if self._answers:
            self._answers[-1] = replace(self._answers[-1], made=made, message=message)

    def give_up_answers(self) -> None:
        """Answers were missed: of requests that were pipelined, none can be paired any more."""
        if self._pipelined:
            self._waiting.clear()


def _taken(found: list[Item]) -> tuple[Item, ...]:
    """Take all: most connections carry one call, and what it led to is not to stay here."""
    taken = tuple(found)
    found.clear()
    return taken


def _may_go_on(segment: Segment) -> bool:
    """Whether the next write may show what these bytes begin: HTTP/1, HTTP/2, or ttrpc."""
    data = segment.data
    if segment.cut or segment.offset is None:
        return False
    if http2_frames.PREFACE.startswith(data) or _VERB_BEGINS.fullmatch(data) is not None:
        return True
    # A frame of ttrpc begins with its length, whose first byte is 0.
    return segment.offset == 0 and data[:1] == b"\0" and len(data) <= ttrpc.HEADER_SIZE
