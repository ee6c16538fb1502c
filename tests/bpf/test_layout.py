"""The compiled header and its mirror have one layout and the same numbers."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess

import pytest

from sensor.bpf import counters, layout, probe_set, seed, watched
from sensor.bpf.layout import ANCESTOR, FIXED, LINEAGES, ROLES, Fixed, Flag, RecordKind
from sensor.bpf.loader import SOURCES
from sensor.model.vocabulary import Lineage, Role

HEADER = SOURCES / "record.h"
STRUCTS = {
    "record": FIXED,
    "ancestor": ANCESTOR,
    "lineage": seed._LINEAGE,
    "started_init": seed._STARTED,
    "started_mount": seed._MOUNT,
}


def fields_of(name: str) -> list[str]:
    """The fields that layout.h declares in a structure, in order."""
    body = re.search(rf"^struct {name} {{\n(.*?)^}};", HEADER.read_text(), re.MULTILINE | re.DOTALL)
    assert body is not None
    declared = re.findall(r"^\t(?:u\d+|char) (\w+)", body[1], re.MULTILINE)
    assert len(declared) == body[1].count(";"), "every declaration is understood"
    return declared


FIELDS = {name: fields_of(name) for name in STRUCTS}


def constants() -> list[str]:
    """Names of the header's enumerators and numeric macros."""
    text = HEADER.read_text()
    return re.findall(r"^#define (\w+) \d+$", text, re.MULTILINE) + re.findall(
        r"^\t([A-Z_]+) = \d+,", text, re.MULTILINE
    )


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What a C compiler makes of record.h: ``struct.field`` offsets, ``+`` sizes, constants."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    lines = [
        "#include <stddef.h>",
        "#include <stdint.h>",
        "#include <stdio.h>",
        *(f"typedef uint{bits}_t u{bits};" for bits in (8, 16, 32, 64)),
        f'#include "{HEADER}"',
        "int main(void) {",
    ]
    for name, fields in FIELDS.items():
        kind = f"struct {name}"
        lines.append(f'printf("{name} %zu\\n", sizeof({kind}));')
        for field in fields:
            member = f"(({kind} *)0)->{field}"
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({kind}, {field}));')
            lines.append(f'printf("{name}.{field}+ %zu\\n", sizeof({member}));')
    lines += [f'printf("{name} %d\\n", (int){name});' for name in constants()]
    lines.append("}")
    base = tmp_path_factory.mktemp("header")
    source, program = base / "layout.c", base / "layout"
    source.write_text("\n".join(lines))
    subprocess.run([compiler, "-Wall", "-Werror", "-o", program, source], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in map(str.split, printed.splitlines())}


def layout_of(format_: struct.Struct, fields: list[str]) -> dict[str, tuple[int, int]]:
    """Offset and size of each field of a struct format, arrays as one field."""
    sizes = {"Q": 8, "I": 4, "H": 2, "B": 1}
    parts: list[tuple[int, int]] = []
    offset = 0
    for count, code in re.findall(r"(\d*)([QIHBs])", format_.format):
        widths = [int(count)] if code == "s" else [sizes[code]] * int(count or 1)
        for width in widths:
            parts.append((offset, width))
            offset += width
    assert len(parts) == len(fields)
    return dict(zip(fields, parts, strict=True))


@pytest.mark.parametrize("name", STRUCTS)
def test_the_compiled_header_and_the_formats_have_one_layout(
    header: dict[str, int], name: str
) -> None:
    mine = layout_of(STRUCTS[name], FIELDS[name])
    theirs = {
        field: (header[f"{name}.{field}"], header[f"{name}.{field}+"]) for field in FIELDS[name]
    }
    assert mine == theirs
    assert STRUCTS[name].size == header[name], "no padding at the end either"


def test_the_fields_of_a_record_have_the_headers_names() -> None:
    assert list(Fixed._fields) == FIELDS["record"]


def test_kinds_flags_lineages_and_roles_have_the_headers_numbers(header: dict[str, int]) -> None:
    assert {kind.name: int(kind) for kind in RecordKind} == {
        name.removeprefix("RECORD_"): value
        for name, value in header.items()
        if name.startswith("RECORD_") and name != "RECORD_KINDS"
    }
    assert header["RECORD_KINDS"] == max(RecordKind) + 1
    assert {flag.name: int(flag) for flag in Flag} == _named(header, "FLAG_")
    lineages = {lineage.name: number for number, lineage in LINEAGES.items()}
    # No init descends from a client: that kind never leaves the kernel.
    assert lineages | {"NONE": 0, "CLIENT": 5} == _named(header, "LINEAGE_")
    assert set(LINEAGES.values()) == set(Lineage)
    roles = {role.name: number for number, role in ROLES.items()}
    assert roles | {"NONE": 0} == _named(header, "ROLE_")
    assert set(ROLES.values()) == set(Role)
    assert {role: number for number, role in ROLES.items()} == watched.ROLE_CODES
    listening = {"KNOWN": layout.LISTENER_KNOWN, "PRIVILEGED": layout.LISTENER_PRIVILEGED}
    assert listening == _named(header, "LISTENER_")


def _named(header: dict[str, int], prefix: str) -> dict[str | None, int]:
    return {
        name.removeprefix(prefix): value
        for name, value in header.items()
        if name.startswith(prefix)
    }


def test_limits_have_the_headers_numbers(header: dict[str, int]) -> None:
    assert header["CASTOFF_LAYOUT"] == layout.LAYOUT
    assert header["NS_LEVELS"] == layout.NS_LEVELS
    assert header["ARGV_LEN"] == layout.ARGV_MAX
    assert header["NAME_LEN"] == watched.NAME_MAX + 1
    assert header["COMM_LEN"] - 1 == watched.PREFIX_LEN
    assert header["COUNTERS"] == counters._COUNTERS
    assert (
        header["LINEAGE_RUNTIME"],
        header["LINEAGE_SUPERVISOR"],
    ) == (seed._LINEAGE_RUNTIME, seed._LINEAGE_SUPERVISOR)
    assert (header["FOUNDER_QUIET"], header["FOUNDER_PRIVILEGED"]) == (
        seed._QUIET,
        seed._PRIVILEGED,
    )
    assert (header["FREEZING_FROZEN"], header["FREEZING_SETTLED"]) == (
        layout.FROZEN,
        layout.SETTLED,
    )
    places = _named(header, "FAILED_")
    assert (
        tuple(str(name).lower() for name in sorted(places, key=lambda name: places[name]))
        == counters.PLACES
    )
    assert header["SETTING_CONFIRMS"] == probe_set._CONFIRMS
    assert header["SETTING_LOADED_AT"] == probe_set._LOADED_AT == counters._LOADED_AT
    assert header["SETTING_SEEN_AT"] == counters._SEEN_AT
    assert header["SETTING_HANDLED"] == counters._HANDLED
    assert (header["LIFECYCLE_RELEASED"], header["COMMANDS_RELEASED"]) == (
        counters.RingSpace._LIFECYCLE,
        counters.RingSpace._COMMANDS,
    )
