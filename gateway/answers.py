"""Domain values as the JSON of the answers."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from fastapi.responses import Response

from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.identity import id_range
from corpactions.persistence.audit_verifications import VerificationStep
from corpactions.ports.events import EventPage, EventView, History, PageKey
from corpactions.ports.reservations import Reservation
from gateway.problems import FieldError, Refused, invalid
from gateway.validation import Announcement

_PENDING = "PENDING"
_CURSOR = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON; times come out as RFC 3339 with ``Z``."""
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), status, dict(headers or {}), "application/json")


def accepted_event(held: Reservation) -> Response:
    """201 for an announced event."""
    assert held.subject is not None, "a single event was reserved with its subject"
    content = {
        "event_id": held.event_id,
        "version": held.version,
        "status": _PENDING,
        "event_type": held.subject.event_type,
        "symbol": held.subject.symbol,
        "accepted_at": held.accepted_at,
    }
    return json_response(content, 201, {"Location": f"/api/v1/events/{held.event_id}", "ETag": f'"gateway.{held.version}"'})


def accepted_change(held: Reservation) -> Response:
    """202 for an amendment or cancellation."""
    content = {"event_id": held.event_id, "version": held.version, "status": _PENDING}
    return json_response(content, 202, {"Location": f"/api/v1/events/{held.event_id}", "ETag": f'"gateway.{held.version}"'})


def bulk_answer(held: Reservation | None, items: Sequence[Announcement | Refused]) -> Response:
    """200 with one entry for each item."""
    answers: list[dict[str, Any]] = []
    ids = [] if held is None else id_range(held.event_id, len(items))
    for index, item in enumerate(items):
        if isinstance(item, Refused):
            document = item.document()
            error = {name: document[name] for name in ("code", "detail", "errors")}
            answers.append({"index": index, "status": item.code.status, "error": error})
        else:
            answers.append({"index": index, "status": 201, "event_id": ids[index]})
    return json_response({"items": answers})


def event_document(view: EventView) -> dict[str, Any]:
    """An event as it is shown."""
    subject = view.subject
    return {
        "event_id": view.event_id,
        "event_type": subject and subject.event_type,
        "symbol": subject and subject.symbol,
        "isin": subject and subject.isin,
        "source": subject and subject.source,
        "source_reference": subject and subject.source_reference,
        "version": view.ref and view.ref.version,
        "origin": view.ref and view.ref.origin,
        "revision": view.revision,
        "status": view.status,
        "cancel_function": view.cancel_function,
        "payload": _payload(view.payload),
        "effect": view.effect,
        "flags": view.flags,
        "attempts": view.attempts,
        "error": view.error,
        "created_at": view.created_at,
        "processing_at": view.processing_at,
        "completed_at": view.completed_at,
        "pending": view.pending,
    }


def page_document(page: EventPage) -> dict[str, Any]:
    """A page of events as it is shown."""
    cursor = None if page.next_key is None else encode_cursor(page.next_key)
    return {"items": [event_document(view) for view in page.items], "next_cursor": cursor}


def history_document(history: History) -> dict[str, Any]:
    """An event's history as it is shown."""
    return {
        "event": event_document(history.event),
        "versions": [
            {
                "origin": version.ref.origin,
                "version": version.ref.version,
                "function": version.function,
                "isin": version.isin,
                "payload": _payload(version.payload),
                "filed_revision": version.filed_revision,
                "accepted_at": version.accepted_at,
                "current": version.current,
            }
            for version in history.versions
        ],
        "changes": [_change(record) for record in history.changes],
        "effects": [effect._asdict() for effect in history.effects],
    }


def _change(record: AuditRecord) -> dict[str, Any]:
    return {
        "revision": record.revision,
        "action": record.action,
        "actor": record.actor,
        "at": record.recorded_at,
        "function": record.function,
        "origin": record.origin,
        "version": record.version,
        "before": record.before,
        "after": record.after,
        "transitions": [{"from": step.from_status, "to": step.to_status, "at": step.at} for step in record.transitions],
        "flags": record.flags,
        "code": record.code,
        "reason": record.reason,
        "correlation_id": record.correlation_id,
    }


def verification_document(step: VerificationStep, now: datetime) -> dict[str, Any]:
    """A verification as it is shown at a time."""
    report = step.document.get("report")
    return {
        "verification_id": step.verification_id,
        "state": step.state_at(now),
        "requested": step.document["requested"],
        "started_at": step.document["started_at"],
        "updated_at": step.at,
        "progress": step.document["progress"],
        "verified": report and report["verified"],
        "error": step.document.get("error"),
        "report": report,
    }


def _payload(stored: dict[str, Any] | None) -> dict[str, Any] | None:
    """The terms, their attributes put in as the text that was announced: no digit of it passes through a float."""
    if stored is None or "attributes" not in stored:
        return stored
    return stored | {"attributes": orjson.Fragment(stored["attributes"])}


def encode_cursor(key: PageKey) -> str:
    """The end of a page as opaque text."""
    micros = (key.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_CURSOR.pack(micros, UUID(key.event_id).bytes)).decode().rstrip("=")


def decode_cursor(text: str) -> PageKey:
    """The inverse of :func:`encode_cursor`. Raises Refused (422) for a text that it never made."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        micros, event_id = _CURSOR.unpack(packed)
        key = PageKey(_EPOCH + timedelta(microseconds=micros), str(UUID(bytes=event_id)))
        if encode_cursor(key) != text:
            raise ValueError(text)
    except (ValueError, binascii.Error, struct.error, OverflowError):
        raise invalid(
            [FieldError("/query/cursor", text, "is not a cursor of this list", "pass next_cursor of the page before, unchanged")]
        ) from None
    return key
