"""What the first bytes of a request ask an engine for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.api_request import TARGETS_MAX, ApiTarget, parse
from sensor.correlate.client_command import Request

ID, OTHER = "4f2d" * 16, "9a7b" * 16
TAIL = b" HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker-Client/20.10\r\n"
CUT = 512
"""Bytes of a request that the kernel hands over."""


def post(path: str) -> bytes:
    return f"POST {path}".encode() + TAIL


START, RESTART = Request.START, Request.RESTART
PATHS = {
    "no-version": ("/containers/web/start", START, "web"),
    "old-version": ("/v1.24/containers/web/start", START, "web"),
    "new-version": ("/v1.52/containers/web/start", START, "web"),
    "restart": ("/v1.43/containers/web/restart", RESTART, "web"),
    "libpod": ("/libpod/containers/web/start", START, "web"),
    "libpod-version": ("/v4.3.1/libpod/containers/web/restart", RESTART, "web"),
    "id": (f"/v1.43/containers/{ID}/start", START, ID),
    "prefix": ("/v1.43/containers/4f2d4f2d4f2d/start", START, "4f2d4f2d4f2d"),
    "query": ("/v1.43/containers/web/start?detachKeys=ctrl-p", START, "web"),
    "query-of-restart": ("/v1.43/containers/web/restart?t=5&signal=INT", RESTART, "web"),
    "encoded-dash": ("/containers/shop%2Dfront/start", START, "shop-front"),
    "encoded-slash": ("/containers/%2Fweb/start", START, "/web"),
    "encoded-bytes": ("/containers/caf%C3%A9/start", START, "café"),
    "encoded-action": ("/containers/web/%73tart", START, "web"),
    "encoded-all": ("/v1.43/%63ontainers/%77eb/st%61rt", START, "web"),
    "dots": ("/containers/a.b_c-d/start", START, "a.b_c-d"),
}


@pytest.mark.parametrize(("path", "request_", "target"), PATHS.values(), ids=PATHS)
def test_a_path_names_the_container(path: str, request_: Request, target: str) -> None:
    assert parse(post(path)) == ApiTarget(request_, (target,))


NOTHING = {
    "empty": b"",
    "get": b"GET /v1.43/containers/web/json" + TAIL,
    "list": b"GET /v1.43/containers/json" + TAIL,
    "delete": b"DELETE /v1.43/containers/web" + TAIL,
    "stop": post("/v1.43/containers/web/stop"),
    "kill": post("/v1.43/containers/web/kill"),
    "attach": post("/v1.43/containers/web/attach"),
    "exec": post("/v1.43/exec/web/start"),
    "deeper": post("/v1.43/containers/a/b/start"),
    "unnamed": post("/v1.43/containers//start"),
    "elsewhere": post("/v1.43/images/web/start"),
    "more-behind": post("/v1.43/containers/web/start/again"),
    "begun-elsewhere": b"x" + post("/v1.43/containers/web/start"),
    "create": post("/v1.43/containers/create?name=web"),
    "no-path": b"POST ",
    "spaces": b"POST  /containers/web/start" + TAIL,
    "control-characters": post("/containers/w\x1b]0;x\x07b/start"),
    "bad-address": post("//[x/containers/web/start"),
    "body": b'{"Image":"nginx"}',
    "short-hex": b"\x00\x01" + ID[:63].encode(),
    "long-hex": b"\x00\x01" + ID.encode() + b"0",
    "upper-hex": ID.upper().encode(),
}


@pytest.mark.parametrize("payload", NOTHING.values(), ids=NOTHING)
def test_anything_else_asks_for_nothing(payload: bytes) -> None:
    assert parse(payload) is None


@pytest.mark.parametrize("behind", [b"", b" ", b" HT", b" HTTP/1.1"], ids=repr)
def test_a_request_that_is_cut_after_its_path_is_read(behind: bytes) -> None:
    payload = b"POST /v1.43/containers/web/start" + behind
    assert parse(payload) == ApiTarget(START, ("web",))


def test_a_request_that_fills_the_record_is_read() -> None:
    payload = (post("/v1.43/containers/web/start") + b"X-Long: " + b"y" * CUT)[:CUT]
    assert parse(payload) == ApiTarget(START, ("web",))


def test_a_request_that_is_cut_in_its_path_names_nobody() -> None:
    payload = post(f"/v1.43/containers/{'a' * CUT}/start")[:CUT]
    assert parse(payload) is None


# ------------------------------------------------------------------ messages

GRPC = b"\x00\x00\x4c\x00\x01\x00\x00\x00\x05" + b"\x00\x00\x00\x00\x47" + b"\x0a\x40" + ID.encode()
"""The DATA frame of a Start of containerd's tasks service (HTTP/2, then gRPC's prefix)."""

TTRPC = (
    b"\x00\x00\x00\x80\x00\x00\x00\x01\x01\x00"
    b"\x0a\x17containerd.task.v2.Task"
    b"\x12\x05Start\x1a\x42\x0a\x40" + ID.encode() + b"\x20\x00"
)
MESSAGES = {
    "grpc": (GRPC, (ID,)),
    "ttrpc": (TTRPC, (ID,)),
    "two": (GRPC + b"\x12\x40" + OTHER.encode(), (ID, OTHER)),
    "the-same-twice": (GRPC + GRPC, (ID,)),
    "in-a-path": (b"\x00/run/containerd/" + ID.encode() + b"/rootfs", (ID,)),
    "in-json": (b'{"Id":"' + ID.encode() + b'"}', (ID,)),
}


@pytest.mark.parametrize(("payload", "targets"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_names_the_ids_that_stand_in_it(payload: bytes, targets: tuple[str, ...]) -> None:
    assert parse(payload) == ApiTarget(None, targets)


def test_so_many_ids_are_taken_and_no_more() -> None:
    ids = [f"{number:064x}" for number in range(3 * TARGETS_MAX)]
    target = parse(b" ".join(one.encode() for one in ids))
    assert target is not None
    assert target.targets == tuple(ids[:TARGETS_MAX])


PIECES = st.sampled_from(
    [
        *(b"POST ", b" HTTP/1.1\r\n", b"/v1.43", b"/containers/", b"/start", b"/create?name="),
        *(b"web", ID.encode(), b"%", b"%00", b"[", b"//", b"?", b"&", b"=", b"#", b";"),
        *(b"\xff", b"\x00"),
    ]
)


@given(st.one_of(st.binary(max_size=CUT), st.lists(PIECES, max_size=12).map(b"".join)))
def test_no_bytes_are_too_strange(payload: bytes) -> None:
    target = parse(payload)
    if target is not None:
        assert len(target.targets) <= TARGETS_MAX
        assert all(target.targets)
        assert target.request in {None, START, RESTART}
