"""A process is a pid and a start time; procfs knows that time in ticks of 10 ms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.model.process import NS_PER_TICK, ProcessKey, tick_key

TIMES = st.integers(0, 10**18)


@given(st.integers(1, 1 << 22), TIMES)
def test_a_key_of_procfs_names_the_process_of_the_kernels_key(pid: int, start: int) -> None:
    rounded = start // NS_PER_TICK * NS_PER_TICK
    assert ProcessKey(pid, start).same(ProcessKey(pid, rounded))
    assert ProcessKey(pid, start).tick == tick_key(pid, rounded)


def test_another_pid_or_another_tick_is_another_process() -> None:
    key = ProcessKey(7, 5 * NS_PER_TICK)
    assert not key.same(ProcessKey(8, 5 * NS_PER_TICK))
    assert not key.same(ProcessKey(7, 6 * NS_PER_TICK))
