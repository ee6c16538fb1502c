"""Maps of the kernel, through libbpf: arrays are read at once where the kernel can."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

import pytest

from sensor.bpf import libbpf
from sensor.bpf.libbpf import BpfMap, possible_cpus

pytestmark = pytest.mark.kernel

ENTRIES = 5
ARRAY, PER_CPU_ARRAY = 2, 6
"""``enum bpf_map_type``."""
ENOTSUPP = 524


def made(kind: int) -> BpfMap:
    return BpfMap(libbpf.call("bpf_map_create", kind, b"castoff_test", 4, 8, ENTRIES, None))


@pytest.fixture(params=[(ARRAY, 1), (PER_CPU_ARRAY, possible_cpus())])
def filled(request: pytest.FixtureRequest) -> Iterator[tuple[BpfMap, int, bytes]]:
    """An array, how many copies it has of each value, and all of them."""
    kind, copies = request.param
    array = made(kind)
    values = [
        b"".join((10 * entry + cpu).to_bytes(8, "little") for cpu in range(copies))
        for entry in range(ENTRIES)
    ]
    for entry, value in enumerate(values):
        array.update(entry.to_bytes(4, "little"), value)
    yield array, copies, b"".join(values)
    array.close()


def test_an_array_is_read_as_its_entries_are(filled: tuple[BpfMap, int, bytes]) -> None:
    array, copies, values = filled
    assert array.array(copies) == values
    entries = [array.lookup(entry.to_bytes(4, "little"), copies) for entry in range(ENTRIES)]
    assert b"".join(one or b"" for one in entries) == values


@pytest.mark.parametrize("answer", [ENOTSUPP, errno.EINVAL])
def test_a_kernel_without_batches_is_asked_once(
    filled: tuple[BpfMap, int, bytes], monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    array, copies, values = filled
    asked = refusing(monkeypatch, answer)
    assert array.array(copies) == values
    assert array.array(copies) == values
    assert asked.count("bpf_map_lookup_batch") == 1


def test_another_error_is_raised(
    filled: tuple[BpfMap, int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    array, copies, _ = filled
    refusing(monkeypatch, errno.EBADF)
    with pytest.raises(OSError, match="Bad file descriptor"):
        array.array(copies)


def refusing(monkeypatch: pytest.MonkeyPatch, answer: int) -> list[str]:
    """Have the kernel refuse batches; returns the names of the calls that follow."""
    asked: list[str] = []
    real: Callable[..., int] = libbpf.call

    def call(name: str, *arguments: object) -> int:
        asked.append(name)
        if name == "bpf_map_lookup_batch":
            raise OSError(answer, "Bad file descriptor")
        return real(name, *arguments)

    monkeypatch.setattr(libbpf, "call", call)
    return asked
