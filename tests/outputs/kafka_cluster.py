"""librdkafka's own mock cluster: brokers on loopback that speak Kafka's protocol, and may fail.

It is part of the library that the Python module has loaded; src/rdkafka_mock.h describes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka

PRODUCE_REQUEST = 0
TOPIC = "castoff.events"


def _library() -> ctypes.CDLL:
    assert confluent_kafka.libversion()
    mapped = re.search(r"(/\S*librdkafka\S*)$", Path("/proc/self/maps").read_text(), re.MULTILINE)
    assert mapped is not None
    library = ctypes.CDLL(mapped[1])
    for name in ("conf_new", "new", "mock_cluster_new"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


@dataclass
class Cluster:
    """A cluster with ``brokers`` numbered from 1."""

    library: ctypes.CDLL
    handle: ctypes.c_void_p
    brokers: int

    @property
    def addresses(self) -> list[str]:
        found = self.library.rd_kafka_mock_cluster_bootstraps(self.handle)
        assert isinstance(found, bytes)
        return found.decode().split(",")

    def fail_next(self, *codes: int) -> None:
        """Have the next requests to produce answered with these errors."""
        errors = (ctypes.c_int * len(codes))(*codes)
        self.library.rd_kafka_mock_push_request_errors_array(
            self.handle, ctypes.c_int16(PRODUCE_REQUEST), ctypes.c_size_t(len(codes)), errors
        )

    def forget(self, code: int) -> None:
        """Have the topic answered for with an error."""
        self.library.rd_kafka_mock_topic_set_error(self.handle, TOPIC.encode(), code)

    def down(self) -> None:
        for number in range(1, self.brokers + 1):
            self.library.rd_kafka_mock_broker_set_down(self.handle, number)

    def up(self) -> None:
        for number in range(1, self.brokers + 1):
            self.library.rd_kafka_mock_broker_set_up(self.handle, number)

    def stored(self, count: int) -> list[confluent_kafka.Message]:
        """Return the topic's messages, at least ``count``, each partition in its order."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.addresses[0],
                "group.id": "reader",
                "auto.offset.reset": "earliest",
            }
        )
        partitions = consumer.list_topics(TOPIC, 10).topics[TOPIC].partitions
        consumer.assign([confluent_kafka.TopicPartition(TOPIC, one, 0) for one in partitions])
        found: list[confluent_kafka.Message] = []
        while len(found) < count:
            batch = consumer.consume(count - len(found), 10)
            assert batch, f"{len(found)} of {count} messages"
            found += batch
        while more := consumer.consume(500, 0.3):
            found += more
        consumer.close()
        return found


@contextlib.contextmanager
def cluster(brokers: int = 3, partitions: int = 4) -> Iterator[Cluster]:
    library = _library()
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    said = ctypes.create_string_buffer(512)
    library.rd_kafka_conf_set(configuration, b"log_level", b"0", said, ctypes.c_size_t(512))
    client = ctypes.c_void_p(library.rd_kafka_new(0, configuration, said, ctypes.c_size_t(512)))
    assert client.value, said.value
    handle = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, brokers))
    # Kafka itself waits 3 s for further members of a group.
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(handle, ctypes.c_int32(50))
    library.rd_kafka_mock_topic_create(handle, TOPIC.encode(), partitions, brokers)
    try:
        yield Cluster(library, handle, brokers)
    finally:
        library.rd_kafka_mock_cluster_destroy(handle)
        library.rd_kafka_destroy(client)
