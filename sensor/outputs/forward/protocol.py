"""A client's side of one Forward connection: bytes in, events out, no socket anywhere.

======  =========================  ======  =====================================================
state   what comes                 then    events
======  =========================  ======  =====================================================
HELO    HELO                       PONG    Send (the PING)
PONG    PONG that is right         OPEN    Established
OPEN    ``{"ack": chunk}``         OPEN    Acked, when that chunk is expected
OPEN    HELO, and no key is set    BROKEN  raises Broken(credentials)
OPEN    anything else              OPEN    Ignored; ``IGNORED_LIMIT`` in a row raise Broken
any     no msgpack, a bomb         BROKEN  raises Broken
any     another message            BROKEN  raises Broken(credentials)
any     end of the stream          BROKEN  Broken; with credentials in PONG: that is how some refuse
                                           a key
======  =========================  ======  =====================================================

A connection without credentials begins in OPEN. Forward has no negative acknowledgement:
Vector answers ``{}`` to what it could not take, others do nothing, so whatever is not the ack of a
chunk that is under way has no meaning here.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.transitions import Machine
from sensor.outputs.forward.handshake import Credentials, Distrust, Handshake, is_helo
from sensor.outputs.forward.wire import Garbled, Messages

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORED_LIMIT = 1000
"""Messages in a row that mean nothing to us, beyond which the server is taken for mad."""


class ForwardState(Enum):
    """Where a connection stands."""

    HELO = auto()
    """A HELO is awaited."""
    PONG = auto()
    """The PING is sent."""
    OPEN = auto()
    """Chunks may be sent."""
    BROKEN = auto()
    """Nothing more is to be had from it."""


class ForwardStep(Enum):
    """What moves a connection from one state to another."""

    GREETED = "HELO is valid"
    ADMITTED = "PONG is valid"
    LOST = "end, or an invalid message"


CONNECTION = Machine(
    "forward connection",
    (ForwardState.HELO, ForwardState.OPEN),
    {
        (ForwardState.HELO, ForwardStep.GREETED): ForwardState.PONG,
        (ForwardState.PONG, ForwardStep.ADMITTED): ForwardState.OPEN,
        (ForwardState.HELO, ForwardStep.LOST): ForwardState.BROKEN,
        (ForwardState.PONG, ForwardStep.LOST): ForwardState.BROKEN,
        (ForwardState.OPEN, ForwardStep.LOST): ForwardState.BROKEN,
        (ForwardState.BROKEN, ForwardStep.LOST): ForwardState.BROKEN,
    },
)
"""Without a shared key a connection begins as open."""


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to send now."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Established:
    """Chunks may be sent from now on."""


@dataclass(frozen=True, slots=True)
class Acked:
    """The server took this chunk."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message without meaning here: another chunk's acknowledgement, or something else."""


Event = Send | Established | Acked | Ignored


class Broken(Exception):
    """The connection is of no use. ``credentials``: one side does not trust the other."""

    def __init__(self, reason: str, *, credentials: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.credentials = credentials


class Protocol:
    """One connection, seen from the client."""

    def __init__(self, credentials: Credentials | None = None, salt: str | None = None) -> None:
        self._handshake = None if credentials is None else Handshake(credentials, salt)
        self._messages = Messages()
        self._expected: set[bytes] = set()
        self.ignored = self._in_a_row = 0
        self.state = ForwardState.OPEN if credentials is None else ForwardState.HELO

    @property
    def keeps(self) -> bool:
        """Whether the server keeps the connection after an answer, as far as its HELO says."""
        return self._handshake is None or self._handshake.keeps

    def _move(self, step: ForwardStep) -> None:
        self.state = CONNECTION.after(self.state, step)

    def expect(self, chunk: bytes) -> None:
        """Note that a chunk was sent, whose acknowledgement counts from now on, once."""
        self._expected.add(chunk)

    def receive(self, data: bytes) -> Iterator[Event]:
        """Take bytes from the server; yield their events. Raises Broken after the valid ones."""
        if self.state is ForwardState.BROKEN:
            raise Broken("the connection is broken")
        try:
            for message in self._messages.feed(data):
                yield self._message(message)
        except Garbled as error:
            self._move(ForwardStep.LOST)
            raise Broken(f"the server speaks no Forward: {error}") from error
        except Distrust as error:
            self._move(ForwardStep.LOST)
            raise Broken(str(error), credentials=True) from error
        except Broken:
            self._move(ForwardStep.LOST)
            raise

    def end(self) -> Broken:
        """Take the end of the server's stream; return what it means."""
        before = self.state
        self._move(ForwardStep.LOST)
        if before is ForwardState.HELO:
            return Broken("the server closed the connection instead of greeting")
        if before is ForwardState.PONG:
            reason = "the server closed the connection after our PING: is the key right?"
            return Broken(reason, credentials=True)
        return Broken("the server closed the connection")

    def _message(self, message: object) -> Event:
        if self.state is ForwardState.OPEN:
            return self._answer(message)
        if self._handshake is None:
            raise Broken("the connection is broken")
        if self.state is ForwardState.HELO:
            ping = self._handshake.ping(message)
            self._move(ForwardStep.GREETED)
            return Send(ping)
        self._handshake.verify(message)
        self._move(ForwardStep.ADMITTED)
        return Established()

    def _answer(self, message: object) -> Event:
        if isinstance(message, dict) and (chunk := message.get(b"ack")) in self._expected:
            self._expected.remove(chunk)
            self._in_a_row = 0
            return Acked(chunk)
        if self._handshake is None and is_helo(message):
            raise Broken(
                "the server asks for a shared key and none is configured", credentials=True
            )
        self.ignored += 1
        self._in_a_row += 1
        if self._in_a_row > IGNORED_LIMIT:
            raise Broken("the server sends too many messages that are not acknowledgements")
        return Ignored()
