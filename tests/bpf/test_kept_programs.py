"""A file of kept programs is read whole, or refused."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.bpf import kept_programs
from sensor.bpf.kept_programs import Malformed
from tests.bpf.sample_kept import KEPT, KEY
from tests.bpf.test_instructions import EXIT, load_64

FILE = kept_programs.encode(KEPT)
HEAD, _, BODY = FILE.split(b"\n", 2)


def sealed(body: bytes) -> bytes:
    """A file of these bytes with the digest that belongs to them."""
    return b"\n".join((HEAD, hashlib.sha256(body).hexdigest().encode(), body))


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(BODY)
    change(document)
    return sealed(json.dumps(document).encode())


def test_what_was_kept_comes_back() -> None:
    assert kept_programs.decode(FILE, KEY) == KEPT


@pytest.mark.parametrize("length", [0, 1, len(HEAD), len(HEAD) + 30, len(FILE) - 1])
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(Malformed):
        kept_programs.decode(FILE[:length], KEY)


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_file_with_one_byte_changed_is_refused(place: int, change: int) -> None:
    damaged = bytearray(FILE)
    damaged[place] ^= change
    with pytest.raises(Malformed):
        kept_programs.decode(bytes(damaged), KEY)


def test_programs_of_another_key_are_refused() -> None:
    with pytest.raises(Malformed, match="of another version, kernel or compiler"):
        kept_programs.decode(FILE, KEY[::-1])


@given(st.binary(max_size=500))
def test_hostile_bytes_are_refused(content: bytes) -> None:
    for one in (content, sealed(content)):
        with pytest.raises(Malformed):
            kept_programs.decode(one, KEY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=7) | st.dictionaries(st.text(max_size=9), below, max_size=5)
    ),
    max_leaves=20,
)


@given(st.sampled_from(["key", "maps", "code", "missing"]), JSON)
def test_any_value_in_place_of_another_is_read_or_refused(name: str, value: object) -> None:
    try:
        kept_programs.decode(changed(lambda found: found.update({name: value})), KEY)
    except Malformed:
        return
    assert value in (json.loads(BODY)[name], [], {})


@given(st.integers(0, 5), JSON)
def test_any_value_in_a_map_is_read_or_refused(place: int, value: object) -> None:
    def put(found: dict[str, Any]) -> None:
        found["maps"][1][place] = value

    try:
        made = kept_programs.decode(changed(put), KEY).maps[1]
    except Malformed:
        return
    assert 0 < made.max_entries <= kept_programs._ENTRIES_MAX


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d["maps"].append(d["maps"][0]), id="a map twice"),
        pytest.param(lambda d: d["maps"].pop(), id="a map that a program names is missing"),
        pytest.param(lambda d: d["maps"][0].append(0), id="a map with more"),
        pytest.param(lambda d: d["maps"][0].__setitem__(0, "../odd"), id="the name of a map"),
        pytest.param(lambda d: d["maps"][0].__setitem__(1, 3), id="a map of programs"),
        pytest.param(lambda d: d["maps"][0].__setitem__(4, 1 << 40), id="a huge map"),
        pytest.param(lambda d: d["maps"].extend([["m", 1, 4, 4, 1, 0]] * 70), id="many maps"),
        pytest.param(lambda d: d["code"].update(other=""), id="a program of another kind"),
        pytest.param(lambda d: d["code"].update(on_fork=""), id="an empty program"),
        pytest.param(lambda d: d["code"].update(on_fork="AAA"), id="no base64"),
        pytest.param(lambda d: d["code"].update(on_fork="\u00e9"), id="no ASCII"),
        pytest.param(
            lambda d: d["code"].update(on_fork=b64encode(load_64(2, 1) + EXIT).decode()),
            id="a map beyond the last",
        ),
        pytest.param(
            lambda d: d["code"].update(on_fork=b64encode(load_64(-1, 1) + EXIT).decode()),
            id="a map before the first",
        ),
        pytest.param(lambda d: d.pop("missing"), id="a part is missing"),
        pytest.param(lambda d: d["missing"].append([]), id="an odd name"),
    ],
)
def test_a_document_that_the_loader_could_not_have_written_is_refused(
    change: Callable[[dict[str, Any]], object],
) -> None:
    with pytest.raises(Malformed):
        kept_programs.decode(changed(change), KEY)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1" * 10_000, b'"\\ud800"', b"\xff"])
def test_json_that_python_stumbles_over_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        kept_programs.decode(sealed(body), KEY)
