"""What redaction costs for hostile texts (case sec-crafted-argument-stalls-agent)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.speed import slowness, unit_ms
from sensor.identity.redact import MAX_LOOKED_AT, redact_argv
from sensor.identity.script import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timed

LIMIT_MS = 5.0
ROUNDS = 400
"""Most rounds of one measurement: a busy machine is slow for seconds."""

FRAGMENTS = (
    '\\"', '"\\', "a\\", '" \\', ': "', "' \"", "don't ", 'a"b', "\\", "\n", "a ", "- ", "-a ",
    "-a1 ", "=", "a=", "a= ", "A=b ", "--a=b ", "--env=A=b ", "--password ", "pw=", "pw= ",
    "passw: ", "passpass", "x://", "x://a:b@", ":a@", ":a@b ", " @(", "a:", "a.", "@", "eyJ",
    "eyJaaaaaaaaa.b.", "sk-", "hvs.", "xoxb-", "K10", "8Q~", "1:AA", "$1$", "?sig=", "?", "& ",
    '"env":[', '"env":["A=b",', "[", '{"', "-----BEGIN A-----", "password '", "identified by ",
    "setuser a >", '.auth("', "bearer ", "| ", "echo a | passwd ", "<<< ", "(", "a|b",
    "docker run ", "mysql -p ", "vault login ", "set token ", "secret create ",
    "\u0130 pw=", "token>", "<token>",
    "hooks.slack.com/services/", "\ud800", "é=", "-H a:b ", "a:b@c,",
)  # fmt: skip


def _least(work: Callable[[], object], rounds: int) -> float:
    """Return the least CPU time of some rounds, in ms: other processes only add to it."""
    least = float("inf")
    for _ in range(rounds):
        begin = time.thread_time()
        work()
        least = min(least, (time.thread_time() - begin) * 1000)
    return least


def _least_at_full_speed(work: Callable[[], object]) -> float:
    """Return the least CPU time of some rounds, in ms of the machine that the limit is for."""
    least, before = float("inf"), unit_ms()
    for _ in range(ROUNDS):
        spent = _least(work, 1)
        after = unit_ms()
        least = min(least, spent / slowness(before, after))
        if least < LIMIT_MS:
            break
        before = after
    return least


@pytest.mark.parametrize("program", ["docker", "x", "mysql", "sh"])
@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_an_argument_of_8_kib_costs_at_most_5_ms(program: str, fragment: str) -> None:
    word = (fragment * 8192)[:8192]
    assert _least_at_full_speed(lambda: redact_argv((program, word))) < LIMIT_MS


def test_the_argument_of_the_case_costs_at_most_5_ms() -> None:
    argv = ("docker", ": " + '\\"' * 2020)
    assert _least_at_full_speed(lambda: redact_argv(argv)) < LIMIT_MS


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_twice_the_text_costs_about_twice_the_time(parts: list[str], shift: int) -> None:
    """Beyond what :func:`redact_argv` looks at, so that a square would show."""
    unit = "".join(parts)[shift:] or "a"
    text = (unit * MAX_LOOKED_AT)[: 2 * MAX_LOOKED_AT]
    pairs: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        # Side by side: within a second a machine may become half as fast.
        once, twice = _least(lambda: redact_text(text), 2), _least(lambda: redact_text(text * 2), 2)
        if twice < 3.0 * once + 2.0:
            return
        pairs.append((once, twice))
    pytest.fail(f"ms of a text and of one twice as long: {pairs[:9]}")
