"""A simulated world's evidence for the judge that it shares with the real product."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from corpactions.domain.audit.records import AuditRecord
from corpactions.domain.messages import VersionRef
from corpactions.domain.state import EffectRow, EventState
from tests.simulation.outside import decode_message
from tests.simulation.store import PROGRESS
from tests.support.announcing import AUDIT, SUMMARIES, TOPIC
from tests.support.evidence import Decoders, Evidence, PastEffect, Progress, row_of

if TYPE_CHECKING:
    from tests.simulation.world import World


decode_audit = lru_cache(maxsize=2_048)(AUDIT.decode)
"""The judge and a replay look at the same records."""


def gather(world: World) -> Evidence:
    """All topics and committed rows. What orders decisions is the number of the commit that made them: clocks here cannot be trusted."""
    database = world.database
    tables = database.tables
    topics = (world.published(TOPIC), world.published("dlq"), world.published("audit"), world.published("summaries"))
    evidence = Evidence(Decoders(decode_message, decode_audit, SUMMARIES.decode), world.broker.partitions, *topics)
    for event_id, state in tables["events"].items():
        evidence.rows[event_id] = row_of(state)
        evidence.versions[event_id] = _versions(state, tables["event_versions"].get(event_id, {}))
    evidence.transitions.update(
        {event_id: {number: told for number, (_, _, told) in rows.items()} for event_id, rows in tables["event_transitions"].items()}
    )
    evidence.effects = {event_id: [_past(row) for _, row in sorted(rows.items())] for event_id, rows in tables["event_effects"].items()}
    evidence.queued = {place for rows in tables["parked_events"].values() for place in rows}
    evidence.waiting = {*tables["parked_symbols"], *(symbol for symbol, rows in tables["parked_events"].items() if rows)}
    evidence.pending = sum(len(rows) for rows in tables["pending_publications"].values())
    evidence.progress = {
        number: Progress(row.acked_offset, row.committed_offset, row.summary_seq) for number, row in tables[PROGRESS].items()
    }

    def decided_at(told: AuditRecord) -> Any:
        return database.committed_at.get(told.record_id, 0)

    evidence.decided_at = decided_at
    return evidence


def _versions(state: EventState, older: dict[VersionRef, Any]) -> dict[VersionRef, tuple[bytes, int]]:
    """Those of the table that keeps older versions, and the current one of the row."""
    found = {ref: (version.content_sha256, version.filed_revision) for ref, version in older.items()}
    if state.current is not None:
        found[state.current.ref] = (state.current.content_sha256, state.current.filed_revision)
    return found


def _past(row: EffectRow) -> PastEffect:
    content = (
        row.effect.number,
        row.effect.ref,
        row.effect.posted_at,
        tuple(sorted((name, str(value)) for name, value in row.effect.fields.items())),
    )
    return PastEffect(row.number, row.kind, row.reverses, content)
