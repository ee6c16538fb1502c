"""What users choose comes back byte for byte, and what is cut is not made up."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.audit import decode


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"docker"', "docker"),
        ("612062", "a b"),
        ("1B5B33316D", "\x1b[31m"),
        ("FF", "\udcff"),
        ('""', ""),
        ("(null)", None),
        ("?", None),
        ('"cut', None),
        ('"', None),
        ("61206", None),
        ("6a6b", None),
        (None, None),
    ],
)
def test_an_untrusted_string_is_quoted_or_in_hex(value: str | None, expected: str | None) -> None:
    assert decode.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("4242", 4242),
        ("4294967295", None),
        ("-1", None),
        ("", None),
        (None, None),
        ("9" * 5000, None),
        ("²", None),
    ],
)
def test_an_id_is_a_number_and_minus_one_is_unset(value: str | None, expected: int | None) -> None:
    assert decode.number(value) == expected


def test_several_keys_are_joined_by_commas() -> None:
    assert decode.keys(['"one"']) == "one"
    assert decode.keys(["6F6E650174776F"]) == "one,two"
    assert decode.keys(['"one"', '"two"']) == "one,two"
    assert decode.keys(["(null)"]) is None
    assert decode.keys([]) is None


@pytest.mark.parametrize(
    ("saddr", "expected"),
    [
        ("01002F7661722F72756E2F646F636B65722E736F636B00", "/var/run/docker.sock"),
        ("00012F612F62", "/a/b"),
        ("0100612F62", "a/b"),
        ("010000666F6F", "@foo"),
        ("0100", None),
        ("02000050A9FEA9FE0000000000000000", None),
        ("01002F61622F63006B7B47FC7F", "/ab/c"),
        ("01002F7", None),
        ("zz", None),
        (None, None),
    ],
)
def test_a_socket_address_gives_its_unix_path(saddr: str | None, expected: str | None) -> None:
    assert decode.unix_path(saddr) == expected


def fields(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (word.partition("=") for word in text.split())]


@pytest.mark.parametrize(
    ("text", "argv", "first"),
    [
        ('argc=2 a0="docker" a1="run"', ("docker", "run"), "docker"),
        ('argc=2 a1="run" a0="docker"', ("docker", "run"), "docker"),
        ('argc=2 a0="docker" a1=""', ("docker", ""), "docker"),
        ('argc=2 a0="d" a1_len=8 a1[0]=7879 a1[1]=7A7A', ("d", "xyzz"), "d"),
        ('a1[1]=7A7A argc=2 a0="d" a1_len=8 a1[0]=7879', ("d", "xyzz"), "d"),
        ('argc=2 a0="d" a1_len=4 a1[0]="xy" a1[1]="zz"', ("d", "xyzz"), "d"),
        ('argc=2 a0="d" a1_len=8 a1[0]=7879', None, "d"),
        ('argc=2 a0="d" a1_len=8 a1[1]=7879', None, "d"),
        ('argc=3 a0="docker" a1="run"', None, "docker"),
        ('argc=2 a0="docker" a1="ru', None, "docker"),
        ('a0="docker" a1="run"', None, "docker"),
        ("argc=0", (), None),
        ("argc=99999999999 a0=61", None, "a"),
        ("argc=1 a0[7]=61", None, None),
        ("", None, None),
    ],
)
def test_arguments_are_whole_or_unknown_with_the_first_one(
    text: str, argv: tuple[str, ...] | None, first: str | None
) -> None:
    assert decode.arguments(fields(text)) == decode.Arguments(argv, first)


def test_arguments_are_bounded_together() -> None:
    words = [("argc", "100"), *((f"a{i}", f'"{"x" * 7000}"') for i in range(100))]
    argv = decode.arguments(words).argv
    assert argv is not None
    assert sum(map(len, argv)) == decode.ARGV_BYTES_MAX


def test_what_was_left_out_on_purpose_leaves_a_prefix() -> None:
    assert decode.arguments(fields("argc=3 a0=61 a1=62"), cut=True).argv == ("a", "b")


def encode(word: bytes) -> str:
    plain = all(0x21 <= byte <= 0x7E and byte != 0x22 for byte in word)
    return f'"{word.decode("ascii")}"' if plain else word.hex().upper()


@given(st.lists(st.binary(max_size=40), max_size=10), st.randoms())
def test_any_argv_comes_back(words: list[bytes], random: Random) -> None:
    parts = [("argc", str(len(words)))]
    for index, word in enumerate(words):
        if len(word) > 20:
            parts += [
                (f"a{index}_len", str(2 * len(word))),
                (f"a{index}[0]", word[:20].hex().upper()),
                (f"a{index}[1]", word[20:].hex().upper()),
            ]
        else:
            parts.append((f"a{index}", encode(word)))
    random.shuffle(parts)
    argv = decode.arguments(parts).argv
    assert argv is not None
    assert [word.encode("utf-8", "surrogateescape") for word in argv] == words


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12))), st.text(max_size=40))
def test_any_fields_are_survived(parts: list[tuple[str, str]], value: str) -> None:
    decode.arguments(parts)
    decode.arguments([(f"a{index}", value) for index, _ in enumerate(parts)])
    for function in (decode.text, decode.number, decode.unix_path, decode.plain):
        function(value)
    decode.keys([value])
