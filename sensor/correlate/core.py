"""The core: observations and time in, events and describe requests out. No I/O, no own clock.

Feed it batches with the time of their arrival; call :meth:`Correlator.feed` with an empty batch
when :meth:`Correlator.deadline` has come. The same batches at the same times give the same output
to the byte, on any machine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar, cast

from sensor.correlate.candidates import CandidateFactory
from sensor.correlate.claims import Claims
from sensor.correlate.container_table import ContainerTable
from sensor.correlate.coverage import SILENCE, Coverage
from sensor.correlate.ends import EndReporter
from sensor.correlate.engine_words import EngineWords
from sensor.correlate.events import Clock, EventFactory
from sensor.correlate.failed_starts import FailedStarts
from sensor.correlate.initiator import Attributor
from sensor.correlate.inventory import Inventory
from sensor.correlate.kubelets import Kubelets
from sensor.correlate.lifecycle import Lifecycle
from sensor.correlate.node_name import node_name_in
from sensor.correlate.past import RecentPast
from sensor.correlate.places import Places
from sensor.correlate.pods import Pods
from sensor.correlate.renames import Renames
from sensor.correlate.runtimes import RuntimeLog
from sensor.correlate.sensor_health import SensorHealth
from sensor.correlate.start_context import StartContext
from sensor.correlate.starts import StartReporter
from sensor.correlate.static_manifests import StaticManifests
from sensor.dataclass import dataclass
from sensor.model.agent_records import (
    AccountsRead,
    AgentStalled,
    ClockStepped,
    ClockSynced,
    Heartbeat,
    HostFacts,
    Notice,
    OutputLoss,
    ProbesAttached,
    ProbesLost,
    ProbesRestored,
    StoreLoss,
)
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiHop, ApiRequest, ConnectionClosed
from sensor.model.events import Event, Gap
from sensor.model.inventory import (
    ContainerDescribed,
    InventoryTaken,
    KnowledgeRestored,
    KnownContainer,
)
from sensor.model.kernel_records import (
    CgroupBirth,
    CgroupFrozen,
    CommandExec,
    CommandExit,
    InitExec,
    InitExit,
    KernelLoss,
)
from sensor.model.observations import Observation
from sensor.model.requests import CoverageRow, DescribeRequest
from sensor.model.vocabulary import Role, Witness
from sensor.model.witness_records import (
    AuditExec,
    AuditLoss,
    AuditRulesChanged,
    EngineConfigWritten,
    EngineEvent,
    EngineLoss,
    EngineRecalled,
    ManifestWritten,
    SourceChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.correlate.authority import Origin
    from sensor.correlate.containers import ContainerState
    from sensor.correlate.engine_requests import Asked
    from sensor.correlate.events import Output
    from sensor.correlate.starts import Foresee
    from sensor.model.container import CgroupParser
    from sensor.model.vocabulary import ContainerId, RoleOf

CGROUPS_REMEMBERED = 512
"""Cgroup paths of which it is remembered what they name: one is asked for several times a start. In
a backlog a description comes a batch of 256 starts later."""

_Kind = TypeVar("_Kind", bound=Observation)


@dataclass(frozen=True, slots=True)
class Parsers:
    """The pure functions that the core takes from elsewhere."""

    cgroup: CgroupParser
    redact: Callable[[tuple[str, ...]], tuple[str, ...]]
    role_of: RoleOf


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one batch led to, in order."""

    events: tuple[Event, ...]
    requests: tuple[DescribeRequest, ...]


class Correlator:
    """Holds all state between batches; everything in it is bounded."""

    def __init__(
        self,
        parsers: Parsers,
        on_event: Callable[[Event], None] | None = None,
        foresee: Foresee | None = None,
    ) -> None:
        """``on_event`` gets each event as soon as it is made, in the middle of a batch.

        What it raises comes out of :meth:`feed`, when that has done its work. ``foresee`` gets what
        is known of a start that is to come, while nothing waits for it.
        """
        self._on_event = on_event
        self._raised: Exception | None = None
        self._clock = Clock()
        self._outputs: list[Output] = []
        self._factory = EventFactory(self._clock, parsers.redact)
        self.table = ContainerTable()
        self.defects: Counter[str] = Counter()
        """Observations that the core could not take, by kind and error: each is a defect."""
        emit = self._emit
        parse_cgroup = lru_cache(CGROUPS_REMEMBERED)(parsers.cgroup)
        self._places = Places(parse_cgroup)
        self._runtimes = RuntimeLog(parsers.role_of)
        self._claims = Claims(self.table)
        self._past = RecentPast(self._places.origin_of_caller)
        self._candidates = CandidateFactory(
            self._past, parse_cgroup, parsers.role_of, parsers.redact, self.table.holds
        )
        names = self._candidates.account_names
        self._coverage = Coverage(self._clock, self._factory, emit)
        self._words = EngineWords()
        self._pods = Pods(self.table)
        self._failures = FailedStarts(emit)
        self._renames = Renames(self._clock, self.table)
        self._manifests = StaticManifests(names)
        self._kubelets = Kubelets(self.table, self._places, parsers.role_of)
        attributor = Attributor(
            self._past, self._runtimes, self._candidates, parsers.role_of, self._kubelets
        )
        context = StartContext(self._clock, self.table, self._past, self._runtimes, attributor)
        ends = self._end_reporter(context)
        self._lifecycle = self._lifecycle_of(
            self._start_reporter(context, attributor, foresee), ends
        )
        self._inventory = Inventory(
            self._clock, self._factory, self.table, self._lifecycle, ends, self._pods, emit
        )
        self._health = SensorHealth(self._factory, emit, names)
        self._handlers: dict[type, Callable[[Observation], None]] = {}
        self._register()

    def _lifecycle_of(self, starts: StartReporter, ends: EndReporter) -> Lifecycle:
        return Lifecycle(
            self._clock,
            self.table,
            self._places,
            claims=self._claims,
            runtimes=self._runtimes,
            past=self._past,
            starts=starts,
            ends=ends,
            emit=self._emit,
        )

    def _start_reporter(
        self, context: StartContext, attributor: Attributor, foresee: Foresee | None
    ) -> StartReporter:
        return StartReporter(
            self._clock,
            self._factory,
            self.table,
            self._places,
            context,
            attributor,
            self._coverage,
            emit=self._manifests.completing(self._emit),
            words=self._words,
            pods=self._pods,
            failures=self._failures,
            foresee=foresee,
        )

    def _end_reporter(self, context: StartContext) -> EndReporter:
        return EndReporter(
            self._clock,
            self._factory,
            self.table,
            self._places,
            self._coverage,
            self._emit,
            failures=self._failures,
            past=self._past,
            pods=self._pods,
            context=context,
        )

    def _register(self) -> None:
        self._on(HostFacts, self._on_host)
        self._on(ClockSynced, self._on_clock)
        self._on(AccountsRead, self._on_accounts)
        self._on(KernelLoss, self._health.on_loss)
        self._on(AuditLoss, self._health.on_audit_loss)
        self._on(OutputLoss, self._health.on_output_loss)
        self._on(StoreLoss, self._health.on_store_loss)
        self._on(InitExec, self._lifecycle.on_init_exec)
        self._on(InitExit, self._lifecycle.on_init_exit)
        self._on(CommandExec, self._on_command)
        self._on(CommandExit, self._on_command_exit)
        self._on(CgroupBirth, self._lifecycle.on_birth)
        self._on(CgroupFrozen, self._lifecycle.pauses.on_frozen)
        self._on(ContainerDescribed, self._lifecycle.on_described)
        self._on(ApiConnect, self._on_connect)
        self._on(ApiRequest, self._on_request)
        self._on(ApiAnswer, self._on_answer)
        self._on(ConnectionClosed, self._past.add_closed)
        self._on(ApiHop, self._past.add_hop)
        self._on(AuditExec, self._past.add_audit)
        self._on(ManifestWritten, self._manifests.add)
        self._on(EngineEvent, self._on_engine)
        self._on(EngineRecalled, self._words.hear)
        self._on(EngineLoss, self._health.on_engine_loss)
        self._on(SourceChanged, self._coverage.on_source)
        self._on(ProbesAttached, self._inventory.on_attached)
        self._on(Heartbeat, self._inventory.on_heartbeat)
        self._on(InventoryTaken, self._on_inventory)
        self._on(KnowledgeRestored, self._inventory.on_knowledge)
        self._on(AuditRulesChanged, self._health.on_audit_rules)
        self._on(EngineConfigWritten, self._health.on_engine_config)
        self._on(ProbesLost, self._health.on_lost)
        self._on(ProbesRestored, self._health.on_restored)
        self._on(AgentStalled, self._health.on_stalled)
        self._on(Notice, self._health.on_notice)
        self._on(ClockStepped, self._health.on_stepped)

    def _on(self, kind: type[_Kind], handler: Callable[[_Kind], None]) -> None:
        self._handlers[kind] = cast("Callable[[Observation], None]", handler)

    def feed(self, now: int, observations: Sequence[Observation]) -> Outcome:
        """Take a batch that arrived at ``now`` (ns since boot), in order."""
        self._clock.now = now
        handlers = self._handlers
        for observation in observations:
            try:
                handlers[type(observation)](observation)
            except Exception as error:  # noqa: BLE001 - one observation must not cost the others
                self._defect(observation, error)
        self._prepare()
        self._lifecycle.expire()
        self._coverage.expire()
        self._failures.expire(now)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        if not self._outputs:
            return _NOTHING
        events = tuple([o for o in self._outputs if isinstance(o, Event)])
        requests = tuple([o for o in self._outputs if isinstance(o, DescribeRequest)])
        self._outputs.clear()
        return Outcome(events, requests)

    def _prepare(self) -> None:
        for state in self._lifecycle.take_to_prepare():
            try:
                self._lifecycle.prepare(state)
            except Exception as error:  # noqa: BLE001 - one container must not cost the others
                self._defect(state, error)

    def _emit(self, output: Output) -> None:
        self._outputs.append(output)
        if self._on_event is not None and isinstance(output, Event):
            try:
                self._on_event(output)
            except Exception as error:  # noqa: BLE001 - an observer that fails must not stop the events
                self._raised = error

    def _defect(self, what: Observation | ContainerState, error: Exception) -> None:
        """Count what the core could not take, and say so once for its kind."""
        kind = f"{type(what).__name__}: {type(error).__name__}"
        self.defects[kind] += 1
        if self.defects[kind] == 1:
            reason = f"an observation could not be understood: {kind}"
            gap = Gap("core", reason, self._clock.now, self._clock.now, lost=1)
            self._emit(self._factory.gap(gap))

    def waiting(self) -> bool:
        """Whether a start waits for its container's description."""
        return self._lifecycle.deadline() is not None

    def holds_failure(self) -> bool:
        """Whether a failure waits for the engine's answer."""
        return self._failures.deadline() is not None

    def deadline(self) -> int | None:
        """When to feed again even if nothing arrives, in ns since boot."""
        parts = (self._lifecycle, self._coverage, self._failures)
        deadlines = [at for part in parts if (at := part.deadline()) is not None]
        return min(deadlines, default=None)

    def silent_starts(self, after: int = SILENCE) -> tuple[Event, ...]:
        """Return the starts that their engines, which were listened to, did not report; once.

        ``after`` are the nanoseconds that an engine may be silent.
        """
        return self._coverage.take_silent(after)

    def coverage(self, since: int) -> tuple[CoverageRow, ...]:
        """Return the starts since a time (ns since boot), each with its witnesses."""
        return self._coverage.rows(since)

    def ignored(self) -> tuple[tuple[str, int], ...]:
        """Observations that concerned no container, counted by reason."""
        strangers = {f"stranger: {who}": n for who, n in self._claims.strangers.items()}
        return tuple(sorted({**self._lifecycle.ignored, **strangers}.items()))

    def changes(
        self,
    ) -> tuple[tuple[KnownContainer, ...], tuple[tuple[ContainerId, str | None], ...]]:
        """Containers that changed since the last call, and those that were forgotten."""
        return self._inventory.changes()

    def _on_request(self, request: ApiRequest) -> None:
        self._refused(self._past.add_request(request))

    def _on_answer(self, answer: ApiAnswer) -> None:
        self._refused(self._past.add_answer(answer))

    def _refused(self, refused: list[tuple[Asked, str | None]]) -> None:
        for asked, message in refused:
            for target in asked.call.targets:
                self._failures.explained(target, message, partial(self._past.reaches, asked))

    def _on_command(self, exec_: CommandExec) -> None:
        if exec_.role is Role.ORCHESTRATOR:
            self._learn_node(exec_.argv, self._places.origin(exec_.process))
        self._lifecycle.on_command(exec_)

    def _on_connect(self, connect: ApiConnect) -> None:
        caller = connect.caller
        if connect.witness is Witness.PROCFS and caller.argv is not None:
            # Only kubelets are looked for there.
            self._learn_node(caller.argv, self._places.origin_of_caller(caller))
        self._past.add_connect(connect)

    def _learn_node(self, argv: tuple[str, ...], origin: Origin) -> None:
        """Name the node by a kubelet that came after the agent, where nothing else names it."""
        if self._clock.host.node is None and self._kubelets.is_node(origin):
            self._clock.host = replace(self._clock.host, node=node_name_in(argv))

    def _on_host(self, host: HostFacts) -> None:
        self._pods.namespaces.host = host.namespaces
        self._clock.host = host

    def _on_inventory(self, inventory: InventoryTaken) -> None:
        self._inventory.on_inventory(inventory)
        self._kubelets.on_inventory()
        # What was prepared before rests on less.
        self._past.learnt_late += 1

    def _on_clock(self, synced: ClockSynced) -> None:
        self._clock.realtime_offset = synced.realtime_offset

    def _on_accounts(self, accounts: AccountsRead) -> None:
        self._candidates.learn_accounts(accounts.names)

    def _on_engine(self, report: EngineEvent) -> None:
        self._words.hear(report)
        self._renames.on_engine(report)
        self._coverage.on_engine(report)

    def _on_command_exit(self, ended: CommandExit) -> None:
        key = ended.process
        client = self._past.clients.of(key.pid, key.start_time, ended.time)
        if client is not None:
            self._renames.on_client(client, ended)
        self._lifecycle.on_command_exit(ended)


_NOTHING = Outcome((), ())
