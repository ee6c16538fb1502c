"""Compiler flags for a kernel's field offsets; what a kernel lacks is named."""

from __future__ import annotations

import re

import pytest

from sensor.bpf import source
from sensor.bpf.btf import VMLINUX, Btf
from sensor.bpf.fields import ENUMERATORS, FIELDS, Field, macros
from sensor.bpf.loader import SOURCES
from sensor.errors import KernelUnsupported
from tests.bpf.sample_btf import Blob

Tree = dict[str, "Tree"]


def composite(blob: Blob, name: str, members: Tree, number: int) -> int:
    """A structure and those embedded in it, each member in a slot of 64 bytes."""
    described = [
        (member, composite(blob, "", inner, number) if inner else number, 512 * index)
        for index, (member, inner) in enumerate(members.items())
    ]
    return blob.composite(name, 64 * len(members), *described)


def kernel_without(
    absent: str = "", *, renamed: dict[str, str] | None = None, enumerators: bool = True
) -> Btf:
    """A kernel whose structures have every field but ``absent``, under the newest names."""
    structures: dict[str, Tree] = {}
    for field in FIELDS:
        full = f"{field.structure}.{field.paths[0]}"
        if full == absent:
            continue
        tree = structures.setdefault(field.structure, {})
        for part in (renamed or {}).get(full, field.paths[0]).split("."):
            tree = tree.setdefault(part, {})
    blob = Blob()
    number = blob.integer()
    for structure, members in structures.items():
        composite(blob, structure, members, number)
    if enumerators:
        for name in sorted({enum.enum for enum in ENUMERATORS}):
            blob.enum(name, **{one.name: 3 for one in ENUMERATORS if one.enum == name})
    return Btf(blob.data(), "6.1-test")


def test_every_field_becomes_one_flag() -> None:
    flags = macros(kernel_without())
    names = [flag.removeprefix("-D").split("=")[0] for flag in flags]
    wanted = {field.macro for field in FIELDS} | {enum.macro for enum in ENUMERATORS}
    assert set(names) == wanted | {"SIZE_upid"}
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"-D\w+=\d+", flag) for flag in flags)


REQUIRED = [field for field in FIELDS if not field.optional]


@pytest.mark.parametrize("field", REQUIRED, ids=[field.macro for field in REQUIRED])
def test_a_missing_field_is_named_with_its_structure_and_kernel(field: Field) -> None:
    with pytest.raises(KernelUnsupported) as caught:
        macros(kernel_without(f"{field.structure}.{field.paths[0]}"))
    assert "6.1-test has no " in caught.value.problem
    for path in field.paths:
        assert f"{field.structure}.{path}" in caught.value.problem


def test_older_names_do_as_well() -> None:
    renamed = {
        f"{field.structure}.{field.paths[0]}": field.paths[-1]
        for field in FIELDS
        if len(field.paths) > 1
    }
    assert {"kernfs_node.__parent", "task_struct.start_boottime"} <= renamed.keys()
    assert macros(kernel_without(renamed=renamed)) == macros(kernel_without())


OPTIONAL = [field for field in FIELDS if field.optional]


@pytest.mark.parametrize("field", OPTIONAL, ids=[field.macro for field in OPTIONAL])
def test_an_optional_field_may_be_missing(field: Field) -> None:
    flags = macros(kernel_without(f"{field.structure}.{field.paths[0]}"))
    assert not [flag for flag in flags if flag.startswith(f"-D{field.macro}=")]


def test_a_missing_enumerator_is_named() -> None:
    with pytest.raises(KernelUnsupported, match="has no PIDTYPE_SID in enum pid_type"):
        macros(kernel_without(enumerators=False))


def test_the_probes_use_no_offset_that_is_undefined() -> None:
    used = set(re.findall(r"\b(?:OFF|ENUM|SIZE)_\w+", source.joined(SOURCES)))
    defined = {field.macro for field in FIELDS} | {enum.macro for enum in ENUMERATORS}
    assert used <= defined | {"SIZE_upid"}


@pytest.mark.skipif(not VMLINUX.exists(), reason=f"this kernel has no {VMLINUX}")
def test_the_running_kernel_has_every_field() -> None:
    assert len(macros(Btf.running())) >= len(REQUIRED)
