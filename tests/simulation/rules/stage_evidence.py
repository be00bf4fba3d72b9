"""The scripted world's evidence, for the judge that also judges the real product and the simulated one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corpactions.domain.identity import partition_of
from corpactions.ports.records import Publication, Record
from tests.support.announcing import AUDIT, EVENTS, PARTITIONS, START, SUMMARIES
from tests.support.evidence import Decoders, Evidence, PastEffect, Progress, row_of
from tests.support.lifecycle import TOPICS
from tests.support.memory_store import Tables


def gather(topic: Mapping[int, Sequence[Record]], log: Sequence[Publication], tables: Tables) -> Evidence:
    """What topic, broker and tables hold."""
    told = [_record(number, item) for number, item in enumerate(log)]
    letters, audit, summaries = (
        [item for item in told if item.topic == name] for name in (TOPICS.dead_letters, TOPICS.audit, TOPICS.summaries)
    )
    evidence = Evidence(
        Decoders(EVENTS.decode, AUDIT.decode, SUMMARIES.decode),
        PARTITIONS,
        [record for _, part in sorted(topic.items()) for record in part],
        letters,
        audit,
        summaries,
    )
    _add_events(evidence, tables)
    evidence.queued = {queued.record.position for queued in tables.queue.values()}
    evidence.waiting = {queued.message.symbol for queued in tables.queue.values()} | tables.parked.keys()
    evidence.pending = len(tables.pending)
    evidence.progress = {
        partition: Progress(row.acked_offset, row.committed_offset, row.summary_seq) for partition, row in tables.progress.items()
    }
    return evidence


def _record(number: int, item: Publication) -> Record:
    """A publication as it stands on its topic: where the key decides, so does its partition."""
    partition = partition_of(item.key or b"", PARTITIONS) if item.partition is None else item.partition
    return Record(item.topic, partition, number, item.key, item.value, item.headers, START)


def _add_events(evidence: Evidence, tables: Tables) -> None:
    for event_id, state in tables.events.items():
        evidence.rows[event_id] = row_of(state)
        for version in state.versions():
            evidence.versions[event_id][version.ref] = (version.content_sha256, version.filed_revision)
    for event_id, revision, _, _, record in tables.transitions:
        evidence.transitions[event_id][revision] = record
    for event_id, row in sorted(tables.effects, key=lambda item: (item[0], item[1].number)):
        evidence.effects.setdefault(event_id, []).append(PastEffect(row.number, row.kind, row.reverses, row.effect))
