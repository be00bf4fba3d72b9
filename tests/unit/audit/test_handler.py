"""What becomes of each record of the audit topic: an entry of its own, nothing new, a contradiction, or something unreadable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from consumers.audit.handler import Handler
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import BODY_BYTES, ZERO_LINK, Content, Draft, Source, body, time_text
from corpactions.domain.audit.records import Action, AuditRecord, Transition
from corpactions.domain.errors import Unavailable
from corpactions.ports.records import Record
from corpactions.serde.audit import AuditCodec
from corpactions.serde.canonical import encode
from tests.support.schema_source import FixedSchemas

NOW = datetime(2026, 11, 24, 17, 55, tzinfo=UTC)
CODEC = AuditCodec(FixedSchemas(), 2)
TOPIC = "corporate-actions-audit"


def value(record_id: str = "e:1", **fields: Any) -> bytes:
    given = {"actor": "feed", "action": Action.APPLIED, "resource": "event:e", "symbol": "AAPL", **fields}
    return CODEC.encode(AuditRecord(record_id, NOW, **given))


def _varint(number: int) -> bytes:
    """An Avro number of any size, as a foreign encoder may write it."""
    number <<= 1
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


OVERSIZED_VERSION = value(version=77_777).replace(_varint(77_777), _varint(2**55))


def record(data: bytes | None, offset: int = 0, partition: int = 0) -> Record:
    return Record(TOPIC, partition, offset, b"key", data, (), NOW)


def stored(data: bytes, seq: int = 7) -> tuple[int, bytes]:
    content = CODEC.content(data)
    return seq, body(Draft(content, Source(TOPIC, 0, 0)), "log", seq, ZERO_LINK, time_text(NOW))


def handler(known: Mapping[str, tuple[int, bytes]] | None = None) -> Handler:
    def find(record_ids: Collection[str]) -> Mapping[str, tuple[int, bytes]]:
        return {name: found for name, found in (known or {}).items() if name in record_ids}

    return Handler(CODEC.content, find, encode)


def one(data: bytes | None, known: Mapping[str, tuple[int, bytes]] | None = None) -> Draft:
    (draft,) = handler(known).drafts([record(data, 5, 3)], 9, {})
    return draft


def test_a_record_becomes_an_entry_that_says_where_it_stands() -> None:
    draft = one(value(before="PENDING", after="COMPLETED", payload_commitment=bytes(32)))
    assert draft.source == Source(TOPIC, 3, 5)
    assert draft.content[:6] == ("e:1", "APPLIED", "feed", "event:e", None, "AAPL")
    assert draft.content.detail["before"] == "PENDING"
    assert draft.content.detail["payload_commitment"] == "00" * 32
    assert draft.content.detail["happened_at"] == "2026-11-24T17:55:00.000000Z"


def test_the_same_record_again_adds_nothing() -> None:
    data = value()
    assert handler({"e:1": stored(data)}).drafts([record(data)], 8, {}) == []
    assert len(handler().drafts([record(data), record(data, 1)], 8, {})) == 1, "twice in one batch"
    assert handler().drafts([record(data)], 8, {"e:1": (7, CODEC.content(data))}) == [], "while the first is being stored"


@pytest.mark.parametrize("where", ["stored", "in flight", "in the same batch"])
def test_the_same_id_with_other_content_is_a_conflict_that_names_the_first(where: str) -> None:
    first, second = value(), value(reason="another")
    known = {"e:1": stored(first, 7)} if where == "stored" else {}
    in_flight = {"e:1": (7, CODEC.content(first))} if where == "in flight" else {}
    before = [record(first, 4)] if where == "in the same batch" else []
    drafts = handler(known).drafts([*before, record(second, 5)], 7, in_flight)
    content = drafts[-1].content
    assert (content.action, content.record_id, content.resource) == ("CONFLICT", f"conflict:{TOPIC}:0:5", f"record:{TOPIC}:0:5")
    assert content.detail == {"claimed_id": "e:1", "first_seq": 7, "value_sha256": sha256(second).hexdigest()}


def test_a_conflict_that_is_read_again_adds_nothing() -> None:
    first, second = value(), value(reason="another")
    conflict = handler({"e:1": stored(first)}).drafts([record(second, 5)], 8, {})[0]
    logged = 8, body(conflict, "log", 8, ZERO_LINK, time_text(NOW))
    assert handler({"e:1": stored(first), conflict.content.record_id: logged}).drafts([record(second, 5)], 9, {}) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "null_value"),
        (b"", "not_avro"),
        (b"{}", "not_avro"),
        (b"\x00\x00\x00\x00\x02", "undecodable"),
        (value("log:mine"), "reserved_id"),
        (value("unreadable:corporate-actions-audit:0:1"), "reserved_id"),
        (value(""), "bad_field"),
        (value("é"), "bad_field"),
        (value("x "), "bad_field"),
        (value(transitions=(Transition(None, "", datetime(1970, 1, 1, tzinfo=UTC)),) * 700), "too_large"),
        (OVERSIZED_VERSION, "bad_field"),
        (value("x" * 321), "bad_field"),
        (value(actor=""), "bad_field"),
        (value(actor="a" * 129), "bad_field"),
        (value(resource="r" * 321), "bad_field"),
        (value(symbol="S" * 17), "bad_field"),
        (value(event_type="ÉVENT"), "bad_field"),
        (value(reason="\x01" * 20_000), "too_large"),
    ],
)
def test_what_cannot_be_logged_as_it_is_leaves_its_place_and_hash(data: bytes | None, code: str) -> None:
    draft = one(data)
    assert (draft.content.action, draft.content.record_id) == ("UNREADABLE", f"unreadable:{TOPIC}:3:5")
    detail = draft.content.detail
    assert detail["code"] == code
    assert detail["value_bytes"] == len(data or b"")
    assert detail["value_sha256"] == (None if data is None else sha256(data).hexdigest())
    assert draft.source == Source(TOPIC, 3, 5)


def test_every_body_fits_its_column_whatever_was_sent() -> None:
    largest = one(value("i" * 320, actor="\x02" * 128, resource="\x03" * 320, reason="\x01" * 4_000))
    data = body(largest, "l" * 160, 2**40, ZERO_LINK, time_text(NOW), encode)
    assert len(data) <= BODY_BYTES
    assert parse(data).content == largest.content


def test_a_registry_that_is_away_is_no_fault_of_the_record() -> None:
    def away(_value: bytes | None) -> Content:
        raise Unavailable("registry", "refused")

    with pytest.raises(Unavailable):
        Handler(away, lambda _ids: {}, encode).drafts([record(value())], 0, {})
