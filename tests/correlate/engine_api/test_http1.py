"""HTTP/1.1 messages are cut in the same places, however their bytes arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.engine_api.calls import Segment
from sensor.correlate.engine_api.http1 import BodyFraming, BodyKind, MessageReader


class Seen:
    """Writes down what a reader finds."""

    def __init__(self) -> None:
        self.found: list[tuple[str, object]] = []
        self.bodies = bytearray()

    def start(self, line: bytes, *, whole: bool) -> None:
        self.found.append(("start", (line, whole)))

    def head(self, framing: BodyFraming) -> BodyKind:
        self.found.append(("head", framing))
        return BodyKind.RAW if framing.upgrade else BodyKind.FRAMED

    def body(self, data: bytes) -> None:
        self.bodies += data

    def lost(self) -> None:
        self.found.append(("lost", None))


def read(pieces: list[bytes]) -> tuple[list[tuple[str, object]], bytes]:
    seen = Seen()
    reader = MessageReader(seen, joined=False)
    offset = 0
    for piece in pieces:
        reader.feed(Segment(0, offset, piece, cut=False))
        offset += len(piece)
    return seen.found, bytes(seen.bodies)


ENDS = st.sampled_from([b"\r\n", b"\n"])
SPACES = st.sampled_from([b"", b" ", b"\t", b" \x0b"])
HEADERS = st.one_of(
    st.tuples(
        SPACES,
        st.sampled_from([b"Content-Length", b"CONTENT-LENGTH", b"content-length"]),
        SPACES,
        st.sampled_from([b": 3", b":3", b": 0", b": x", b""]),
    ),
    st.tuples(
        SPACES,
        st.sampled_from([b"Transfer-Encoding", b"transfer-encoding"]),
        SPACES,
        st.sampled_from([b": chunked", b": gzip", b":"]),
    ),
    st.tuples(SPACES, st.sampled_from([b"Upgrade", b"Upgrade-Insecure-Requests"]), SPACES),
    st.tuples(SPACES, st.sampled_from([b"Host", b"X-Content-Length", b"User-Agent"]), SPACES),
    st.tuples(st.binary(max_size=20)),
).map(b"".join)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    lines = [b"POST /containers/web/start HTTP/1.1", *draw(st.lists(HEADERS, max_size=6))]
    head = b"".join(line + draw(ENDS) for line in lines) + draw(ENDS)
    return head + draw(st.sampled_from([b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n"]))


@given(st.lists(messages(), min_size=1, max_size=3))
def test_messages_in_one_write_and_byte_by_byte_are_the_same(made: list[bytes]) -> None:
    whole = b"".join(made)
    found, bodies = read([whole])
    alone, alone_bodies = read([bytes([byte]) for byte in whole])
    # A reader that is lost reports it for each segment that it cannot use.
    lost = ("lost", None)
    upto = found.index(lost) + 1 if lost in found else len(found)
    assert alone[:upto] == found[:upto]
    if lost not in found:
        assert (alone, alone_bodies) == (found, bodies)


def test_a_head_in_one_write_frames_its_body() -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    found, bodies = read([head + b"abc" + b"GET /y HTTP/1.1\r\n\r\n"])
    assert found == [
        ("start", (b"POST /x HTTP/1.1", True)),
        ("head", BodyFraming(length=3)),
        ("start", (b"GET /y HTTP/1.1", True)),
        ("head", BodyFraming()),
    ]
    assert bodies == b"abc"
