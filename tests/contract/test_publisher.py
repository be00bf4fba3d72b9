"""The publishers on a real broker: what is acknowledged is there, what is not is told apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from corpactions.domain.errors import Unavailable
from corpactions.domain.identity import partition_of
from corpactions.domain.messages import Position
from corpactions.kafka.publisher import (
    MAX_RECORD_BYTES,
    AsyncPublisher,
    OutcomeUnknown,
    Outgoing,
    Publisher,
    PublisherConfig,
    RecordTooLarge,
    Undelivered,
)
from corpactions.kafka.topics import EVENTS, EVENTS_DLQ

NOBODY = "127.0.0.1:9"
TOO_LARGE = b"x" * 1_048_577
"""Larger than the events topic takes, smaller than the producer's own limit."""


def _config(bootstrap: str, **settings: Any) -> PublisherConfig:
    return PublisherConfig(bootstrap, **{"delivery_timeout_seconds": 5.0, **settings})


def _read(endpoints: dict[str, Any], topic: str, partition: int, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": endpoints["kafka"], "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0)])
    records = consumer.consume(count, timeout=10)
    consumer.close()
    return records


@pytest.fixture
async def publisher(endpoints: dict[str, Any]) -> AsyncIterator[AsyncPublisher]:
    publisher = AsyncPublisher(_config(endpoints["kafka"]))
    await publisher.start()
    yield publisher
    await publisher.close()


def test_what_was_waited_for_is_in_the_log_in_order_with_its_headers(endpoints: dict[str, Any], topics: str) -> None:
    publisher = Publisher(_config(endpoints["kafka"]))
    for number in range(100):
        publisher.send(topics + EVENTS, b"AAPL", b"%d" % number, [("ca-correlation-id", b"%d" % number), ("empty", None)])
    publisher.wait(6)
    records = _read(endpoints, topics + EVENTS, partition_of(b"AAPL", 12), 100)
    assert [record.value() for record in records] == [b"%d" % number for number in range(100)]
    assert records[7].headers() == [("ca-correlation-id", b"7"), ("empty", None)]


def test_a_record_goes_where_it_is_told_to_and_may_have_no_key_or_value(endpoints: dict[str, Any], topics: str) -> None:
    publisher = Publisher(_config(endpoints["kafka"]))
    publisher.send(topics + EVENTS_DLQ, None, None, partition=11)
    publisher.wait(6)
    (record,) = _read(endpoints, topics + EVENTS_DLQ, 11, 1)
    assert (record.key(), record.value()) == (None, None)


def test_a_record_over_the_topics_limit_is_refused_alone(endpoints: dict[str, Any], topics: str) -> None:
    publisher = Publisher(_config(endpoints["kafka"]))
    publisher.send(topics + EVENTS, b"AAPL", b"before")
    publisher.send(topics + EVENTS, b"AAPL", TOO_LARGE)
    publisher.send(topics + EVENTS, b"AAPL", b"after")
    with pytest.raises(RecordTooLarge) as refused:
        publisher.wait(6)
    assert refused.value.record.value == TOO_LARGE
    publisher.wait(6)  # it is told once
    assert [record.value() for record in _read(endpoints, topics + EVENTS, partition_of(b"AAPL", 12), 2)] == [b"before", b"after"]


def test_a_record_over_the_producers_limit_is_refused_at_once(endpoints: dict[str, Any], topics: str) -> None:
    publisher = Publisher(_config(endpoints["kafka"]))
    with pytest.raises(RecordTooLarge):
        publisher.send(topics + EVENTS_DLQ, b"AAPL", b"x" * (MAX_RECORD_BYTES + 1))
    publisher.wait(6)


def test_without_a_broker_every_record_comes_back_and_may_be_sent_again(endpoints: dict[str, Any], topics: str) -> None:
    publisher = Publisher(_config(NOBODY, delivery_timeout_seconds=1.0))
    publisher.send(topics + EVENTS, b"AAPL", b"one", [("h", b"1")])
    publisher.send(topics + EVENTS, b"MSFT", b"two")
    with pytest.raises(OutcomeUnknown, match="2 records are not acknowledged"):
        publisher.wait(0.05)
    with pytest.raises(Undelivered) as undelivered:
        publisher.wait(3)
    assert undelivered.value.unknown == (
        Outgoing(topics + EVENTS, b"AAPL", b"one", [("h", b"1")]),
        Outgoing(topics + EVENTS, b"MSFT", b"two"),
    )
    publisher.wait(0.1)
    working = Publisher(_config(endpoints["kafka"]))
    for record in undelivered.value.unknown:
        working.send(*record)
    working.wait(6)


def test_a_producer_that_met_a_fatal_error_is_replaced(endpoints: dict[str, Any], topics: str) -> None:
    publisher = Publisher(_config(NOBODY))
    publisher.send(topics + EVENTS, b"AAPL", b"lost")
    publisher._settings = {**_config(endpoints["kafka"]).settings(), "delivery.report.only.error": True}
    publisher._broken = True  # no broker can be made to cause one from outside
    publisher.send(topics + EVENTS, b"AAPL", b"arrives")
    with pytest.raises(Undelivered) as undelivered:
        publisher.wait(6)
    assert [record.value for record in undelivered.value.unknown] == [b"lost"]
    (record,) = _read(endpoints, topics + EVENTS, partition_of(b"AAPL", 12), 1)
    assert record.value() == b"arrives"


async def test_a_position_names_the_record(publisher: AsyncPublisher, endpoints: dict[str, Any], topics: str) -> None:
    position = await publisher.publish(topics + EVENTS, b"AAPL", b"value", [("h", b"1")])
    assert position == Position(topics + EVENTS, partition_of(b"AAPL", 12), 0)
    (record,) = _read(endpoints, position.topic, position.partition, 1)
    assert (record.value(), record.headers()) == (b"value", [("h", b"1")])


async def test_many_records_have_their_outcomes_in_their_places(publisher: AsyncPublisher, topics: str) -> None:
    records = [
        Outgoing(topics + EVENTS, b"AAPL", b"a"),
        Outgoing(topics + EVENTS, b"AAPL", TOO_LARGE),
        Outgoing(topics + EVENTS, b"AAPL", b"x" * (MAX_RECORD_BYTES + 1)),
        Outgoing(topics + EVENTS, b"AAPL", b"b"),
    ]
    first, too_large, far_too_large, second = await publisher.publish_many(records)
    assert isinstance(first, Position)
    assert isinstance(second, Position)
    assert second.offset == first.offset + 1
    assert isinstance(too_large, RecordTooLarge)
    assert isinstance(far_too_large, RecordTooLarge)
    assert await publisher.publish_many([]) == []


async def test_a_thousand_callers_at_once_each_get_their_own_answer(publisher: AsyncPublisher, topics: str) -> None:
    positions = await asyncio.gather(*(publisher.publish(topics + EVENTS, b"AAPL", b"%d" % number) for number in range(1000)))
    assert sorted(position.offset for position in positions) == list(range(1000))


async def test_a_caller_that_gives_up_harms_nobody(publisher: AsyncPublisher, topics: str) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(publisher.publish(topics + EVENTS, b"AAPL", b"x" * 1_000_000), 0)
    assert isinstance(await publisher.publish(topics + EVENTS, b"AAPL", b"next"), Position)


async def test_without_a_broker_the_outcome_is_unknown_within_the_time_out() -> None:
    publisher = AsyncPublisher(_config(NOBODY, delivery_timeout_seconds=1.0))
    await publisher.start()
    async with asyncio.timeout(3):
        with pytest.raises(OutcomeUnknown):
            await publisher.publish("anything", b"AAPL", b"value")
        await publisher.close()


async def test_a_full_queue_is_known_not_to_have_sent(endpoints: dict[str, Any], topics: str) -> None:
    publisher = AsyncPublisher(_config(NOBODY, delivery_timeout_seconds=1.0, security={"queue.buffering.max.messages": "2"}))
    await publisher.start()
    outcomes = await publisher.publish_many([Outgoing(topics + EVENTS, b"AAPL", b"x")] * 3)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, OutcomeUnknown, Unavailable]
    await publisher.close()


async def test_a_fatal_error_costs_no_more_than_what_was_on_its_way(endpoints: dict[str, Any], topics: str) -> None:
    publisher = AsyncPublisher(_config(NOBODY))
    await publisher.start()
    lost = asyncio.create_task(publisher.publish(topics + EVENTS, b"AAPL", b"lost"))
    await asyncio.sleep(0)
    publisher._settings = _config(endpoints["kafka"]).settings()
    publisher._broken = True  # no broker can be made to cause one from outside
    async with asyncio.timeout(4):
        with pytest.raises(OutcomeUnknown):
            await lost
        assert isinstance(await publisher.publish(topics + EVENTS, b"AAPL", b"arrives"), Position)
        await publisher.close()
