"""One entry of the audit log as bytes: what is in its body, and in which canonical form; ``bodies`` reads it back.

Invariant: there is exactly one body for the same content at the same place of the same log. Bodies are stored, hashed and served as these bytes and never pass
through anything that could write them another way. ``docs/audit-format.md`` describes the form for others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from corpactions.domain.audit.merkle import HASH_BYTES

FORMAT: Final = 1
SEGMENT: Final = 65_536
"""Entries of a segment, the unit of removal after the retention time; no batch crosses a multiple of it."""
BODY_BYTES: Final = 32_768
"""Longest body; the tlog-tiles bundles could take 65,535."""
ZERO_LINK: Final = "0" * 2 * HASH_BYTES
"""``prev`` of a log's first entry."""
RECORD_ID_CHARACTERS: Final = 320
ACTION_CHARACTERS: Final = 32
ACTOR_CHARACTERS: Final = 128
RESOURCE_CHARACTERS: Final = 320
CODE_CHARACTERS: Final = 16
"""Longest symbol and event type."""
OWN_PREFIXES: Final = ("log:", "key:", "conflict:", "unreadable:")
"""Record ids that only the log itself makes."""
OWN_ACTOR: Final = "audit-log"
LARGEST_INTEGER: Final = 2**53 - 1
"""Beyond it, JSON readers of other languages lose digits (RFC 8785, section 3.2.2.3)."""

Encode = Callable[[Any], bytes]
"""A value as canonical JSON; :func:`canonical` is the reference, ``serde.canonical`` the fast one."""


class Content(NamedTuple):
    """What an entry tells, wherever it stands: the fields that can be searched, and ``detail``, which holds JSON values without floats."""

    record_id: str
    action: str
    actor: str
    resource: str
    event_type: str | None
    symbol: str | None
    detail: Mapping[str, Any]


class Source(NamedTuple):
    """Where the record stands on the audit topic."""

    topic: str
    partition: int
    offset: int


class Draft(NamedTuple):
    """An entry that has no place in a log yet."""

    content: Content
    source: Source | None


class Entry(NamedTuple):
    """An entry at its place. ``prev`` is the leaf hash of the entry before, in hexadecimal digits."""

    log: str
    seq: int
    prev: str
    recorded_at: datetime
    content: Content
    source: Source | None


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of strings, integers, booleans, null, lists and objects with ASCII names.

    Raises:
        ValueError: a string holds half a surrogate pair.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def time_text(moment: datetime) -> str:
    """A UTC time as it stands in bodies: six digits of the second, always, and Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """The reverse of :func:`time_text`; raises ValueError for any other way of writing it."""
    try:
        moment = datetime.fromisoformat(text)
        if time_text(moment) == text:
            return moment
    except (ValueError, OverflowError):  # an offset can carry a time out of the years 1 to 9999
        pass
    raise ValueError(f"{text[:40]!r} is not written as YYYY-MM-DDTHH:MM:SS.ffffffZ")


def body(draft: Draft, log: str, seq: int, prev: str, recorded_at: str, encode: Encode = canonical) -> bytes:
    """The bytes of an entry at a place. ``recorded_at`` is a :func:`time_text`."""
    record_id, action, actor, resource, event_type, symbol, detail = draft.content
    source = draft.source
    return encode(
        {
            "action": action,
            "actor": actor,
            "detail": detail,
            "event_type": event_type,
            "format": FORMAT,
            "log": log,
            "prev": prev,
            "record_id": record_id,
            "recorded_at": recorded_at,
            "resource": resource,
            "seq": seq,
            "source": None if source is None else {"offset": source.offset, "partition": source.partition, "topic": source.topic},
            "symbol": symbol,
        }
    )
