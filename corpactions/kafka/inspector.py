"""Questions about topics that change nothing: whether the broker answers, and where each partition ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from corpactions.domain.errors import Fatal, Unavailable

_UNKNOWN_TOPIC: Final = 3


class Inspector:
    """Asks one cluster. ``security`` holds further librdkafka settings (TLS, SASL)."""

    def __init__(self, bootstrap: str, security: Mapping[str, str] | None = None) -> None:
        self._client = AdminClient({**(security or {}), "bootstrap.servers": bootstrap, "enable.metrics.push": False})

    def partitions(self, topic: str, seconds: float) -> list[int]:
        """The topic's partitions, all of which have a leader.

        Args:
            topic: its real name.
            seconds: the longest wait for the broker's answer.

        Raises:
            Unavailable: no answer in time, or a partition without a leader.
            Fatal: there is no such topic.
        """
        try:
            found = self._client.list_topics(topic, timeout=seconds).topics[topic]
        except KafkaException as error:
            raise Unavailable("kafka", error.args[0].str()) from error
        if found.error is not None and found.error.code() == _UNKNOWN_TOPIC:
            raise Fatal(f"there is no topic {topic}; run `corpactions topics apply`")
        leaderless = [number for number, partition in found.partitions.items() if partition.leader < 0]
        if found.error is not None or leaderless:
            raise Unavailable("kafka", f"topic {topic}: {found.error or f'no leader for partitions {leaderless}'}")
        return sorted(found.partitions)

    def end_offsets(self, topic: str, seconds: float) -> dict[int, int]:
        """For each partition, the offset that the next record will get. Arguments and errors as :meth:`partitions`."""
        latest: dict[TopicPartition, Any] = {
            TopicPartition(topic, number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for number in self.partitions(topic, seconds)
        }
        try:
            answers = self._client.list_offsets(latest, request_timeout=seconds)
            return {place.partition: answer.result(timeout=seconds + 1).offset for place, answer in answers.items()}
        except (KafkaException, TimeoutError) as error:
            raise Unavailable("kafka", f"the ends of {topic} are not known: {error}") from error
