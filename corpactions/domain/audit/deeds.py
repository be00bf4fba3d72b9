"""Holds, exports and removals stand in tables of their own and are told to the log; here the two are held against each other.

A deed whose entry is missing may just not be told yet, and the next run of retention tells it; one that the log tells of and the table does not hold, or holds otherwise,
was changed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import time_text
from corpactions.domain.audit.findings import Check, Findings
from corpactions.domain.audit.records import Action, AuditRecord
from corpactions.domain.audit.retention import Export, Hold, Removal, told

ACTIONS = (Action.HOLD_PLACED, Action.HOLD_RELEASED, Action.SEGMENT_EXPORTED, Action.SEGMENT_REMOVED)
"""What the log tells of such deeds."""


def check_deeds(deeds: Sequence[Hold | Export | Removal], entries: Mapping[str, bytes], found: Findings) -> None:
    """Compare deeds with what the log tells of them.

    Args:
        deeds: as their tables hold them.
        entries: the bodies of all entries with one of ACTIONS, by record id.
        found: gets the findings.
    """
    known: set[str] = set()
    for deed in deeds:
        record = told(deed)
        known.add(record.record_id)
        body = entries.get(record.record_id)
        if body is not None and (other := _difference(record, body)) is not None:
            found.add(_check(record.record_id), record.record_id[:160], f"its {other} is not what the log tells of it")
    for record_id in sorted(entries.keys() - known):
        found.add(_check(record_id), record_id[:160], "the log tells of it, and its table does not hold it")


def _check(record_id: str) -> Check:
    return "removal" if record_id.startswith(("export:", "removal:")) else "columns"


def _difference(record: AuditRecord, body: bytes) -> str | None:
    """The first thing in which an entry differs from the record of a deed; None when there is none, or the entry cannot be read, which is found elsewhere."""
    try:
        content = parse(body).content
    except ValueError:
        return None
    pairs = {
        "action": (record.action, content.action),
        "actor": (record.actor, content.actor),
        "resource": (record.resource, content.resource),
        "reason": (record.reason, content.detail.get("reason")),
        "time": (time_text(record.recorded_at), content.detail.get("happened_at")),
    }
    return next((name for name, (here, there) in pairs.items() if here != there), None)
