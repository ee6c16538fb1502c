"""The digests of the chain, as a collector computes them anew."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sensor.store.chain import Anchor, AnchorReason, digest_of, genesis


def test_a_digest_is_that_of_the_one_before_the_number_and_the_line() -> None:
    before = genesis("0f1e2d3c4b5a6978")
    plain = before + (7).to_bytes(8, "big") + b'{"a":1}\n'
    assert digest_of(before, 7, b'{"a":1}\n') == hashlib.sha256(plain).digest()


def test_two_logs_do_not_begin_alike() -> None:
    assert genesis("0f1e2d3c4b5a6978") != genesis("0f1e2d3c4b5a6979")


@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(1, 1 << 62))
def test_another_line_number_or_predecessor_gives_another_digest(
    line: bytes, other: bytes, number: int
) -> None:
    before = genesis("log")
    digest = digest_of(before, number, line)
    assert digest_of(before, number + 1, line) != digest
    assert digest_of(genesis("gol"), number, line) != digest
    assert (digest_of(before, number, other) == digest) == (line == other)


def test_an_anchor_excuses_the_numbers_that_it_skips_and_no_other() -> None:
    anchor = Anchor(9, b"", AnchorReason.SALVAGED, 0, skipped=3)
    assert [number for number in range(12) if anchor.excuses(number)] == [7, 8, 9]
