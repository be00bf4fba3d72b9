"""Audit records as Avro bytes, for ``corporate-actions-audit``."""

from __future__ import annotations

from typing import Any, Final

from corpactions.domain.audit.entry import LARGEST_INTEGER, Content
from corpactions.domain.audit.records import Action, AuditRecord, Transition
from corpactions.domain.errors import Rejected
from corpactions.domain.messages import Position
from corpactions.ports.schemas import SchemaSource
from corpactions.serde.compiled import Fields
from corpactions.serde.values import MAX_INT, micros_of, time_of, time_text_of
from corpactions.serde.wire import RecordFormat

RECORD: Final = "AuditRecord"
_ACTIONS: Final = {action.value: action for action in Action}


class AuditCodec:
    """Audit records to bytes and back; arguments and errors as :class:`RecordFormat`."""

    def __init__(self, source: SchemaSource, schema_id: int) -> None:
        self._format = RecordFormat(source, RECORD, schema_id)

    def encode(self, record: AuditRecord) -> bytes:
        """The framed Avro value of a record."""
        return self._format.write(_fields(record))

    def decode(self, value: bytes | None) -> AuditRecord:
        """The record in a value.

        Raises:
            Rejected: as :meth:`RecordFormat.read`; unknown_action for one that a newer release made; bad_field for a time out of range or half a position.
            Unavailable: a schema id not met before, while the registry does not answer.
        """
        fields = self._format.read(value)
        action = _ACTIONS.get(fields["action"])
        if action is None:
            raise Rejected("unknown_action", f"the action is not one of {', '.join(_ACTIONS)}; this release does not know newer ones")
        try:
            return _record(fields, action)
        except (ValueError, OverflowError) as error:
            raise Rejected("bad_field", f"audit record {fields['record_id'][:80]!r}: {error}") from error

    def content(self, value: bytes | None) -> Content:
        """What the audit log tells of the record in a value; the same as going through :meth:`decode`, at half its price.

        Raises:
            Rejected, Unavailable: as :meth:`decode`.
        """
        fields = self._format.read(value)
        if fields["action"] not in _ACTIONS:
            raise Rejected("unknown_action", f"the action is not one of {', '.join(_ACTIONS)}; this release does not know newer ones")
        try:
            return _content(fields)
        except (ValueError, OverflowError) as error:
            raise Rejected("bad_field", f"audit record {fields['record_id'][:80]!r}: {error}") from error


def _fields(record: AuditRecord) -> Fields:
    position = record.position
    return {
        "record_id": record.record_id,
        "recorded_at": micros_of(record.recorded_at),
        "actor": record.actor,
        "action": record.action,
        "resource": record.resource,
        "event_type": record.event_type,
        "symbol": record.symbol,
        "function": record.function,
        "origin": record.origin,
        "version": record.version,
        "revision": record.revision,
        "before": record.before,
        "after": record.after,
        "transitions": [{"from_status": t.from_status, "to_status": t.to_status, "at": micros_of(t.at)} for t in record.transitions],
        "topic": position.topic if position else None,
        "partition": position.partition if position else None,
        "offset": position.offset if position else None,
        "correlation_id": record.correlation_id,
        "payload_commitment": record.payload_commitment,
        "flags": record.flags,
        "code": record.code,
        "reason": record.reason,
    }


def _record(fields: dict[str, Any], action: Action) -> AuditRecord:
    return AuditRecord(
        record_id=fields["record_id"],
        recorded_at=time_of(fields["recorded_at"]),
        actor=fields["actor"],
        action=action,
        resource=fields["resource"],
        event_type=fields["event_type"],
        symbol=fields["symbol"],
        function=fields["function"],
        origin=fields["origin"],
        version=fields["version"],
        revision=fields["revision"],
        before=fields["before"],
        after=fields["after"],
        transitions=tuple(Transition(item["from_status"], item["to_status"], time_of(item["at"])) for item in fields["transitions"]),
        position=_position(fields),
        correlation_id=fields["correlation_id"],
        payload_commitment=fields["payload_commitment"],
        flags=tuple(fields["flags"]),
        code=fields["code"],
        reason=fields["reason"],
    )


def _position(fields: Fields) -> Position | None:
    topic, partition, offset = fields["topic"], fields["partition"], fields["offset"]
    if topic is None and partition is None and offset is None:
        return None
    if topic is None or partition is None or offset is None:
        raise ValueError("topic, partition and offset are given together or not at all")
    return Position(topic, partition, offset)


def _content(fields: Fields) -> Content:
    position, commitment = _position(fields), fields["payload_commitment"]
    if position is not None and not 0 <= position.offset <= LARGEST_INTEGER:
        raise ValueError(f"offset {position.offset} is none that Kafka gives")
    for name in ("version", "revision", "partition"):
        if fields[name] is not None and not -MAX_INT - 1 <= fields[name] <= MAX_INT:
            raise ValueError(f"{name} does not fit into the 32 bits of its type")
    detail = {
        "after": fields["after"],
        "before": fields["before"],
        "cause": None if position is None else {"offset": position.offset, "partition": position.partition, "topic": position.topic},
        "code": fields["code"],
        "correlation_id": fields["correlation_id"],
        "flags": fields["flags"],
        "function": fields["function"],
        "happened_at": time_text_of(fields["recorded_at"]),
        "origin": fields["origin"],
        "payload_commitment": None if commitment is None else commitment.hex(),
        "reason": fields["reason"],
        "revision": fields["revision"],
        "transitions": [
            {"at": time_text_of(item["at"]), "from": item["from_status"], "to": item["to_status"]} for item in fields["transitions"]
        ],
        "version": fields["version"],
    }
    return Content(
        fields["record_id"], fields["action"], fields["actor"], fields["resource"], fields["event_type"], fields["symbol"], detail
    )
