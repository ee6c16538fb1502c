"""Texts are decoded as the hpack library decodes them, and what it refuses is refused."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hpack
import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from sensor.huffman import LIBRARY, decode_huffman

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def librarys_own() -> Callable[[bytes], bytes]:
    """Return the function that is replaced, from the library's file."""
    file = Path(next(iter(hpack.__path__))) / f"{LIBRARY.rpartition('.')[2]}.py"
    spec = spec_from_file_location(LIBRARY, file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    decode: Callable[[bytes], bytes] = module.decode_huffman
    return decode


OWN = librarys_own()


def outcome(decode: Callable[[bytes], bytes], code: bytes) -> bytes | type[Exception]:
    try:
        return bytes(decode(code))
    except HPACKDecodingError as error:
        return type(error)


BYTES = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(b"\xff\xfe\x7f\0")).map(bytes))


@given(BYTES)
def test_any_bytes_give_what_the_library_gives(code: bytes) -> None:
    assert outcome(decode_huffman, code) == outcome(OWN, code)


@given(st.binary(max_size=200))
def test_every_text_comes_back(text: bytes) -> None:
    assert decode_huffman(ENCODER.encode(text)) == text


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(b"\xff\xff\xff\xff", id="the end of string itself"),
        pytest.param(b"\xff", id="a whole byte of padding"),
        pytest.param(b"\x00", id="padding of zeros"),
        pytest.param(ENCODER.encode(b"\n")[:-1], id="a code that is cut"),
    ],
)
def test_what_is_no_code_is_refused(code: bytes) -> None:
    with pytest.raises(HPACKDecodingError):
        decode_huffman(code)


def test_the_command_does_without_the_librarys_table() -> None:
    program = (
        "from sensor.absent import keep_out; keep_out()\n"
        "import sys, hpack.hpack\n"
        f"module = sys.modules[{LIBRARY!r}]\n"
        "assert hpack.hpack.decode_huffman is module.decode_huffman\n"
        "print(hasattr(module, 'HUFFMAN_TABLE'))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
