"""Between the domain's values and the rows of the event tables: literals one way, driver tuples the other.

Invariant: what is written here reads back as the same value, byte for byte where bytes are kept.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from corpactions.domain.change import Change
from corpactions.domain.messages import Function, VersionRef
from corpactions.domain.state import Effect, EffectRow, EventState, FiledVersion, Status
from corpactions.domain.terms import EventType, from_json, to_json
from corpactions.persistence.bulk import NULL, blob, code, day, ident, moment, number, row, short_blob, text, uuid_text
from corpactions.persistence.tables import ERROR_CHARACTERS, REASON_CHARACTERS
from corpactions.ports.lifecycle import Parked, Queued
from corpactions.ports.records import Headers, Publication, Record

_IDENTITY = ("event_id", "event_type", "symbol", "source", "source_reference")
_CHANGING = (
    *(
        "isin",
        "origin",
        "version",
        "function",
        "revision",
        "version_revision",
        "older_versions",
        "status",
        "cancel_function",
        "key_date",
        "payload",
    ),
    *(
        "effect",
        "flags",
        "attempts",
        "error",
        "content_sha256",
        "salt",
        "record",
        "accepted_at",
        "created_at",
        "processing_at",
        "completed_at",
    ),
)
EVENT_COLUMNS = (*_IDENTITY, *_CHANGING)
UPDATE_COLUMNS = (*_IDENTITY[1:], *_CHANGING)
VERSION_COLUMNS = (
    "event_id",
    "origin",
    "version",
    "function",
    "isin",
    "payload",
    "content_sha256",
    "salt",
    "filed_revision",
    "accepted_at",
)
TRANSITION_COLUMNS = ("event_id", "revision", "status", "changed_at", "record")
EFFECT_COLUMNS = ("event_id", "effect_no", "kind", "reverses_no", "effect", "posted_at")
DECISION_COLUMNS = ("decision_id", "event_id", "function", "revision", "actor", "reason", "decided_at")
PARKED_COLUMNS = (
    "symbol",
    "topic",
    "partition",
    "event_id",
    "state",
    "next_attempt_at",
    "reason",
    "parked_at",
    "offset",
    "value",
    "headers",
    "timestamp",
)
QUEUE_COLUMNS = (
    *(
        "topic",
        "partition",
        "offset",
        "symbol",
        "event_id",
        "origin",
        "version",
        "function",
        "event_type",
        "accepted_at",
        "value",
        "headers",
    ),
    "timestamp",
)
PENDING_COLUMNS = ("source_topic", "source_partition", "topic", "partition", "key", "value", "headers")


_often = lru_cache(maxsize=1024)(text)
_batch_time = lru_cache(maxsize=4)(moment)
"""Values that repeat from row to row."""


def event_row(state: EventState) -> str:
    """An event's literals, in the order of EVENT_COLUMNS. Written out in one piece: it runs for every event."""
    current = state.current
    created = moment(state.created_at)
    if current is None:
        version, digest, salt, accepted, filed = "NULL,NULL,NULL", NULL, NULL, created, 0
    else:
        origin, counted = current.ref
        version = f"{_often(origin)},{counted},'{current.function}'"
        digest, salt, filed = short_blob(current.content_sha256), short_blob(current.salt), current.filed_revision
        accepted = created if current.accepted_at is state.created_at else moment(current.accepted_at)
    return (
        f"({ident(state.event_id)},'{state.event_type}','{state.symbol}',{_often(state.source)},{text(state.source_reference)},{code(state.isin)},"
        f"{version},{state.revision},{filed},{len(state.older)},'{state.status}',{code(state.cancel_function)},{day(state.key_date)},"
        f"{text(state.terms_json)},{NULL if state.effect is None else text(effect_json(state.effect))},'{','.join(state.flags)}',{state.attempts},"
        f"{text(None if state.error is None else state.error[:ERROR_CHARACTERS])},{digest},{salt},{blob(state.record)},"
        f"{accepted},{created},{_batch_time(state.processing_at)},{moment(state.completed_at)})"
    )


def effect_json(effect: Effect) -> str:
    """An effect as the JSON object that is stored and shown."""
    head = {
        "effect_no": effect.number,
        "origin": effect.ref.origin,
        "version": effect.ref.version,
        "posted_at": effect.posted_at.isoformat(),
    }
    return orjson.dumps(head | effect.fields).decode()


def effect_of(stored: str) -> Effect:
    """The inverse of :func:`effect_json`."""
    fields = orjson.loads(stored)
    ref = VersionRef(fields.pop("origin"), fields.pop("version"))
    return Effect(fields.pop("effect_no"), ref, datetime.fromisoformat(fields.pop("posted_at")), fields)


def event_state(values: tuple[Any, ...], older: dict[VersionRef, FiledVersion]) -> EventState:
    """The inverse of :func:`event_row`. A cancelled event shows the terms that were cancelled, which are not its current version's."""
    columns = dict(zip(EVENT_COLUMNS, values, strict=True))
    event_type = EventType(columns["event_type"])
    terms_json = _terms_text(event_type, columns["payload"])
    status = Status(columns["status"])
    current = None
    if columns["version"] is not None:
        carries = columns["function"] in {Function.NEWM, Function.REPL}
        current = FiledVersion(
            VersionRef(columns["origin"], columns["version"]),
            Function(columns["function"]),
            columns["isin"] if carries else None,
            terms_json if carries else None,
            columns["key_date"] if carries else None,
            columns["content_sha256"],
            columns["salt"],
            columns["version_revision"],
            _utc(columns["accepted_at"]),
        )
    return EventState(
        uuid_text(columns["event_id"]),
        event_type,
        columns["symbol"],
        columns["source"],
        columns["source_reference"],
        current,
        columns["revision"],
        status,
        _utc(columns["created_at"]),
        _utc(columns["created_at"]),
        columns["isin"],
        terms_json,
        columns["key_date"],
        None if columns["cancel_function"] is None else Function(columns["cancel_function"]),
        None if columns["effect"] is None else effect_of(columns["effect"]),
        tuple(columns["flags"].split(",")) if columns["flags"] else (),
        columns["attempts"],
        columns["error"],
        _utc_or_none(columns["processing_at"]),
        _utc_or_none(columns["completed_at"]),
        older,
        columns["record"],
    )


def version_row(event_id: str, version: FiledVersion) -> str:
    """A filed version's literals, in the order of VERSION_COLUMNS."""
    return row(
        ident(event_id),
        text(version.ref.origin),
        number(version.ref.version),
        code(version.function),
        code(version.isin),
        text(version.terms_json),
        blob(version.content_sha256),
        blob(version.salt),
        number(version.filed_revision),
        moment(version.accepted_at),
    )


def filed_version(values: tuple[Any, ...], event_type: EventType) -> FiledVersion:
    """The inverse of :func:`version_row`."""
    _, origin, version, function, isin, payload, digest, salt, revision, accepted_at = values
    terms_json = _terms_text(event_type, payload)
    key_date = None if terms_json is None else from_json(event_type, terms_json).key_date
    return FiledVersion(
        VersionRef(origin, version), Function(function), isin, terms_json, key_date, digest, salt, revision, _utc(accepted_at)
    )


def transition_row(state: EventState) -> str:
    """A superseded revision's literals, in the order of TRANSITION_COLUMNS."""
    return row(ident(state.event_id), number(state.revision), code(state.status), moment(state.changed_at), blob(state.record))


def effect_row(event_id: str, item: EffectRow) -> str:
    """A past effect's or a reversal's literals, in the order of EFFECT_COLUMNS."""
    return row(
        ident(event_id), number(item.number), code(item.kind), number(item.reverses), text(effect_json(item.effect)), moment(item.posted_at)
    )


def decision_row(change: Change) -> str:
    """An applied decision's literals, in the order of DECISION_COLUMNS."""
    assert change.decision is not None, "only a decision has a decision row"
    message = change.message
    reason = None if message.reason is None else message.reason[:REASON_CHARACTERS]
    return row(
        ident(change.decision.decision_id),
        ident(change.state.event_id),
        code(message.function),
        number(change.state.revision),
        text(message.actor),
        text(reason),
        moment(message.accepted_at),
    )


def parked_row(parked: Parked) -> str:
    """A parked symbol's literals, in the order of PARKED_COLUMNS."""
    record = parked.record
    return row(
        code(parked.symbol),
        code(parked.topic),
        number(parked.partition),
        ident(parked.event_id),
        code(parked.state),
        moment(parked.next_attempt_at),
        text(parked.reason[:ERROR_CHARACTERS]),
        moment(parked.parked_at),
        number(record.offset),
        blob(record.value or b""),
        blob(headers_bytes(record.headers)),
        moment(record.timestamp),
    )


def parked_symbol(values: tuple[Any, ...]) -> Parked:
    """The inverse of :func:`parked_row`."""
    symbol, topic, partition, event_id, state, next_attempt_at, reason, parked_at, offset, value, headers, timestamp = values
    record = Record(topic, partition, offset, symbol.encode(), value, headers_of(headers), _utc(timestamp))
    holder = None if event_id is None else uuid_text(event_id)
    return Parked(symbol, topic, partition, holder, state, _utc_or_none(next_attempt_at), reason, _utc(parked_at), record)


def queue_row(item: Queued) -> str:
    """A queued record's literals, in the order of QUEUE_COLUMNS."""
    message, record = item
    return row(
        code(record.topic),
        number(record.partition),
        number(record.offset),
        code(message.symbol),
        ident(message.event_id),
        text(message.origin),
        number(message.version),
        code(message.function),
        code(message.event_type),
        moment(message.accepted_at),
        blob(record.value or b""),
        blob(headers_bytes(record.headers)),
        moment(record.timestamp),
    )


def queued_record(values: tuple[Any, ...]) -> Record:
    """The record of a queue row: topic, partition, offset, symbol, value, headers, timestamp."""
    topic, partition, offset, symbol, value, headers, timestamp = values
    return Record(topic, partition, offset, symbol.encode(), value, headers_of(headers), _utc(timestamp))


def pending_row(source: Record, publication: Publication) -> str:
    """A pending publication's literals, in the order of PENDING_COLUMNS."""
    return row(
        code(source.topic),
        number(source.partition),
        code(publication.topic),
        number(publication.partition),
        blob(publication.key),
        blob(publication.value),
        blob(headers_bytes(publication.headers)),
    )


def pending_publication(values: tuple[Any, ...]) -> Publication:
    """The publication of a row: id, topic, partition, key, value, headers."""
    pending_id, topic, partition, key, value, headers = values
    return Publication(topic, key, value, headers_of(headers), partition, pending_id)


def headers_bytes(headers: Headers) -> bytes:
    """Headers as JSON with base64 values, which any tool can read."""
    return json.dumps([[name, None if value is None else base64.b64encode(value).decode("ascii")] for name, value in headers]).encode()


def headers_of(stored: bytes) -> Headers:
    """The inverse of :func:`headers_bytes`."""
    return tuple((name, None if value is None else base64.b64decode(value)) for name, value in json.loads(stored))


def _terms_text(event_type: EventType, payload: str | None) -> str | None:
    """Canonical JSON again: MySQL keeps the values of a JSON column, not their spelling."""
    return None if payload is None else to_json(from_json(event_type, payload))


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _utc_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)
