"""Retention of the audit log as values: segments, legal holds, and what is told of each deed to the log itself.

Invariant: a deed is told from its stored row alone, so that telling it again after a crash gives the same record with the same id, which the log takes once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from corpactions.domain.audit.entry import SEGMENT, time_text
from corpactions.domain.audit.records import Action, AuditRecord

RETENTION_YEARS: Final = 7
"""How long an entry stays at least; the database's guards hold the same number."""


class Segment(NamedTuple):
    """Entries ``first`` to ``end`` - 1 of a log, the unit of removal; ``oldest`` and ``newest`` are the times of its first and last batch."""

    log_id: int
    origin: str
    first: int
    oldest: datetime
    newest: datetime

    @property
    def end(self) -> int:
        return self.first + SEGMENT


class Hold(NamedTuple):
    """A legal hold is placed, or released (``placed`` is False), by the row ``number``.

    It covers what was recorded from ``from_time`` to ``to_time``, both included; None leaves that side open.
    """

    number: int
    name: str
    placed: bool
    from_time: datetime | None
    to_time: datetime | None
    reason: str
    actor: str
    at: datetime

    def covers(self, segment: Segment) -> bool:
        """Whether an entry of the segment may lie in its time."""
        return (self.from_time is None or self.from_time <= segment.newest) and (self.to_time is None or self.to_time >= segment.oldest)

    @property
    def period(self) -> str:
        """Its time in words."""
        if self.from_time is None and self.to_time is None:
            return "everything"
        begin = "" if self.from_time is None else f"from {time_text(self.from_time)}"
        end = "" if self.to_time is None else f"to {time_text(self.to_time)}"
        return f"{begin} {end}".strip()


class Export(NamedTuple):
    """A segment's bundle was written to ``location`` and verified there; ``bundle_sha256`` is the hash of its manifest."""

    origin: str
    first: int
    end: int
    bundle_sha256: bytes
    location: str
    actor: str
    at: datetime


class Removal(NamedTuple):
    """A segment's entries were removed, after the export with this hash."""

    origin: str
    first: int
    end: int
    bundle_sha256: bytes
    actor: str
    at: datetime


def told(deed: Hold | Export | Removal) -> AuditRecord:
    """The audit record of a deed."""
    if isinstance(deed, Hold):
        action = Action.HOLD_PLACED if deed.placed else Action.HOLD_RELEASED
        reason = f"{deed.reason} (recorded: {deed.period})"
        return AuditRecord(f"hold:{deed.name}:{deed.number}", deed.at, deed.actor, action, f"hold:{deed.name}", reason=reason)
    digest, entries = deed.bundle_sha256.hex(), f"entries {deed.first} to {deed.end - 1}"
    if isinstance(deed, Export):
        record_id, action = f"export:{deed.origin}:{deed.first}:{digest}", Action.SEGMENT_EXPORTED
        reason = f"{entries} were exported to {deed.location} and verified there; manifest SHA-256 {digest}"
    else:
        record_id, action = f"removal:{deed.origin}:{deed.first}", Action.SEGMENT_REMOVED
        reason = f"{entries} were removed, all over {RETENTION_YEARS} years old; exported with manifest SHA-256 {digest}"
    return AuditRecord(record_id, deed.at, deed.actor, action, f"log:{deed.origin}", reason=reason)
