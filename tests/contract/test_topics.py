"""Bringing real topics in line with the catalogue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.kafka.topics import EVENTS, Applied, apply, catalogue


def _outcomes(results: list[Applied]) -> set[str]:
    return {result.outcome for result in results}


def test_applying_again_changes_nothing(endpoints: dict[str, Any], topics: str) -> None:
    assert _outcomes(apply(endpoints["kafka"], catalogue(), topics)) == {"unchanged"}


def test_a_setting_that_drifted_is_set_back(endpoints: dict[str, Any], topics: str) -> None:
    drifted = [replace(spec, config={**spec.config, "retention.ms": "86400000"}) if spec.name == EVENTS else spec for spec in catalogue()]
    apply(endpoints["kafka"], drifted, topics)
    results = {result.topic: result for result in apply(endpoints["kafka"], catalogue(), topics)}
    assert results[topics + EVENTS] == Applied(topics + EVENTS, "configured", ("retention.ms: 86400000 -> -1",))
    assert _outcomes([result for topic, result in results.items() if topic != topics + EVENTS]) == {"unchanged"}


def test_another_number_of_partitions_stops_and_changes_nothing(endpoints: dict[str, Any], topics: str) -> None:
    wanted = [
        replace(spec, partitions=24, config={**spec.config, "retention.ms": "1"}) if spec.name == EVENTS else spec for spec in catalogue()
    ]
    with pytest.raises(Fatal, match="has 12 partitions and the catalogue says 24"):
        apply(endpoints["kafka"], wanted, topics)
    assert _outcomes(apply(endpoints["kafka"], catalogue(), topics)) == {"unchanged"}


def test_a_setting_that_kafka_refuses_is_named(endpoints: dict[str, Any], topics: str) -> None:
    wrong = [replace(spec, config={**spec.config, "retention.ms": "for ever"}) for spec in catalogue()]
    with pytest.raises(Fatal, match=r"retention\.ms"):
        apply(endpoints["kafka"], wrong, topics)


def test_kafka_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        apply("127.0.0.1:9", catalogue())


def test_two_deployments_at_once_end_with_the_same_topics(endpoints: dict[str, Any], topics: str) -> None:
    """Both find nothing and create; the slower one is told that the topics exist."""
    prefix = f"{topics}both-"
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: apply(endpoints["kafka"], catalogue(), prefix), range(2)))
    for specs in zip(*results, strict=True):
        assert sorted(applied.outcome for applied in specs) == ["created", "unchanged"]
    admin = AdminClient({"bootstrap.servers": endpoints["kafka"]})
    for deleted in admin.delete_topics([applied.topic for applied in results[0]]).values():
        deleted.result()
