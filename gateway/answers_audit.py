"""The audit log's entries, proofs and searches as JSON."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from datetime import datetime
from typing import Any, Final

from corpactions.auditing.access import ShownEntry
from corpactions.domain.audit.entry import time_text
from corpactions.domain.audit.merkle import leaf_hash
from corpactions.domain.audit.notes import encode_base64
from corpactions.persistence.audit_reading import EntryQuery
from gateway.auditing import AuditPage
from gateway.problems import FieldError, invalid

_CURSOR: Final = struct.Struct(">qI")


def page_document(page: AuditPage, query: EntryQuery) -> dict[str, Any]:
    """A page of entries as it is shown."""
    entries = page.shown.entries
    cursor = encode_cursor(query, entries[-1].seq) if page.shown.more else None
    return {"items": [entry_document(entry) for entry in entries], "next_cursor": cursor, "verification": verification_summary(page)}


def verification_summary(page: AuditPage) -> dict[str, Any]:
    """What the verification of a page gave."""
    checkpoint, verdict = page.checkpoint, page.shown.verdict
    failed = len(page.failed)
    return {
        "checkpoint": checkpoint
        and {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": encode_base64(checkpoint.root),
            "witnessed_at": verdict.witnessed_at,
        },
        "verified": len(page.shown.entries) - failed,
        "failed": failed,
        "completeness": "proven" if page.complete else "not_proven",
        "key": "trusted" if page.shown.pinned else "the log's own",
        "findings": [{"check": each.check, "seq": each.seq, "place": each.place, "detail": each.detail} for each in page.findings],
    }


def entry_document(shown: ShownEntry) -> dict[str, Any]:
    """An entry as it is shown. Of a body that cannot be read, the bytes are."""
    entry, verdict = shown.entry, shown.verdict
    content, source = entry and entry.content, entry and entry.source
    return {
        "seq": shown.seq,
        "log": entry and entry.log,
        "hash": leaf_hash(shown.body).hex(),
        "prev": entry and entry.prev,
        "recorded_at": entry and time_text(entry.recorded_at),
        "record_id": content and content.record_id,
        "action": content and content.action,
        "actor": content and content.actor,
        "resource": content and content.resource,
        "event_type": content and content.event_type,
        "symbol": content and content.symbol,
        "source": source and source._asdict(),
        "detail": content and content.detail,
        "body": None if entry else encode_base64(shown.body),
        "verified": verdict.verified,
        "failed": verdict.failed,
        "checkpoint": "covered" if verdict.checkpointed else "pending",
    }


def encode_cursor(query: EntryQuery, seq: int) -> str:
    """The end of a page of a search as opaque text."""
    return base64.urlsafe_b64encode(_CURSOR.pack(seq, _search(query, seq))).decode()


def decode_cursor(text: str, query: EntryQuery) -> int:
    """The inverse of :func:`encode_cursor`. Raises Refused (422) for a text that it never made for this search."""
    try:
        seq, search = _CURSOR.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
        if seq < 0 or search != _search(query, seq) or encode_cursor(query, seq) != text:
            raise ValueError(text)
    except (ValueError, binascii.Error, struct.error):
        mend = "pass next_cursor of the page before, unchanged, with the same parameters"
        raise invalid([FieldError("/query/cursor", text, "is not a cursor of this search", mend)]) from None
    return int(seq)


def _search(query: EntryQuery, seq: int) -> int:
    """A check sum over the search and the place: a cursor of another search would skip entries without anybody noticing."""
    asked = query._replace(log_id=0, limit=0, after=seq)
    return zlib.crc32("\0".join(_plain(value) for value in asked).encode())


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
