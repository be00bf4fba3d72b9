"""The rules for entries that are rightly not there: whole segments, seven years after their newest entry, with an export on record."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.retention import RETENTION_YEARS


class RemovedSegment(NamedTuple):
    """A removal as stored: ``last_hash`` is the leaf hash of its last entry, ``exported`` whether an export with the bundle that it names is on record."""

    first: int
    end: int
    last_hash: bytes
    removed_at: datetime
    exported: bool


def check_removal(removal: RemovedSegment, recorded_at: datetime | None, now: datetime, found: Findings) -> bool:
    """Whether a removal's entries may be missing at all; what is wrong with it is told either way.

    Args:
        removal: the removal.
        recorded_at: when its newest entry was recorded, by the signed batch; None when no batch says.
        now: the verifier's time.
        found: gets the findings.
    """
    place, said = f"removal {removal.first}", found.total
    if removal.first % SEGMENT or removal.end != removal.first + SEGMENT:
        found.add("removal", place, f"entries {removal.first} to {removal.end - 1} are not one whole segment", seq=removal.first)
        return False
    if recorded_at is None or removal.removed_at < years_after(recorded_at, RETENTION_YEARS):
        detail = f"removed at {removal.removed_at:%Y-%m-%d %H:%M}, less than {RETENTION_YEARS} years after its newest entry"
        found.add("removal", place, detail, seq=removal.first)
    if removal.removed_at > now:
        found.add("removal", place, f"removed at {removal.removed_at:%Y-%m-%d %H:%M}, which is yet to come", seq=removal.first)
    if not removal.exported:
        found.add("removal", place, "no export of this segment with the bundle that it names is on record", seq=removal.first)
    return found.total == said


def years_after(moment: datetime, years: int) -> datetime:
    """The same day and time so many years later; 1 March for a 29 February that is not there."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)
