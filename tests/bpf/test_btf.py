"""BTF: members are found wherever they are embedded, and damage is reported as such."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.bpf.btf import VMLINUX, Btf
from sensor.errors import KernelUnsupported
from tests.bpf.sample_btf import TYPEDEF, Blob, small

needs_btf = pytest.mark.skipif(not VMLINUX.exists(), reason=f"this kernel has no {VMLINUX}")


@pytest.fixture(scope="module")
def btf() -> Btf:
    return Btf(small(), "test-kernel")


@pytest.mark.parametrize(
    ("structure", "paths", "offset"),
    [
        ("outer", ["first"], 0),
        ("outer", ["ns"], 8),
        ("outer", ["ns.inum"], 16),
        ("outer", ["ns.count"], 20),
        ("outer", ["deep"], 28),
        ("outer", ["left"], 32),
        ("outer", ["right"], 32),
        ("outer", ["renamed", "ns.count"], 20),
        ("outer", ["ns.inum", "first"], 16),
        ("packed", ["bits"], 4),
        ("outer", ["absent"], None),
        ("outer", ["first.inum"], None),
        ("outer", ["p.inum"], None),
        ("outer", ["ns.absent"], None),
        ("outer", [""], None),
        ("absent", ["first"], None),
        ("later", ["first"], None),
        ("colour", ["RED"], None),
    ],
)
def test_offsets_are_those_of_the_first_path_that_exists(
    btf: Btf, structure: str, paths: list[str], offset: int | None
) -> None:
    assert btf.offset(structure, *paths) == offset


def test_sizes_and_enumerators_are_found(btf: Btf) -> None:
    assert (btf.size("outer"), btf.size("ns_common"), btf.size("absent")) == (64, 16, None)
    assert (btf.enumerator("colour", "RED"), btf.enumerator("colour", "BLUE")) == (3, -1)
    assert btf.enumerator("colour", "GREEN") is None
    assert btf.enumerator("absent", "RED") is None


DAMAGED = {
    "nothing": b"",
    "half a header": small()[:12],
    "wrong magic": b"\0\0" + small()[2:],
    "no strings": small()[:-20],
    "types cut": small()[:60],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_what_is_not_a_btf_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(KernelUnsupported, match=r"BTF of 6\.1-test is damaged"):
        Btf(data, "6.1-test")


def test_an_unknown_kind_of_type_is_refused() -> None:
    blob = Blob()
    blob.alias(31, 0, "future")
    with pytest.raises(KernelUnsupported, match="unknown type kind 31"):
        Btf(blob.data(), "6.1-test")


def test_a_kernel_without_btf_is_refused_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(KernelUnsupported, match=str(tmp_path / "vmlinux")) as caught:
        Btf.running(tmp_path / "vmlinux")
    assert "CONFIG_DEBUG_INFO_BTF" in caught.value.fix


def ask(data: bytes) -> None:
    """Ask for everything that the sample holds."""
    btf = Btf(data, "test-kernel")
    btf.offset("outer", "absent", "ns.inum.x", "right")
    btf.offset("packed", "bits")
    btf.size("ns_common")
    btf.enumerator("colour", "GREEN")


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_and_never_raise_anything_else(
    data: st.DataObject,
) -> None:
    raw = bytearray(small())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(KernelUnsupported):
        ask(bytes(raw))


def test_types_that_refer_to_themselves_are_refused() -> None:
    blob = Blob()
    blob.alias(TYPEDEF, 1, "itself")
    blob.composite("outer", 8, ("loop", 1, 0))
    blob.composite("nested", 8, ("", 3, 0))
    btf = Btf(blob.data(), "test-kernel")
    with pytest.raises(KernelUnsupported, match="test-kernel"):
        btf.offset("outer", "loop.x")
    with pytest.raises(KernelUnsupported, match="test-kernel"):
        btf.offset("nested", "absent")


@needs_btf
def test_the_running_kernels_btf_knows_what_every_kernel_has() -> None:
    btf = Btf.running()
    assert btf.offset("list_head", "next") == 0
    assert btf.offset("list_head", "prev") == 8
    assert btf.size("list_head") == 16
    assert btf.offset("task_struct", "no_such_member") is None
    assert btf.enumerator("pid_type", "PIDTYPE_PID") == 0


@needs_btf
@pytest.mark.skipif(shutil.which("bpftool") is None, reason="no bpftool to compare with")
def test_the_running_kernels_offsets_agree_with_bpftools() -> None:
    listing = subprocess.run(
        ["bpftool", "btf", "dump", "file", str(VMLINUX)],
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip(f"bpftool: {listing.stderr.strip()}")
    btf = Btf.running()
    wanted = {("task_struct", "tgid"), ("task_struct", "comm"), ("cred", "uid"), ("upid", "nr")}
    found: dict[tuple[str, str], int] = {}
    structure = ""
    for line in listing.stdout.splitlines():
        if not line.startswith("\t"):
            structure = line.split("'")[1] if " STRUCT '" in line else ""
            continue
        member = line.split("'")[1] if "'" in line else ""
        if (structure, member) in wanted and "bits_offset=" in line:
            bits = line.split("bits_offset=")[1].split()[0]
            found.setdefault((structure, member), int(bits) // 8)
    assert {pair: btf.offset(*pair) for pair in wanted} == found
