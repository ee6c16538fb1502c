"""Topics of Kafka as a source of records: Event Hubs, and what collectors write to brokers.

Offsets are committed after the events of their messages are durable. What is consumed again after
a crash has the ids that it had. A message is one record or an envelope of records. Messages that
cannot be read are counted, and cost themselves.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.schema.text import brief

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from confluent_kafka import Consumer, KafkaError, Message

    from sensor.agent.receivers.settings import KafkaSection


BATCH = 500
"""Messages that are taken at once."""
BATCH_BYTES = 16 * 1024 * 1024
"""Bytes of messages that librdkafka may hold ahead of us."""
POLL_SECONDS = 1.0
PAUSE_SECONDS = 5.0
"""After an error of the brokers, and where the disk did not take a batch."""
log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class Taken:
    """A message: where it stood, and its bytes."""

    topic: str
    partition: int
    offset: int
    data: bytes


def librdkafka(section: KafkaSection) -> dict[str, Any]:
    """Return the settings of a consumer, CONFIGURATION.md of librdkafka; holds the password."""
    protocol = ("sasl_" if section.user else "") + ("ssl" if section.encrypted else "plaintext")
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(section.brokers),
        "group.id": section.group,
        "client.id": "castoff-normalize",
        "security.protocol": protocol,
        # Events are durable before their offsets are.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": BATCH_BYTES // 1024,
        # What it has to say comes to error_cb; standard error is the service's.
        "log_level": 0,
    }
    if section.encrypted:
        settings["ssl.endpoint.identification.algorithm"] = "https"
        files = {
            "ssl.ca.location": section.ca,
            "ssl.certificate.location": section.certificate,
            "ssl.key.location": section.key or section.certificate,
        }
        settings.update({key: path for key, path in files.items() if path})
    if section.user:
        settings["sasl.mechanism"] = section.mechanism
        settings["sasl.username"] = section.user
        settings["sasl.password"] = section.password.reveal()
    return settings


class KafkaInput:
    """Consumes topics. ``take`` gets messages and returns once their events are durable."""

    def __init__(
        self, section: KafkaSection, take: Callable[[list[Taken]], Awaitable[None]]
    ) -> None:
        self._section = section
        self._take = take
        self._settings = librdkafka(section)
        self._problem: str | None = None
        self._in_use = threading.Lock()
        self.messages = 0

    async def run(self) -> None:
        """Consume until cancelled. Raises :class:`ConfigError`."""
        consumer = await asyncio.to_thread(self._open)
        try:
            while True:
                messages, failed = await asyncio.to_thread(self._batch, consumer)
                if messages:
                    await self._keep(consumer, messages)
                if failed:
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await asyncio.to_thread(self._close, consumer)

    async def _keep(self, consumer: Consumer, messages: list[Message]) -> None:
        """Take messages until that succeeds, and commit their offsets then."""
        from confluent_kafka import KafkaException  # optional

        taken = [_taken(one) for one in messages]
        while True:
            try:
                await self._take([one for one in taken if one is not None])
                break
            except TimeoutError:
                log.warning("the disk does not take what Kafka delivers; trying again")
                await asyncio.sleep(PAUSE_SECONDS)
        try:
            for one in messages:
                consumer.store_offsets(message=one)
            await asyncio.to_thread(consumer.commit, asynchronous=False)
        except KafkaException as error:
            # Others have the partition now, or a broker is away: it will be consumed again.
            log.warning("offsets are not committed: %s", brief(error.args[0].str()))
        self.messages += len(messages)

    def _open(self) -> Consumer:
        try:
            from confluent_kafka import Consumer, KafkaException  # optional
        except ImportError:
            raise ConfigError(
                "kafka: the library is missing", "Install python3-confluent-kafka."
            ) from None
        try:
            consumer = Consumer({**self._settings, "error_cb": self._failed})
        except KafkaException as error:
            raise ConfigError(
                f"kafka: {brief(error.args[0].str())}", "Correct the section [kafka]."
            ) from None
        consumer.subscribe(list(self._section.topics))
        return consumer

    def _close(self, consumer: Consumer) -> None:
        """Leave the group, behind a call that a thread still makes."""
        with self._in_use:
            consumer.close()

    def _batch(self, consumer: Consumer) -> tuple[list[Message], bool]:
        """Return messages, and whether the brokers reported an error."""
        with self._in_use:
            found = consumer.consume(BATCH, timeout=POLL_SECONDS)
        messages = [one for one in found if one.error() is None]
        for one in found:
            if (error := one.error()) is not None:
                log.warning("Kafka reports: %s", brief(error.str()))
        return messages, len(messages) < len(found)

    def _failed(self, error: KafkaError) -> None:
        """Log an error of the connections, each kind once."""
        text = brief(error.str())
        if text != self._problem:
            self._problem = text
            log.warning("Kafka reports: %s", text)


def _taken(message: Message) -> Taken | None:
    """Return a message; None for a tombstone, which has no value."""
    value, topic = message.value(), message.topic()
    if not isinstance(value, bytes) or topic is None:
        return None
    return Taken(topic, message.partition() or 0, message.offset() or 0, value)
