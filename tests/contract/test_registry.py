"""The registry's adapter against the real registry: what is there, what is not, and what happens while it is away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.kafka.registry import UNKNOWN_SECONDS, Registry
from corpactions.serde.schemas import schema_text
from corpactions.system import SystemClock

NOBODY = "http://127.0.0.1:9/apis/ccompat/v7"


class SteppedClock(SystemClock):
    """A monotonic clock that moves only when told."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


def test_registering_again_changes_nothing(endpoints: dict[str, Any], topic_prefix: str) -> None:
    registry = Registry(endpoints["registry"], SystemClock())
    subject = f"{topic_prefix}x-value"
    first = registry.register(subject, schema_text("BatchSummary"))
    again = registry.register(subject, schema_text("BatchSummary"))
    assert (first.outcome, again.outcome) == ("registered", "unchanged")
    assert again.schema_id == first.schema_id == registry.latest_id(subject)


def test_a_schema_comes_back_as_registered(endpoints: dict[str, Any], topic_prefix: str) -> None:
    registry = Registry(endpoints["registry"], SystemClock())
    schema_id = registry.register(f"{topic_prefix}x-value", schema_text("AuditRecord")).schema_id
    text = Registry(endpoints["registry"], SystemClock()).schema_text(schema_id)
    assert text is not None
    assert json.loads(text) == json.loads(schema_text("AuditRecord"))


@pytest.mark.parametrize("schema_id", [0, 2**31 - 1, 2**32 - 1])
def test_an_id_that_nobody_registered_is_none_and_believed_for_a_while(endpoints: dict[str, Any], schema_id: int) -> None:
    clock = SteppedClock()
    registry = Registry(endpoints["registry"], clock)
    assert registry.schema_text(schema_id) is None
    registry._client = Registry(NOBODY, clock)._client
    assert registry.schema_text(schema_id) is None  # not asked again
    clock.at += UNKNOWN_SECONDS
    with pytest.raises(Unavailable):  # asked again, and nobody answers
        registry.schema_text(schema_id)


def test_a_subject_that_is_not_registered_stops_the_process(endpoints: dict[str, Any], topic_prefix: str) -> None:
    with pytest.raises(Fatal, match="schemas register"):
        Registry(endpoints["registry"], SystemClock()).latest_id(f"{topic_prefix}nothing-value")


def test_a_known_id_needs_no_registry(endpoints: dict[str, Any], topic_prefix: str) -> None:
    registry = Registry(endpoints["registry"], SystemClock())
    schema_id = registry.register(f"{topic_prefix}x-value", schema_text("AuditRecord")).schema_id
    text = registry.schema_text(schema_id)
    registry._client = Registry(NOBODY, SystemClock())._client
    assert registry.schema_text(schema_id) == text


def test_a_registry_that_is_away_is_unavailable_in_every_call() -> None:
    registry = Registry(NOBODY, SystemClock())
    for call in (
        lambda: registry.schema_text(1),
        lambda: registry.latest_id("x"),
        lambda: registry.check("x", "{}"),
        lambda: registry.register("x", "{}"),
    ):
        with pytest.raises(Unavailable, match="registry is unavailable"):
            call()
