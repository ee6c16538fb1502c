"""The table of containers: its look-ups agree with each other and it stays within its bound."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sensor.correlate.container_table import ContainerTable
from sensor.correlate.containers import ContainerKey, ContainerState, Pending, Phase, Run
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import ContainerId
from tests.correlate.observations import MS
from tests.correlate.scenario import WEB, Core, numbered

LIMIT = 6
HEX = "0123456789abcdef" * 4


def key(name: str) -> ContainerKey:
    return ContainerKey(ContainerId(name), None)


def ended(name: str) -> Run:
    return Run(ContainerId(name), 1, 2, 0, None)


def test_an_id_without_root_prefers_the_container_that_has_none() -> None:
    table = ContainerTable()
    scoped = table.obtain(ContainerKey(ContainerId("web"), "/run/a"))
    assert table.named(ContainerId("web")) is scoped
    plain = table.obtain(key("web"))
    assert table.named(ContainerId("web")) is plain
    assert table.named(ContainerId("other")) is None


def test_among_equal_names_the_one_that_changed_last_is_meant() -> None:
    table = ContainerTable()
    first = table.obtain(ContainerKey(ContainerId("web"), "/run/a"))
    table.obtain(ContainerKey(ContainerId("web"), "/run/b"))
    table.begin_run(first, ProcessKey(7, 1), 1)
    assert table.named(ContainerId("web")) is first


def test_an_init_is_found_by_pid_and_start_time() -> None:
    table = ContainerTable()
    state = table.obtain(key("web"))
    table.begin_run(state, ProcessKey(7, 1000 * MS), 1)
    assert table.of_init(ProcessKey(7, 1000 * MS)) is state
    assert table.of_init(ProcessKey(7, 1005 * MS)) is state, "procfs counts ticks of 10 ms"
    assert table.of_init(ProcessKey(7, 1010 * MS)) is None
    assert table.of_init(ProcessKey(8, 1000 * MS)) is None
    table.end_run(state, ended("web"))
    assert table.of_init(ProcessKey(7, 1000 * MS)) is None


def test_a_run_that_is_over_leaves_none_of_its_commands() -> None:
    core = Core()
    core >> WEB.create(0) >> WEB.described(2) >> WEB.other(5, "start") >> WEB.execs(10)
    (state,) = core.table.all()
    assert None not in (state.creation, state.starter)
    core >> WEB.exits(20)
    assert (state.creation, state.starter) == (None, None)


def test_a_reused_pid_belongs_to_the_container_that_began_last() -> None:
    table = ContainerTable()
    old, new = table.obtain(key("old")), table.obtain(key("new"))
    table.begin_run(old, ProcessKey(7, 0), 0)
    table.begin_run(new, ProcessKey(7, 50 * MS), 50 * MS)
    table.end_run(old, ended("old"))
    assert table.of_init(ProcessKey(7, 50 * MS)) is new
    assert table.running == 1


def test_the_longest_stopped_is_forgotten_first() -> None:
    table = ContainerTable(limit=3)
    for pid, name in enumerate(["a", "b", "c"]):
        table.begin_run(table.obtain(key(name)), ProcessKey(pid, 0), 0)
    for name in ["c", "a"]:
        state = table.get(key(name))
        assert state is not None
        table.end_run(state, ended(name))
    table.obtain(key("d"))
    assert [state.key.id for state in table.all()] == ["b", "a", "d"]
    assert (table.forgotten, table.running) == (1, 1)


def test_when_all_run_the_oldest_is_forgotten() -> None:
    table = ContainerTable(limit=2)
    for pid, name in enumerate(["a", "b", "c"]):
        table.begin_run(table.obtain(key(name)), ProcessKey(pid, 0), 0)
    assert [state.key.id for state in table.all()] == ["b", "c"]
    assert table.running == 2
    assert table.of_init(ProcessKey(0, 0)) is None


def test_a_forgotten_container_leaves_its_pod_too() -> None:
    table = ContainerTable(limit=1)
    table.join_pod(table.obtain(key("a")), "pod", "app")
    other = table.obtain(key("b"))
    assert table.predecessor(other, "pod", "app") is None


def test_a_forgotten_container_leaves_its_pod_to_its_successor() -> None:
    table = ContainerTable(limit=2)
    table.join_pod(table.obtain(key("a")), "pod", "app")
    successor = table.obtain(key("b"))
    table.join_pod(successor, "pod", "app")
    table.obtain(key("c"))
    assert table.predecessor(successor, "pod", "app") is successor


def test_what_changed_and_what_was_forgotten_is_reported_once() -> None:
    core = Core(limit=2)
    core >> WEB.life(0)
    changed, gone = core.core.changes()
    assert [(c.id, c.running, c.starts, c.exit_code) for c in changed] == [(WEB.id, False, 1, 0)]
    assert gone == ()
    assert core.core.changes() == ((), ())
    for number in (1, 2):
        core >> numbered(number).create(20 + number)
    assert core.core.changes() == ((), ((WEB.id, None),))


def test_more_waiting_starts_than_the_table_holds_all_go_out() -> None:
    core = Core(limit=4)
    boxes = [numbered(number) for number in range(12)]
    for box in boxes:
        core >> box.create(0) >> box.execs(5)
    core.wait(until=2000)
    assert [e.container.id for e in core.starts if e.container] == [box.id for box in boxes]
    for box in boxes:
        core >> box.exits(2100)
    core >> WEB.create(2200)
    assert core.table.running == 0


def test_the_table_keeps_its_bound_under_churn() -> None:
    core = Core(limit=8)
    for number in range(200):
        core >> numbered(number).life(100 * number)
        assert len(core.table) <= 8
    assert core.table.forgotten == 192
    assert len(core.starts) == 200


NAMES = st.integers(0, 2 * LIMIT)
PIDS = st.integers(1, 8)
TIMES = st.integers(0, 5).map(lambda ticks: ticks * 10 * MS)


class TableMachine(RuleBasedStateMachine):
    """Any sequence of what the core does with the table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ContainerTable(limit=LIMIT)

    def pick(self, name: int) -> ContainerState:
        scope = (None, "/run/a", "/run/b")[name % 3]
        return self.table.obtain(ContainerKey(ContainerId(f"n{name // 3}"), scope))

    @rule(name=NAMES)
    def create(self, name: int) -> None:
        state = self.pick(name)
        if not state.alive:
            state.phase = Phase.CREATED

    @rule(name=NAMES, pid=PIDS, time=TIMES)
    def begin(self, name: int, pid: int, time: int) -> None:
        state = self.pick(name)
        state.pending = None
        self.table.begin_run(state, ProcessKey(pid, time), time)
        assert self.table.of_init(ProcessKey(pid, time)) is state

    @rule(name=NAMES)
    def wait(self, name: int) -> None:
        state = self.pick(name)
        if not state.alive and sum(s.pending is not None for s in self.table.all()) < LIMIT - 1:
            state.pending = Pending(WEB.execs(0), 0)

    @rule(name=NAMES, seen=st.booleans())
    def end(self, name: int, seen: bool) -> None:
        state = self.pick(name)
        self.table.end_run(state, ended(f"n{name}") if seen else None)

    @rule(name=NAMES)
    def pause(self, name: int) -> None:
        state = self.pick(name)
        if state.phase is Phase.RUNNING:
            state.phase = Phase.PAUSED

    @rule(name=NAMES, pod=st.integers(0, 2))
    def join(self, name: int, pod: int) -> None:
        state = self.pick(name)
        if state.pod_uid in (None, f"p{pod}"):
            self.table.join_pod(state, f"p{pod}", "app")
            assert self.table.predecessor(state, f"p{pod}", "app") is state

    @invariant()
    def it_is_bounded(self) -> None:
        assert len(self.table) <= LIMIT
        assert len(self.table._by_init) <= LIMIT
        assert len(self.table._pods) <= LIMIT

    @invariant()
    def a_name_means_what_a_look_at_all_of_them_says(self) -> None:
        for name in range(2 * LIMIT // 3 + 1):
            id_ = ContainerId(f"n{name}")
            fitting = [state for state in self.table.all() if state.key.id == id_]
            plain = [state for state in fitting if state.key.scope is None]
            assert self.table.named(id_) is next(reversed(plain or fitting), None)
        assert all(self.table._scoped.values()), "no entry is kept for a name without a container"

    @invariant()
    def running_counts_what_is_alive(self) -> None:
        assert self.table.running == sum(state.alive for state in self.table.all())

    @invariant()
    def inits_belong_to_containers_of_the_table_that_run(self) -> None:
        for pid, state in self.table._by_init.items():
            assert state.alive
            assert state.init is not None
            assert state.init.pid == pid
            assert self.table.get(state.key) is state

    @invariant()
    def pods_belong_to_containers_of_the_table(self) -> None:
        for state in self.table._pods.values():
            assert self.table.get(state.key) is state

    @invariant()
    def starts_that_wait_are_kept(self) -> None:
        assert all(self.table.get(state.key) is state for state in self.table.all())


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
