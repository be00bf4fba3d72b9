"""Whatever is encoded decodes to the same, and the compiled readers and writers agree with the Avro library to the byte."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import fastavro
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.audit.records import AuditRecord, BatchSummary
from corpactions.domain.errors import Rejected
from corpactions.domain.messages import Message
from corpactions.domain.terms import Terms, to_json
from corpactions.serde import schemas
from corpactions.serde.audit import AuditCodec
from corpactions.serde.compiled import reader_of, writer_of
from corpactions.serde.events import EventCodec
from corpactions.serde.summaries import SummaryCodec
from corpactions.serde.terms import canonical_json
from tests.support import strategies
from tests.support.schema_source import AUDIT_SCHEMA, EVENT_SCHEMA, SUMMARY_SCHEMA, FixedSchemas

SOURCE = FixedSchemas()
EVENTS = EventCodec(SOURCE, EVENT_SCHEMA)
AUDIT = AuditCodec(SOURCE, AUDIT_SCHEMA)
SUMMARIES = SummaryCodec(SOURCE, SUMMARY_SCHEMA)
CODES = {"not_avro", "unknown_schema", "wrong_schema", "undecodable", "unknown_function", "unknown_event_type", "bad_field"}


@given(strategies.messages())
def test_a_message_survives_the_wire(message: Message) -> None:
    assert EVENTS.decode(EVENTS.encode(message)) == message


@given(strategies.audit_records)
def test_an_audit_record_survives_the_wire(record: AuditRecord) -> None:
    assert AUDIT.decode(AUDIT.encode(record)) == record


@given(strategies.summaries)
def test_a_summary_survives_the_wire(summary: BatchSummary) -> None:
    assert SUMMARIES.decode(SUMMARIES.encode(summary)) == summary


@given(st.sampled_from(list(strategies.terms)).flatmap(strategies.terms.__getitem__))
def test_the_fast_canonical_json_is_the_defined_one(terms: Terms) -> None:
    assert canonical_json(terms) == to_json(terms)


def _fastavro_bytes(plain: Any, fields: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, plain, fields)
    return buffer.getvalue()


def _assert_agree(record: str, body: bytes) -> None:
    plain = schemas.parse(schemas.schema_text(record)).plain
    fields = fastavro.schemaless_reader(BytesIO(body), plain, None)
    assert isinstance(fields, dict)
    assert reader_of(plain)(body, 0) == fields
    assert writer_of(plain)(fields, b"") == _fastavro_bytes(plain, fields) == body


@given(strategies.messages())
def test_compiled_messages_agree_with_fastavro(message: Message) -> None:
    _assert_agree("CorporateActionEvent", EVENTS.encode(message)[5:])


@given(strategies.audit_records)
def test_compiled_audit_records_agree_with_fastavro(record: AuditRecord) -> None:
    _assert_agree("AuditRecord", AUDIT.encode(record)[5:])


@given(strategies.summaries)
def test_compiled_summaries_agree_with_fastavro(summary: BatchSummary) -> None:
    _assert_agree("BatchSummary", SUMMARIES.encode(summary)[5:])


def _rejection(codec: EventCodec | AuditCodec | SummaryCodec, value: bytes) -> Rejected | None:
    """What the codec says about a value; any other error fails the test."""
    try:
        codec.decode(value)
    except Rejected as rejected:
        return rejected
    return None


@given(strategies.messages(), st.data())
def test_damaged_bytes_are_rejected_or_read_but_never_crash(message: Message, data: st.DataObject) -> None:
    value = bytearray(EVENTS.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    rejected = _rejection(EVENTS, bytes(value))
    if rejected is not None:
        assert rejected.code in CODES
        assert 0 < len(rejected.reason) < 600


@given(strategies.messages(), st.data())
def test_a_truncated_message_is_undecodable(message: Message, data: st.DataObject) -> None:
    value = EVENTS.encode(message)
    rejected = _rejection(EVENTS, value[: data.draw(st.integers(5, len(value) - 1))])
    assert rejected is not None
    assert rejected.code == "undecodable"


@given(st.binary(max_size=300))
def test_random_bytes_behind_a_valid_header_never_crash(body: bytes) -> None:
    for codec, schema_id in ((EVENTS, EVENT_SCHEMA), (AUDIT, AUDIT_SCHEMA), (SUMMARIES, SUMMARY_SCHEMA)):
        rejected = _rejection(codec, b"\x00" + schema_id.to_bytes(4, "big") + body)
        assert rejected is None or rejected.reason
