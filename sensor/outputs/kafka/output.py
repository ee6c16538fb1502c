"""``type = "kafka"``: events as messages of a topic, in order for each host.

librdkafka produces idempotently with ``acks=all``: within one run of the agent a message is stored
once and in order; after a restart a batch that was under way may be stored again, with the same
ids. An event counts as delivered when all in-sync replicas have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from typing import TYPE_CHECKING

from sensor.outputs.delivery import BatchLimits, ConnectionStatus, Delivered, Rejection, Retry
from sensor.outputs.kafka.settings import DELIVERY_SECONDS, KafkaSettings
from sensor.outputs.lines import lines_of
from sensor.outputs.registry import OutputKind, missing
from sensor.schema.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import KafkaError, Producer

    from sensor.outputs.delivery import Batch, Format, Outcome
    from sensor.outputs.lines import RecordLine
    from sensor.outputs.registry import Surroundings

WINDOW = 2
ANSWER_SECONDS = DELIVERY_SECONDS + 10.0
"""When librdkafka should long have reported the outcome of a batch."""
POLL_SECONDS = 0.5
CLOSE_SECONDS = 2.0
NS_PER_MILLISECOND = 1_000_000

FINAL_CODES = frozenset({10, 18, 43, 87})
"""MSG_SIZE_TOO_LARGE, RECORD_LIST_TOO_LARGE, UNSUPPORTED_FOR_MESSAGE_FORMAT, INVALID_RECORD of the
protocol (kafka.apache.org/protocol#protocol_error_codes): this event will never be taken."""
CREDENTIAL_CODES = frozenset({-169, -181, 29, 31, 58})
"""librdkafka's _AUTHENTICATION and _SSL; TOPIC and CLUSTER_AUTHORIZATION_FAILED,
SASL_AUTHENTICATION_FAILED."""
TIMED_OUT_CODES = frozenset({-192, -185})
"""librdkafka's _MSG_TIMED_OUT and _TIMED_OUT: the reason is what it reported meanwhile."""


class KafkaTransport:
    """Produces batches, and hears of each event what became of it."""

    window = WINDOW
    limits = BatchLimits()

    def __init__(self, settings: KafkaSettings, form: Format, surroundings: Surroundings) -> None:
        self._settings = settings
        self._format = form
        self._name = f"castoff-{surroundings.output}"
        host = surroundings.host
        self._key = host.machine_id or host.boot_id or host.name or ""
        self._producer: _Polled | None = None
        self._well = False
        self._turn = asyncio.Lock()

    @property
    def connection(self) -> ConnectionStatus:
        """The brokers; connected as long as the last batch was taken."""
        return ConnectionStatus(", ".join(self._settings.brokers), self._well)

    async def deliver(self, batch: Batch) -> Outcome:
        """Produce a batch and wait until every event is stored."""
        from confluent_kafka import KafkaException  # optional

        self._well = False
        lines = lines_of(batch, self._format)
        if not lines.lines:
            return Delivered(lines.damaged)
        try:
            # One after the other: batches are queued in the order of the log, by one producer.
            async with self._turn:
                producer = await self._open()
                reports = _Reports(len(lines.lines))
                for line in lines.lines:
                    self._produce(producer, line, reports)
            async with asyncio.timeout(ANSWER_SECONDS):
                failed = await reports.complete
        except TimeoutError:
            await self.close()
            return Retry(f"no report of the batch within {ANSWER_SECONDS:g} s")
        except BufferError:
            return Retry("the queue of librdkafka is full")
        except KafkaException as error:
            # A setting that librdkafka does not take, or a file that it cannot use.
            await self.close()
            return Retry(brief(error.args[0].str()), configuration=True)
        outcome = _outcome(failed, producer.problem)
        self._well = isinstance(outcome, Delivered)
        if any(error.fatal() or error.code() in TIMED_OUT_CODES for _, error in failed):
            # What it goes on trying in the background, the engine tries when it is time.
            await self.close()
        return lines.outcome_of(outcome)

    async def close(self) -> None:
        """Give up what is under way."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.to_thread(producer.close)

    async def _open(self) -> _Polled:
        if self._producer is None:
            settings = self._settings.librdkafka(self._name)
            self._producer = await asyncio.to_thread(_Polled, settings)
        return self._producer

    def _produce(self, producer: _Polled, line: RecordLine, reports: _Reports) -> None:
        from confluent_kafka import KafkaException  # optional

        record = line.record

        def report(error: KafkaError | None, _: object, sequence: int = record.sequence) -> None:
            reports.add(sequence, error)

        try:
            producer.produce(
                self._settings.topic,
                value=line.text,
                key=self._key,
                headers=[("castoff-id", record.id), ("castoff-type", record.type)],
                timestamp=max(record.wall, 0) // NS_PER_MILLISECOND,
                on_delivery=report,
            )
        except KafkaException as error:
            reports.add(record.sequence, error.args[0])


class _Reports:
    """What became of a batch's events. ``complete`` has those that failed, once all are known."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.complete: asyncio.Future[list[tuple[int, KafkaError]]] = self._loop.create_future()
        self._missing = count
        self._failed: list[tuple[int, KafkaError]] = []
        self._lock = threading.Lock()

    def add(self, sequence: int, error: KafkaError | None) -> None:
        """Take a report; in any thread."""
        with self._lock:
            self._missing -= 1
            if error is not None:
                self._failed.append((sequence, error))
            last = self._missing == 0
        if last:
            with contextlib.suppress(RuntimeError):  # the loop has gone
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.complete.done():
            self.complete.set_result(sorted(self._failed, key=lambda one: one[0]))


class _Polled:
    """A producer and the thread that serves its reports. Raises KafkaException."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        from confluent_kafka import Producer  # optional

        self.problem: KafkaError | None = None
        self._ends = threading.Event()
        self._producer: Producer = Producer({**settings, "error_cb": self._on_error})
        self.produce = self._producer.produce
        self._thread = threading.Thread(target=self._poll, name="castoff-kafka", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Throw away what is queued and end the thread."""
        self._producer.purge()
        self._ends.set()
        self._thread.join(CLOSE_SECONDS)

    def _poll(self) -> None:
        while not self._ends.is_set():
            self._producer.poll(POLL_SECONDS)
        # What was thrown away is reported, too: a batch waits for it.
        self._producer.poll(0)
        # Its error_cb is ours, a circle; librdkafka's threads end with the last reference.
        del self._producer, self.produce

    def _on_error(self, error: KafkaError) -> None:
        self.problem = error


def _outcome(failed: list[tuple[int, KafkaError]], problem: KafkaError | None) -> Outcome:
    """Return the outcome of a batch; ``problem`` is the last one that librdkafka reported."""
    rejected = []
    for sequence, error in failed:
        if error.code() in FINAL_CODES:
            rejected.append(Rejection(sequence, brief(error.str())))
            continue
        blamed = error
        if error.code() in TIMED_OUT_CODES and problem is not None:
            blamed = problem
        return Retry(brief(blamed.str()), credentials=blamed.code() in CREDENTIAL_CODES)
    return Delivered(tuple(rejected))


def _make(settings: KafkaSettings, form: Format, surroundings: Surroundings) -> KafkaTransport:
    try:
        importlib.import_module("confluent_kafka")
    except ImportError as error:
        raise missing(surroundings.output, "confluent_kafka", "python3-confluent-kafka") from error
    return KafkaTransport(settings, form, surroundings)


OUTPUT = OutputKind(KafkaSettings, _make)
