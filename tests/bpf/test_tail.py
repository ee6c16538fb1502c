"""The tail of a record is cut by its lengths, and its texts are read as the kernel has them."""

from __future__ import annotations

import pytest

from sensor.bpf.layout import FIXED, Fixed
from sensor.bpf.tail import ancestors_of, argv_of, cgroup_of, cut_tail, name_of, path_of
from sensor.errors import RecordMalformed
from sensor.model.process import Ancestor, CgroupPaths
from tests.bpf.sample_records import pack


@pytest.mark.parametrize(
    ("raw", "argv"),
    [
        (b"", ()),
        (b"a\0", ("a",)),
        (b"a\0b", ("a", "b")),
        (b"a\0\0", ("a", "")),
        (b"\0", ("",)),
        (b"\xff\xfe\0", ("\udcff\udcfe",)),
        (b"\x1b[2J\n\0", ("\x1b[2J\n",)),
    ],
)
def test_command_lines_are_split_as_procfs_does(raw: bytes, argv: tuple[str, ...]) -> None:
    assert argv_of(raw) == argv


def test_each_part_has_the_bytes_that_the_record_counts() -> None:
    data = pack(
        ancestors=[(9, 3, b"bash", b"")],
        v1=[b"web"],
        v2=[b"a", b"b"],
        text=b"/run/x",
        payload=b"POST",
        argv=b"ls\0",
    )
    tail = cut_tail(data, Fixed._make(FIXED.unpack_from(data)), FIXED.size)
    assert ancestors_of(tail.ancestors) == (Ancestor(9, 3, "bash", None),)
    assert tail[1:] == (b"web\0", b"a\0b\0", b"/run/x", b"POST", b"ls\0")


def test_parts_that_do_not_fill_the_record_are_refused() -> None:
    data = pack()
    with pytest.raises(RecordMalformed, match="kind 1: parts of"):
        cut_tail(data + b"x", Fixed._make(FIXED.unpack_from(data)), FIXED.size)


def test_a_path_is_joined_from_its_names_leaf_first() -> None:
    assert path_of(b"web\0default\0") == "/default/web"
    assert path_of(b"") is None
    assert cgroup_of(b"", b"web\0") == CgroupPaths(None, "/web")


def test_a_name_ends_at_its_first_nul() -> None:
    assert name_of(b"runc\0\0old") == "runc"
