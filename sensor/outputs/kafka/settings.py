"""``type = "kafka"``: its keys, and the librdkafka settings that follow from them."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.network.tls import TlsSettings, TlsVersion
from sensor.settings.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKERS_MOST = 32
MAX_BYTES_LEAST, MAX_BYTES_MOST = 1000, 1_000_000_000
"""The range of librdkafka's message.max.bytes."""
DELIVERY_SECONDS = 30
"""How long librdkafka tries an event by itself before it says that it failed."""
LINGER_MILLISECONDS = 5
RECONNECT_MILLISECONDS = 1000
"""The first wait before a broker is tried again; it grows to ten seconds."""
QUEUE_MESSAGES, QUEUE_KIB = 4000, 32 * 1024
"""librdkafka's own queue: several batches, since a window of them is under way."""

_BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class KafkaCompression(StrEnum):
    """Of a batch on the wire and in the broker's log."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Mechanism(StrEnum):
    """How user and password are shown."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """``type = "kafka"``."""

    brokers: tuple[str, ...]
    """Some brokers of the cluster, as HOST:PORT. They name the others."""
    topic: str = "castoff.events"
    """The topic."""
    compression: KafkaCompression = KafkaCompression.ZSTD
    """Compress batches."""
    max_bytes: int = 1_000_000
    """The largest event in bytes. Topic and broker have limits of their own: 1 MiB by default."""
    encrypted: bool = False
    """Use TLS. The table ``tls`` implies it."""
    tls: TlsSettings | None = None
    """Without ``server_name`` and ``minimum_version``, which librdkafka does not have."""
    user: str | None = None
    """The user of SASL."""
    password: Secret | None = None
    """The password of ``user``."""
    mechanism: Mechanism = Mechanism.SCRAM_SHA_512
    """The mechanism of SASL."""

    def __post_init__(self) -> None:
        if not 0 < len(self.brokers) <= BROKERS_MOST:
            raise ValueError(f"brokers has 1 to {BROKERS_MOST} of HOST:PORT")
        if not all(map(_BROKER.fullmatch, self.brokers)):
            raise ValueError("each of brokers is HOST:PORT")
        if not _TOPIC.fullmatch(self.topic) or self.topic in {".", ".."}:
            raise ValueError("topic has up to 249 of letters, digits, dot, - and _")
        if not MAX_BYTES_LEAST <= self.max_bytes <= MAX_BYTES_MOST:
            raise ValueError(f"max_bytes is between {MAX_BYTES_LEAST} and {MAX_BYTES_MOST}")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.tls is not None and (
            self.tls.server_name is not None or self.tls.minimum_version is not TlsVersion.V1_2
        ):
            raise ValueError("tls: librdkafka has no server_name and no minimum_version")

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.encrypted or self.tls is not None

    def librdkafka(self, name: str) -> Mapping[str, str | int | bool]:
        """Return the settings of a producer, CONFIGURATION.md of librdkafka; holds the password."""
        sasl = self.password is not None
        protocol = ("sasl_" if sasl else "") + ("ssl" if self.secure else "plaintext")
        settings: dict[str, str | int | bool] = {
            "bootstrap.servers": ",".join(self.brokers),
            "client.id": name,
            "security.protocol": protocol,
            "enable.idempotence": True,
            "acks": "all",
            # As Java's clients choose: the events of a host stay in one partition for all of them.
            "partitioner": "murmur2_random",
            "compression.type": self.compression.value,
            "message.max.bytes": self.max_bytes,
            "linger.ms": LINGER_MILLISECONDS,
            "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
            "request.timeout.ms": DELIVERY_SECONDS * 1000 // 2,
            "reconnect.backoff.ms": RECONNECT_MILLISECONDS,
            "queue.buffering.max.messages": QUEUE_MESSAGES,
            "queue.buffering.max.kbytes": QUEUE_KIB,
            # What it has to say comes to error_cb; standard error is the agent's.
            "log_level": 0,
        }
        if self.secure:
            settings["ssl.endpoint.identification.algorithm"] = "https"
            files = self.tls or TlsSettings()
            for key, path in (
                ("ssl.ca.location", files.ca),
                ("ssl.certificate.location", files.certificate),
                ("ssl.key.location", files.key or files.certificate),
            ):
                if path is not None:
                    settings[key] = str(path)
        if self.password is not None:
            settings["sasl.mechanism"] = self.mechanism.value
            settings["sasl.username"] = self.user or ""
            settings["sasl.password"] = self.password.reveal()
        return settings
