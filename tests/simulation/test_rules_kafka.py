"""Rules that live in Kafka: each rule's interleaving on a real broker, with the rule and without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined] # exported there, though not by the letter

from consumers.lifecycle.letters import Topics, dead_letter
from corpactions.domain.errors import Fatal
from corpactions.domain.identity import partition_of
from corpactions.kafka import topics as kafka_topics
from corpactions.kafka.publisher import Publisher, PublisherConfig
from corpactions.kafka.source import KafkaSource, SourceConfig
from tests.simulation.rules.showing import shows
from tests.support.announcing import PARTITIONS, record

SYMBOLS = ("AAPL", "MSFT", "NVDA", "IBM", "TSLA", "GE")


def _admin(endpoints: dict[str, Any]) -> AdminClient:
    """To be kept under a name: without one it would be gone before its answers."""
    return AdminClient({"bootstrap.servers": endpoints["kafka"]})


@contextmanager
def _made(endpoints: dict[str, Any], prefix: str, name: str) -> Iterator[str]:
    """One topic of the catalogue under a prefix."""
    topic = prefix + name
    admin = _admin(endpoints)
    kafka_topics.apply(endpoints["kafka"], [spec for spec in kafka_topics.catalogue() if spec.name == name], prefix)
    try:
        yield topic
    finally:
        admin.delete_topics([topic])[topic].result(20)


def _publisher(endpoints: dict[str, Any]) -> Publisher:
    return Publisher(PublisherConfig(endpoints["kafka"]))


@shows("one-partitioner")
def test_a_symbol_has_the_partition_that_java_gives_it(endpoints: dict[str, Any], topic_prefix: str) -> None:
    with _made(endpoints, topic_prefix, kafka_topics.EVENTS) as topic:
        publisher = _publisher(endpoints)
        for symbol in SYMBOLS:
            publisher.send(topic, symbol.encode(), b"said")
        publisher.wait(6)
        consumer = Consumer({"bootstrap.servers": endpoints["kafka"], "group.id": "unused", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        found = {str(message.key(), "utf-8"): message.partition() for message in _read(consumer, len(SYMBOLS))}
        consumer.close()
    elsewhere = [symbol for symbol in SYMBOLS if found[symbol] != partition_of(symbol.encode(), PARTITIONS)]
    assert not elsewhere, f"{elsewhere} went elsewhere"


def _read(consumer: Consumer, count: int) -> list[Any]:
    found: list[Any] = []
    deadline = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.consume(count - len(found), 0.5)
    return found


@shows("letters-have-headroom")
def test_the_letter_of_the_largest_record_fits(endpoints: dict[str, Any], topic_prefix: str) -> None:
    largest = record(0, b"\xff" * (1_048_576 - 200))
    letter = dead_letter(largest, "not_avro", "x" * 10_000, 0, Topics("dlq", "audit", "summaries", "group"))
    with _made(endpoints, topic_prefix, kafka_topics.EVENTS_DLQ) as topic:
        publisher = _publisher(endpoints)
        publisher.send(topic, letter.key, letter.value, letter.headers, letter.partition)
        publisher.wait(6)


@shows("partitions-never-change")
def test_a_topic_that_somebody_has_grown_stops_the_deployment(endpoints: dict[str, Any], topic_prefix: str) -> None:
    with _made(endpoints, topic_prefix, kafka_topics.EVENTS) as topic:
        admin = _admin(endpoints)
        admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(20)
        deadline = time.monotonic() + 10
        while len(admin.list_topics(topic, timeout=5).topics[topic].partitions) == PARTITIONS and time.monotonic() < deadline:
            time.sleep(0.05)
        specs = [spec for spec in kafka_topics.catalogue() if spec.name == kafka_topics.EVENTS]
        try:
            kafka_topics.apply(endpoints["kafka"], specs, topic_prefix)
        except Fatal:
            return
    raise AssertionError("the deployment went on")


@contextmanager
def _source(endpoints: dict[str, Any], topic: str) -> Iterator[KafkaSource]:
    source = KafkaSource(SourceConfig(endpoints["kafka"], f"{topic}-group", topic))
    try:
        yield source
    finally:
        source.close()


def _consume(source: KafkaSource, count: int) -> list[int]:
    found: list[int] = []
    deadline = time.monotonic() + 4
    while len(found) < count and time.monotonic() < deadline:
        found += [item.offset for item in source.consume(count - len(found), 0.2)]
    return found


@shows("a-lost-position-is-fatal", breaks="it went on behind the hole")
def test_a_position_that_the_broker_no_longer_holds_stops_the_worker(endpoints: dict[str, Any], topic_prefix: str) -> None:
    with _made(endpoints, topic_prefix, kafka_topics.EVENTS) as topic:
        publisher = _publisher(endpoints)
        for _ in range(5):
            publisher.send(topic, b"AAPL", b"said", partition=0)
        publisher.wait(6)
        admin = _admin(endpoints)
        (cut,) = admin.delete_records([TopicPartition(topic, 0, 3)]).values()
        cut.result(20)
        with _source(endpoints, topic) as source:
            source.start({0: 1})
            try:
                found = _consume(source, 1)
            except Fatal:
                return
    raise AssertionError(f"it went on behind the hole at {found}")


@shows("a-pause-ends-with-its-assignment")
def test_a_partition_that_was_paused_when_it_went_is_read_when_it_comes_back(endpoints: dict[str, Any], topic_prefix: str) -> None:
    with _made(endpoints, topic_prefix, kafka_topics.EVENTS) as topic:
        publisher = _publisher(endpoints)
        for _ in range(5):
            publisher.send(topic, b"AAPL", b"said", partition=0)
        publisher.wait(6)
        with _source(endpoints, topic) as source:
            source.start({0: 0})
            _consume(source, 2)
            source.pause([0])
            source.stop([0])
            source.start({0: 2})
            found = _consume(source, 3)
    assert found == [2, 3, 4], f"nothing is read of a partition that came back: {found}"
