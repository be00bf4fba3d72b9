"""The golden examples against the codecs: valid ones are read, rewritten to the very same bytes and pinned for ever, invalid ones meet their rejection."""

from __future__ import annotations

from typing import Any

import pytest

from corpactions.domain.audit.records import Action
from corpactions.domain.messages import CARRIES_TERMS, Function, Message
from corpactions.domain.rules import problems_of
from corpactions.domain.terms import EventType, to_json
from corpactions.serde.audit import AuditCodec
from corpactions.serde.events import EventCodec
from corpactions.serde.summaries import SummaryCodec
from tests.support.examples import RECORDS, Example, examples, rejection_of
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, SUMMARY_SCHEMA, FixedSchemas

SOURCE = FixedSchemas()
CODECS: dict[str, tuple[int, Any]] = {
    "corporate-actions-events": (EVENT_SCHEMA, EventCodec(SOURCE, EVENT_SCHEMA)),
    "corporate-actions-audit": (AUDIT_SCHEMA, AuditCodec(SOURCE, AUDIT_SCHEMA)),
    "corporate-actions-summaries": (SUMMARY_SCHEMA, SummaryCodec(SOURCE, SUMMARY_SCHEMA)),
}
VALID = [example for topic in RECORDS for example in examples(topic, "valid")]
INVALID = [example for topic in RECORDS for example in examples(topic, "invalid")]


def _name(example: Example) -> str:
    return f"{example.topic.removeprefix('corporate-actions-')}/{example.name}"


@pytest.mark.parametrize("example", VALID, ids=_name)
def test_a_valid_example_is_read_and_rewritten_to_the_same_bytes(example: Example) -> None:
    schema_id, codec = CODECS[example.topic]
    value = example.framed(schema_id)
    assert value[5:].hex() == example.content["body_hex"], "the bytes of a published example never change"
    assert codec.encode(codec.decode(value)) == value


@pytest.mark.parametrize("example", INVALID, ids=_name)
def test_an_invalid_example_meets_its_rejection(example: Example) -> None:
    schema_id, codec = CODECS[example.topic]
    rejected = rejection_of(codec, _with_id(example.value(schema_id), example, schema_id))
    assert rejected.code == example.content["code"]
    if "field" in example.content:
        assert rejected.reason.startswith(f"{example.content['field']}=")


def _with_id(value: bytes | None, example: Example, schema_id: int) -> bytes | None:
    """Raw bytes carry schema id 1 where they mean "this topic's own"."""
    if value is None or example.content["code"] in {"not_avro", "unknown_schema", "wrong_schema"}:
        return value
    return b"\x00" + schema_id.to_bytes(4, "big") + value[5:]


def _messages() -> list[Message]:
    codec = CODECS["corporate-actions-events"][1]
    return [codec.decode(example.framed(EVENT_SCHEMA)) for example in VALID if example.topic == "corporate-actions-events"]


def test_the_examples_cover_every_function_and_type() -> None:
    messages = _messages()
    assert {message.function for message in messages} == set(Function)
    assert {(message.function, message.event_type) for message in messages if message.function in CARRIES_TERMS} == {
        (function, event_type) for function in CARRIES_TERMS for event_type in EventType
    }


def test_valid_terms_keep_the_rules_of_the_domain_too() -> None:
    for message in _messages():
        if message.terms is not None:
            assert problems_of(message.terms) == []
            assert message.terms_json == to_json(message.terms)


def test_the_examples_cover_every_action_and_every_rejection() -> None:
    codec = CODECS["corporate-actions-audit"][1]
    assert {codec.decode(example.framed(AUDIT_SCHEMA)).action for example in VALID if example.topic == "corporate-actions-audit"} == set(
        Action
    )
    assert {example.content["code"] for example in INVALID if example.topic == "corporate-actions-events"} == {
        "null_value",
        "not_avro",
        "unknown_schema",
        "wrong_schema",
        "undecodable",
        "unknown_function",
        "unknown_event_type",
        "bad_field",
    }


@pytest.mark.parametrize("example", VALID + INVALID, ids=_name)
def test_every_example_says_what_it_is_about(example: Example) -> None:
    assert example.content["about"].endswith(".")
    assert ("value" in example.content) + ("hex" in example.content) + ("null_value" in example.content) == 1
