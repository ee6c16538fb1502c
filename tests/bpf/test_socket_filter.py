"""The verdicts that user space writes are found by the kernel: same hash, same coding."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.bpf import socket_filter
from sensor.bpf.libbpf import BpfMap
from sensor.bpf.socket_filter import (
    PATH_LEN,
    EngineSockets,
    ListeningPorts,
    SocketVerdicts,
    hash_path,
)
from tests.bpf.live import Probes

PROBES = Path(__file__).parents[2] / "probes"
SUN_PATH = 108
"""Bytes of a unix socket's path, its NUL not counted (unix(7))."""

NAMESPACE = 4026531841
HASH = Callable[[bytes], int]


def constant(name: str) -> int:
    """Read a number from the probes' header."""
    header = (PROBES / "record.h").read_text()
    found = re.search(rf"^\s*(?:#define\s+)?{name}\s*=?\s*(\d+)", header, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


@pytest.fixture(scope="module")
def hashed_by_c(tmp_path_factory: pytest.TempPathFactory) -> HASH:
    """The probes' own hash function, compiled for this machine."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    source = (PROBES / "connect.bpf.c").read_text()
    function = re.search(
        r"^static __always_inline u64 hash_path\(.*?^\}", source, re.DOTALL | re.MULTILINE
    )
    assert function is not None
    directory = tmp_path_factory.mktemp("hash")
    (directory / "hash.c").write_text(
        "#include <string.h>\n"
        "#define __always_inline inline\n"
        f"#define SOCKET_PATH_LEN {constant('SOCKET_PATH_LEN')}\n"
        "typedef unsigned long long u64;\ntypedef unsigned int u32;\n"
        f"{function[0]}\n"
        "u64 hash(const char *text, u64 length)\n"
        "{\n"
        "\tu64 path[SOCKET_PATH_LEN / 8] = {};\n"
        "\n"
        "\tmemcpy(path, text, length);\n"
        "\treturn hash_path(path);\n"
        "}\n"
    )
    library = directory / "hash.so"
    subprocess.run(
        [compiler, "-O1", "-w", "-shared", "-fPIC", "-o", library, directory / "hash.c"],
        check=True,
    )
    hash_ = ctypes.CDLL(str(library)).hash
    hash_.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
    hash_.restype = ctypes.c_uint64

    def call(path: bytes) -> int:
        return int(hash_(path, len(path)))

    return call


PATHS = {
    "docker": b"/run/docker.sock",
    "one-byte": b"/",
    "one-word": b"/run/abc",
    "one-word-and-a-byte": b"/run/abcd",
    "not-utf-8": b"/run/\xff\xfe.sock",
    "longest": b"/" + b"x" * (SUN_PATH - 1),
    "empty": b"",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_hash_is_the_probes_own(hashed_by_c: HASH, path: bytes) -> None:
    assert hash_path(path) == hashed_by_c(path)


@given(st.binary(max_size=SUN_PATH))
def test_the_hash_is_the_probes_own_for_any_path(hashed_by_c: HASH, path: bytes) -> None:
    assert hash_path(path) == hashed_by_c(path)


@given(st.binary(max_size=4096))
def test_no_path_is_too_long_to_be_hashed(path: bytes) -> None:
    assert 0 <= hash_path(path) < 1 << 64


def test_the_constants_are_the_headers() -> None:
    assert constant("SOCKET_PATH_LEN") == PATH_LEN
    assert constant("SOCKET_ENGINE") == socket_filter._ENGINE
    assert constant("SOCKET_OTHER") == socket_filter._OTHER
    assert constant("SOCKET_PATIENCE") < socket_filter._ENGINE
    assert constant("API_HTTP") == EngineSockets.HTTP
    assert constant("API_RPC") == EngineSockets.RPC


# ------------------------------------------------------------------ what is written


class DictMap:
    """A BPF map without a kernel, and how often it was written."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.writes = 0
        self.closed = False

    def update(self, key: bytes, value: bytes) -> None:
        self.writes += 1
        self.entries[key] = value

    def delete(self, key: bytes) -> None:
        self.writes += 1
        self.entries.pop(key, None)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> DictMap:
    made = DictMap()

    def pinned(_: Any) -> DictMap:
        return made

    monkeypatch.setattr(BpfMap, "pinned", pinned)
    return made


def test_a_verdict_is_written_under_hash_and_namespace(written: DictMap) -> None:
    verdicts = SocketVerdicts(Path("/anywhere"))
    verdicts.set(NAMESPACE, "/run/docker.sock", engine=True)
    verdicts.set(NAMESPACE, "/run/dbus", engine=False)
    verdicts.set(7, "/run/docker.sock", engine=False)
    assert written.entries == {
        struct.pack("<QII", hash_path(b"/run/docker.sock"), NAMESPACE, 0): struct.pack("<I", 100),
        struct.pack("<QII", hash_path(b"/run/dbus"), NAMESPACE, 0): struct.pack("<I", 101),
        struct.pack("<QII", hash_path(b"/run/docker.sock"), 7, 0): struct.pack("<I", 101),
    }
    verdicts.forget(7, "/run/docker.sock")
    verdicts.forget(NAMESPACE, "/run/dbus")
    verdicts.forget(NAMESPACE, "/never/told")
    assert list(written.entries.values()) == [struct.pack("<I", 100)]
    verdicts.close()
    assert written.closed


def test_bytes_that_are_not_text_are_hashed_as_they_were(written: DictMap) -> None:
    path = b"/run/\xff.sock"
    SocketVerdicts(Path()).set(1, path.decode("utf-8", "surrogateescape"), engine=True)
    assert list(written.entries) == [struct.pack("<QII", hash_path(path), 1, 0)]


DEVICES = {"small": (0, 25), "disk": (8, 1), "large-minor": (0, 300_000), "both": (259, 65_537)}


@pytest.mark.parametrize(("major", "minor"), DEVICES.values(), ids=DEVICES)
def test_a_device_is_coded_as_the_kernel_codes_it(written: DictMap, major: int, minor: int) -> None:
    EngineSockets(Path()).replace([(os.makedev(major, minor), 4242, EngineSockets.HTTP)])
    assert written.entries == {
        struct.pack("<QII", 4242, major << 20 | minor, 0): struct.pack("<I", 1)
    }


def test_only_what_changed_is_written(written: DictMap) -> None:
    sockets = EngineSockets(Path())
    first, second, third = (1, 10, 1), (1, 11, 2), (1, 12, 1)
    sockets.replace([first, second])
    assert (written.writes, len(written.entries)) == (2, 2)
    sockets.replace([second, first])
    assert written.writes == 2
    sockets.replace([first, third])
    assert (written.writes, len(written.entries)) == (4, 2)
    sockets.replace([(1, 10, 2), third])
    assert (written.writes, len(written.entries)) == (5, 2)
    sockets.replace([])
    assert written.entries == {}


# ------------------------------------------------------------------ the kernel's own map


@pytest.mark.kernel
def test_the_probes_maps_take_what_is_written(probes: Probes) -> None:
    path = probes.pins.map("socket_verdicts")
    verdicts, raw = SocketVerdicts(path), BpfMap.pinned(path)
    key = struct.pack("<QII", hash_path(b"/run/castoff-test.sock"), NAMESPACE, 0)
    try:
        verdicts.set(NAMESPACE, "/run/castoff-test.sock", engine=False)
        assert (raw.lookup(key) or b"")[:4] == struct.pack("<I", 101)
        verdicts.set(NAMESPACE, "/run/castoff-test.sock", engine=True)
        assert (raw.lookup(key) or b"")[:4] == struct.pack("<I", 100)
        verdicts.forget(NAMESPACE, "/run/castoff-test.sock")
        verdicts.forget(NAMESPACE, "/run/castoff-test.sock")
        assert raw.lookup(key) is None
    finally:
        verdicts.close()
        raw.close()


@pytest.mark.kernel
def test_the_probes_know_the_files_of_engines_sockets(probes: Probes) -> None:
    path = probes.pins.map("engine_sockets")
    sockets, raw = EngineSockets(path), BpfMap.pinned(path)
    try:
        sockets.replace([(os.makedev(0, 25), 77, EngineSockets.RPC)])
        assert list(raw.walk()) == [struct.pack("<QII", 77, 25, 0)]
        sockets.replace([])
        assert list(raw.walk()) == []
    finally:
        sockets.close()
        raw.close()


ANY = b"\xff" * 16
HOME = bytes(10) + b"\xff\xff\x7f\x00\x00\x01"


def port_key(port: int, address: bytes) -> bytes:
    return struct.pack("<II16s", 1, port, address)


def test_ports_of_engines_and_of_relays_do_not_push_each_other_out(written: DictMap) -> None:
    ports = ListeningPorts(Path("listening_ports"))
    ports.replace([(1, 2375, HOME)])
    ports.relay([(1, port) for port in range(10_000, 10_300)])
    assert port_key(2375, HOME) in written.entries
    assert len(written.entries) == 302
    ports.relay([(1, 2375)])
    assert len(written.entries) == 2
    ports.replace([(1, 2376, HOME)])
    assert written.entries[port_key(2375, ANY)] == EngineSockets.RELAY.to_bytes(4, "little")
    assert port_key(2375, HOME) not in written.entries
    assert written.entries[port_key(2376, ANY)] == bytes(4), "its address decides"
    assert written.entries[port_key(2376, HOME)] == EngineSockets.HTTP.to_bytes(4, "little")
    ports.replace([])
    assert port_key(2376, ANY) not in written.entries
    assert port_key(2376, HOME) not in written.entries
