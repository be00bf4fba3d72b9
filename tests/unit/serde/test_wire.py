"""Framing, foreign schemas and the registry's absence: what is rejected, what waits, what stops the process."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from corpactions.domain.errors import Fatal, Rejected, Unavailable
from corpactions.domain.terms import Dividend
from corpactions.serde.events import EventCodec, _around_the_terms
from corpactions.serde.schemas import schema_text
from tests.support.announcing import EVENTS, newm
from tests.support.examples import example, rejection_of
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, FixedSchemas

NEWER, OTHER = 40, 41


def _event_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schema_text("CorporateActionEvent"))
    return schema


def _field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    field: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return field


def _newer_schema() -> str:
    """The schema of a later release: a fourth event type with its terms, and a new message function."""
    schema = _event_schema()
    _field(schema, "event_type")["type"]["symbols"].append("RIGHTS_ISSUE")
    _field(schema, "function")["type"]["symbols"].append("SUSPEND")
    rights = {"type": "record", "name": "RightsIssue", "fields": [{"name": "price", "type": "long"}]}
    schema["fields"].append({"name": "rights_issue", "type": ["null", rights], "default": None})
    return json.dumps(schema)


def _reframed(value: bytes, schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + value[5:]


def test_a_newer_writers_message_is_read_without_what_we_do_not_know() -> None:
    source = FixedSchemas({NEWER: _newer_schema()})
    message = EventCodec(source, EVENT_SCHEMA).decode(example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA))
    newer = EventCodec(source, NEWER)
    value = newer.encode(message)
    assert value[:5] == b"\x00\x00\x00\x00" + bytes([NEWER])
    assert len(value) == len(EventCodec(source, EVENT_SCHEMA).encode(message)) + 1  # the null of the new field
    assert EventCodec(source, EVENT_SCHEMA).decode(value) == message


@pytest.mark.parametrize(("field", "code"), [("event_type", "unknown_event_type"), ("function", "unknown_function")])
def test_a_newer_symbol_reads_as_unknown(field: str, code: str) -> None:
    source = FixedSchemas({NEWER: _newer_schema()})
    newer_symbol = {"event_type": "RIGHTS_ISSUE", "function": "SUSPEND"}[field]
    value = example("corporate-actions-events", "newm_dividend").framed(NEWER, schema=_newer_schema(), **{field: newer_symbol})
    assert rejection_of(EventCodec(source, EVENT_SCHEMA), value).code == code


def test_trailing_bytes_of_a_newer_writer_are_noticed_too() -> None:
    source = FixedSchemas({NEWER: _newer_schema()})
    value = example("corporate-actions-events", "newm_dividend").framed(NEWER, schema=_newer_schema())
    assert rejection_of(EventCodec(source, EVENT_SCHEMA), value + b"\x00").code == "undecodable"


def test_other_words_in_a_schema_do_not_make_it_another() -> None:
    schema = _event_schema()
    schema["doc"] = "said otherwise"
    source = FixedSchemas({NEWER: json.dumps(schema)})
    value = example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA)
    codec = EventCodec(source, EVENT_SCHEMA)
    assert codec.decode(_reframed(value, NEWER)) == codec.decode(value)
    assert EventCodec(source, NEWER).encode(codec.decode(value)) == _reframed(value, NEWER)


def _money_in_cents() -> str:
    return schema_text("CorporateActionEvent").replace('"scale": 12', '"scale": 2')


def _times_in_millis() -> str:
    return schema_text("CorporateActionEvent").replace("timestamp-micros", "timestamp-millis")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (schema_text("AuditRecord"), "AuditRecord"),
        ('{"type": "object"}', "not an Avro record schema"),
        ('"string"', "not an Avro record schema"),
        ("syntax = proto3", "not an Avro record schema"),
        ('{"type": "enum", "name": "E", "symbols": ["A"]}', "not an Avro record schema"),
        (_money_in_cents(), "scale 2, not decimal with scale 12"),
        (_times_in_millis(), "timestamp-millis, not timestamp-micros"),
    ],
)
def test_a_schema_that_is_not_ours_is_refused_and_asked_for_once(text: str, says: str) -> None:
    source = FixedSchemas({OTHER: text})
    codec = EventCodec(source, EVENT_SCHEMA)
    value = _reframed(example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA), OTHER)
    asked = source.asked
    for _ in range(3):
        rejected = rejection_of(codec, value)
        assert rejected.code == "wrong_schema"
        assert says in rejected.reason
    assert source.asked == asked + 1


def test_an_unknown_id_is_rejected_and_forgotten_once_it_is_registered() -> None:
    source = FixedSchemas()
    codec = EventCodec(source, EVENT_SCHEMA)
    value = _reframed(example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA), NEWER)
    assert rejection_of(codec, value).code == "unknown_schema"
    source.texts[NEWER] = _newer_schema().replace("RIGHTS_ISSUE", "RIGHTS")
    value = example("corporate-actions-events", "newm_dividend").framed(NEWER, schema=source.texts[NEWER])
    assert codec.decode(value).symbol == "AAPL"


def test_a_registry_that_is_away_makes_no_record_bad() -> None:
    source = FixedSchemas()
    codec = EventCodec(source, EVENT_SCHEMA)
    value = example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA)
    message = codec.decode(value)
    source.away = True
    with pytest.raises(Unavailable):
        codec.decode(_reframed(value, NEWER))
    assert codec.decode(value) == message  # a known id needs no registry


def test_own_schema_is_never_asked_for_again() -> None:
    source = FixedSchemas()
    codec = EventCodec(source, EVENT_SCHEMA)
    value = example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA)
    codec.decode(value)
    asked = source.asked
    for _ in range(10):
        codec.decode(value)
    assert source.asked == asked


@pytest.mark.parametrize("schema_id", [99, AUDIT_SCHEMA, OTHER])
def test_a_codec_for_a_schema_that_cannot_carry_our_messages_stops_the_process(schema_id: int) -> None:
    older = _event_schema()
    older["fields"] = [field for field in older["fields"] if field["name"] != "merger"]
    with pytest.raises(Fatal, match="schemas register"):
        EventCodec(FixedSchemas({OTHER: json.dumps(older)}), schema_id)


def test_a_codec_without_a_registry_waits_for_it() -> None:
    source = FixedSchemas()
    source.away = True
    with pytest.raises(Unavailable):
        EventCodec(source, EVENT_SCHEMA)


def test_an_amount_that_would_be_rounded_is_not_sent() -> None:
    codec = EventCodec(FixedSchemas(), EVENT_SCHEMA)
    message = codec.decode(example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA))
    assert isinstance(message.terms, Dividend)
    finer = message._replace(terms=message.terms._replace(amount_per_share=Decimal("0.0000000000001")))
    with pytest.raises(Rejected, match="12 decimal places"):
        codec.encode(finer)


@pytest.mark.parametrize("version", [2**31, -1])
def test_a_version_that_no_avro_int_holds_is_not_sent(version: int) -> None:
    codec = EventCodec(FixedSchemas(), EVENT_SCHEMA)
    message = codec.decode(example("corporate-actions-events", "newm_dividend").framed(EVENT_SCHEMA))
    with pytest.raises(Rejected, match="version"):
        codec.encode(message._replace(version=version))


def test_hostile_lengths_are_refused_and_not_remembered() -> None:
    before = _around_the_terms.cache_info().currsize
    for number in range(20):
        with pytest.raises(Rejected, match="bad_field: source="):
            EVENTS.decode(EVENTS.encode(newm()._replace(source=f"{number}" * 100_000)))
    assert _around_the_terms.cache_info().currsize == before
