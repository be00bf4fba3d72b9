"""Judges a finished run of the real product from durable state alone.

>>> judge(product)  # raises AssertionError with every finding
>>> judge(product, acked=...)  # and each of these versions, acknowledged to its sender, is on the topic

To be called when nothing moves any more (:meth:`tests.support.product.Product.settle`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC
from typing import Any

from corpactions.domain.messages import Position, VersionRef
from corpactions.domain.terms import EventType, from_json, to_json
from corpactions.kafka.registry import Registry
from corpactions.persistence.bulk import uuid_text
from corpactions.persistence.lifecycle_rows import effect_of
from corpactions.serde.audit import AuditCodec
from corpactions.serde.summaries import SummaryCodec
from corpactions.system import SystemClock
from tests.support.evidence import Decoders, EventRow, Evidence, PastEffect, Progress
from tests.support.judgement import Acked, Circumstances, Counts, findings
from tests.support.product import PARTITIONS, Product

SHOWN = 15
"""Findings in one message: the first ones tell enough."""
_EVENTS = (
    "event_id, event_type, symbol, origin, version, revision, version_revision, status, cancel_function, payload, effect,"
    " content_sha256, record, created_at"
)


def judge(
    product: Product,
    *,
    acked: Iterable[Acked] = (),
    failing: Collection[str] = (),
    parked: Collection[str] = (),
    refused: Collection[str] = (),
) -> Counts:
    """Compare everything with everything; see :class:`tests.support.judgement.Circumstances` for the arguments."""
    found, counts = findings(gather(product), Circumstances(acked, failing, parked, refused))
    shown = "\n  ".join(found[:SHOWN])
    assert not found, f"{len(found)} findings:\n  {shown}\n{product.logs()}"
    return counts


def gather(product: Product) -> Evidence:
    """Read all topics and tables of a settled product."""
    registry = Registry(product.endpoints["registry"], SystemClock())
    audits = AuditCodec(registry, registry.latest_id(f"{product.topic('audit')}-value"))
    summaries = SummaryCodec(registry, registry.latest_id(f"{product.topic('summaries')}-value"))
    decoders = Decoders(product.codec.decode, audits.decode, summaries.decode)
    topics = (product.records("events"), product.letters(), product.records("audit"), product.records("summaries"))
    evidence = Evidence(decoders, PARTITIONS, *topics)
    _read_events(product, evidence)
    _read_progress(product, evidence)
    return evidence


def _read_events(product: Product, evidence: Evidence) -> None:
    names = _EVENTS.replace(" ", "").split(",")
    for values in product.sql(f"SELECT {_EVENTS} FROM events"):
        row = dict(zip(names, values, strict=True))
        event_id = uuid_text(row["event_id"])
        evidence.rows[event_id] = made = _event_row(row)
        if made.ref is not None:
            evidence.versions[event_id][made.ref] = (row["content_sha256"], row["version_revision"])
    for event_id, origin, version, digest, revision in product.sql(
        "SELECT event_id, origin, version, content_sha256, filed_revision FROM event_versions"
    ):
        evidence.versions[uuid_text(event_id)].setdefault(VersionRef(origin, version), (digest, revision))
    for event_id, revision, told in product.sql("SELECT event_id, revision, record FROM event_transitions"):
        evidence.transitions[uuid_text(event_id)][revision] = told
    effects: dict[str, list[PastEffect]] = defaultdict(list)
    for event_id, number, kind, reverses, content in product.sql(
        "SELECT event_id, effect_no, kind, reverses_no, effect FROM event_effects ORDER BY event_id, effect_no"
    ):
        effects[uuid_text(event_id)].append(PastEffect(number, kind, reverses, json.loads(content)))
    evidence.effects = effects


def _event_row(row: dict[str, Any]) -> EventRow:
    ref = None if row["version"] is None else VersionRef(row["origin"], row["version"])
    terms = None if row["payload"] is None else to_json(from_json(EventType(row["event_type"]), row["payload"]))
    return EventRow(
        row["symbol"],
        row["event_type"],
        row["status"],
        ref,
        row["revision"],
        row["cancel_function"],
        terms,
        row["created_at"].replace(tzinfo=UTC),
        row["record"],
        None if row["effect"] is None else effect_of(row["effect"]),
    )


def _read_progress(product: Product, evidence: Evidence) -> None:
    evidence.queued = {Position(*values) for values in product.sql("SELECT topic, `partition`, `offset` FROM parked_events")}
    evidence.waiting = {symbol for (symbol,) in product.sql("SELECT symbol FROM parked_symbols UNION SELECT symbol FROM parked_events")}
    evidence.pending = product.sql("SELECT COUNT(*) FROM pending_publications")[0][0]
    evidence.progress = {
        partition: Progress(acked, committed, seq)
        for partition, acked, committed, seq in product.sql(
            "SELECT `partition`, acked_offset, committed_offset, summary_seq FROM partition_progress WHERE topic = %s",
            product.topic("events"),
        )
    }
