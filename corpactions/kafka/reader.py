"""Reads a topic from given positions, outside of any consumer group: for looking, never for consuming. Nothing is committed."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from corpactions.domain.errors import Unavailable
from corpactions.kafka.records import record_of
from corpactions.ports.records import Record

BEGINNING: Final = OFFSET_BEGINNING
"""In place of an offset: the first record that a partition holds."""
_BATCH: Final = 500
_GATHER_SECONDS: Final = 0.02
"""How long the first record waits for company; the client would wait its whole time for a full batch."""


class TopicReader:
    """Reads on from where it stands. To be closed, or used as a context manager.

    Args:
        bootstrap: Kafka's addresses.
        topic: the topic's real name.
        positions: for each partition to be read, the offset of the first record wanted.
    """

    def __init__(self, bootstrap: str, topic: str, positions: Mapping[int, int]) -> None:
        settings = {
            "bootstrap.servers": bootstrap,
            "group.id": "corporate-actions-reader",  # demanded by the library; without subscription and commits no group comes to be
            "enable.auto.commit": False,
            "enable.metrics.push": False,
            "reconnect.backoff.max.ms": 1000,
        }
        self._consumer = Consumer(settings)
        self._consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in positions.items()])

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()

    def read(self, seconds: float) -> list[Record]:
        """The next records, at most 500; empty when none come within ``seconds``.

        Raises:
            Unavailable: Kafka reports an error for a partition.
        """
        try:
            messages = self._consumer.consume(1, seconds)
            if messages:
                messages += self._consumer.consume(_BATCH - 1, _GATHER_SECONDS)
        except KafkaException as error:
            raise Unavailable("kafka", error.args[0].str()) from error
        for message in messages:
            if (trouble := message.error()) is not None:
                raise Unavailable("kafka", trouble.str())
        return [record_of(message) for message in messages]
