"""What must hold at rest in the scripted world, from its topic alone, said in the words of ``tests.support.checker``."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from corpactions.domain.audit import Action, AuditRecord
from corpactions.domain.change import minute_of
from corpactions.domain.identity import content_sha256
from corpactions.domain.messages import DECISIONS, Position
from corpactions.ports.records import Publication, Record
from tests.support.announcing import AUDIT, EVENTS, SUMMARIES
from tests.support.expected import Expected
from tests.support.lifecycle import TOPICS
from tests.support.memory_store import Tables


@dataclass
class _Told:
    letters: dict[tuple[Position, int], set[Publication]] = field(default_factory=lambda: defaultdict(set))
    audit: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    summaries: dict[tuple[int, int], set[bytes]] = field(default_factory=lambda: defaultdict(set))

    def rejected(self) -> set[Position]:
        return {position for position, revision in self.letters if revision == 0}

    def records(self) -> list[AuditRecord]:
        return [AUDIT.decode(min(copies)) for copies in self.audit.values()]


def findings(topic: Mapping[int, Sequence[Record]], log: Sequence[Publication], tables: Tables, held: Sequence[str]) -> list[str]:
    """Everything that is not as it must be."""
    records = [record for _, part in sorted(topic.items()) for record in part]
    expected = Expected(records, EVENTS)
    told = _sorted_out(log)
    by_place = {record.position: record for record in records}
    return [
        *_verdicts(expected, told, tables),
        *_letters(by_place, told),
        *_events(expected, tables),
        *_audit(told, tables),
        *_order(told.records()),
        *_summaries(by_place, told, tables),
        *_progress(topic, tables, held),
    ]


def _sorted_out(log: Sequence[Publication]) -> _Told:
    told = _Told()
    for item in log:
        value = item.value or b""
        if item.topic == TOPICS.dead_letters:
            headers = dict(item.headers)
            name, partition, offset = (headers[f"kafka_dlt-original-{part}"] or b"" for part in ("topic", "partition", "offset"))
            place = Position(name.decode(), struct.unpack(">i", partition)[0], struct.unpack(">q", offset)[0])
            told.letters[place, int(headers["ca-revision"] or b"0")].add(item)
        elif item.topic == TOPICS.audit:
            told.audit[AUDIT.decode(value).record_id].add(value)
        else:
            summary = SUMMARIES.decode(value)
            told.summaries[summary.partition, summary.summary_seq].add(value)
    return told


def _verdicts(expected: Expected, told: _Told, tables: Tables) -> Iterator[str]:
    queued = {queued.record.position for queued in tables.queue.values()}
    rejected = told.rejected()
    for position, verdict in expected.verdicts.items():
        if position in queued:
            if position in rejected:
                yield f"{position} waits in a queue and was rejected as well"
        elif verdict.kind == "rejected" and position not in rejected:
            yield f"{position} must be rejected and has no letter"
        elif verdict.kind in {"filed", "duplicate"} and verdict.message is not None:
            state = tables.events.get(verdict.message.event_id)
            filed = None if state is None else state.find(verdict.message.ref)
            if position in rejected:
                yield f"{position} must be {verdict.kind} and was rejected"
            elif filed is None:
                yield f"{position}: version {verdict.message.ref} of {verdict.message.event_id} is not filed"
            elif filed.content_sha256 != content_sha256(verdict.message):
                yield f"{position}: version {verdict.message.ref} of {verdict.message.event_id} was filed with other content"


def _letters(by_place: Mapping[Position, Record], told: _Told) -> Iterator[str]:
    for (position, revision), copies in told.letters.items():
        name = f"the letter of {position} at revision {revision}"
        original = by_place.get(position)
        if original is None:
            yield f"{name} names no record"
            continue
        if len({item._replace(pending_id=None) for item in copies}) > 1:
            yield f"{name} has copies that differ"
        letter = next(iter(copies))
        carried = (letter.key, letter.value, letter.headers[: len(original.headers)])
        omitted = any(header == "ca-omitted" for header, _ in letter.headers)
        if not omitted and carried != (original.key, original.value, original.headers):
            yield f"{name} does not carry the original bytes"
        if letter.partition != original.partition:
            yield f"{name} is in partition {letter.partition}"


def _events(expected: Expected, tables: Tables) -> Iterator[str]:
    waiting = {queued.message.event_id for queued in tables.queue.values()}
    for event_id in (tables.events.keys() ^ expected.events.keys()) - waiting:
        yield f"event {event_id} " + ("has a row and no message" if event_id in tables.events else "has messages and no row")
    for event_id, event in expected.events.items():
        state = tables.events.get(event_id)
        if state is None or event_id in waiting:
            continue
        if state.status not in {event.status, "FAILED"} and not event.decided:
            yield f"event {event_id} is {state.status}, must be {event.status}"
        if state.ref != event.current and not event.decided:
            yield f"event {event_id} is at version {state.ref}, must be at {event.current}"
        if {version.ref for version in state.versions()} != set(event.filed):
            yield f"event {event_id} has versions {sorted(v.ref for v in state.versions())}, must have {sorted(event.filed)}"
        if state.terms_json != event.terms_json() and not event.decided:
            yield f"event {event_id} shows other terms than it must"


def _audit(told: _Told, tables: Tables) -> Iterator[str]:
    wanted: dict[str, bytes | None] = {f"{number}:{revision}": record for number, revision, _, _, record in tables.transitions}
    wanted |= {f"{number}:{state.revision}": state.record for number, state in tables.events.items()}
    rows = {record.position for record in told.records() if record.record_id in wanted and record.action is Action.REJECTED}
    wanted |= {str(position): None for position in told.rejected() if position not in rows}
    for record_id in wanted.keys() ^ told.audit.keys():
        yield f"audit record {record_id} " + ("is missing" if record_id in wanted else "tells of nothing that happened")
    for record_id, copies in told.audit.items():
        kept = wanted.get(record_id)
        if len(copies | ({kept} if kept is not None else set())) > 1:
            yield f"audit record {record_id} has copies that differ"


def _order(records: Sequence[AuditRecord]) -> Iterator[str]:
    steps: dict[str, list[tuple[int, int]]] = defaultdict(list)
    decided = {told.resource for told in records if told.function in DECISIONS}
    for told in records:
        if told.position is not None and told.revision is not None:
            steps[told.resource].append((told.revision, told.position.offset))
    for resource, found in steps.items():
        offsets = list(dict.fromkeys(offset for _, offset in sorted(found)))
        if resource not in decided and offsets != sorted(offsets):
            yield f"{resource} was changed in the order of offsets {offsets}"


def _summaries(by_place: Mapping[Position, Record], told: _Told, tables: Tables) -> Iterator[str]:
    wanted = {(partition, number) for partition, row in tables.progress.items() for number in range(1, row.summary_seq + 1)}
    for partition, number in sorted(wanted ^ told.summaries.keys()):
        yield f"summary {partition}/{number} " + ("is missing" if (partition, number) in wanted else "was never written")
    totals: Counter[tuple[object, str, str]] = Counter()
    records, rejected = 0, 0
    for (partition, number), copies in told.summaries.items():
        if len(copies) > 1:
            yield f"summary {partition}/{number} has copies that differ"
        summary = SUMMARIES.decode(min(copies))
        records, rejected = records + summary.records, rejected + summary.rejected
        for delta in summary.deltas:
            totals[delta.minute, delta.event_type, delta.status] += delta.count
    table = Counter((minute_of(state.created_at), str(state.event_type), str(state.status)) for state in tables.events.values())
    if +totals != table or any(count < 0 for count in totals.values()):
        yield "the summaries do not add up to the events"
    if records != len(by_place):
        yield f"the summaries count {records} records, the topic holds {len(by_place)}"
    if rejected != len(told.rejected()):
        yield f"the summaries count {rejected} rejections, and there are letters of {len(told.rejected())}"


def _progress(topic: Mapping[int, Sequence[Record]], tables: Tables, held: Sequence[str]) -> Iterator[str]:
    for partition, part in topic.items():
        row = tables.progress[partition]
        if not row.acked_offset == row.committed_offset == len(part):
            yield f"partition {partition} ends at {len(part)}; decided up to {row.committed_offset}, acknowledged up to {row.acked_offset}"
    if tables.pending:
        yield f"{len(tables.pending)} publications are still pending"
    if waiting := ({queued.message.symbol for queued in tables.queue.values()} | tables.parked.keys()) - set(held):
        yield f"symbols still wait: {sorted(waiting)}"
