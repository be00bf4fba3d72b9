"""Judges a finished run from its evidence alone: what the events topic holds, against what the tables and the other topics make of it.

Each check is named after what it keeps, and a finding starts with that name, so that a test may expect a certain one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from corpactions.domain.audit.records import Action, AuditRecord, BatchSummary
from corpactions.domain.identity import content_sha256
from corpactions.domain.messages import DECISIONS, Position, VersionRef
from corpactions.domain.terms import Dividend, StockSplit
from corpactions.ports.records import Record
from tests.support import model
from tests.support.evidence import EventRow, Evidence, Letter, letter_of
from tests.support.expected import Expected, ExpectedEvent, Verdict

Acked = tuple[str, VersionRef]


class Counts(NamedTuple):
    """What was judged, for a test to see that there was something."""

    records: int
    events: int
    statuses: dict[str, int]
    letters: int
    audit_records: int
    summaries: int


@dataclass
class Circumstances:
    """What a run was like.

    Args:
        acked: versions of events whose senders were told that they are accepted.
        failing: symbols whose look-ups fail, so that their events may stand anywhere between PENDING and FAILED.
        parked: symbols that may still wait.
        refused: ids of events whose terms contradict the security master.
        unstorable: ids of events whose rows the database refuses.
        contested: ids of events that were announced in several partitions, whose order nothing tells.
    """

    acked: Iterable[Acked] = ()
    failing: Collection[str] = ()
    parked: Collection[str] = ()
    refused: Collection[str] = ()
    unstorable: Collection[str] = ()
    contested: Collection[str] = ()


@dataclass
class _Case:
    """The evidence, decoded once."""

    evidence: Evidence
    around: Circumstances
    expected: Expected
    topic: dict[Position, Record]
    letters: list[Letter]
    audit: dict[str, list[tuple[Record, AuditRecord]]]
    summaries: dict[tuple[int, int], list[tuple[Record, BatchSummary]]] = field(default_factory=lambda: defaultdict(list))


def findings(evidence: Evidence, around: Circumstances) -> tuple[list[str], Counts]:
    """Everything that is wrong, each as ``check: what``, and what there was to judge."""
    case = _open(evidence, around)
    found = [f"{check.__name__.strip('_')}: {finding}" for check in _CHECKS for finding in check(case)]
    counts = Counts(
        len(case.topic),
        len(evidence.rows),
        dict(Counter(row.status for row in evidence.rows.values())),
        len({letter[:2] for letter in case.letters}),
        len(case.audit),
        len(case.summaries),
    )
    return found, counts


def _open(evidence: Evidence, around: Circumstances) -> _Case:
    audit: dict[str, list[tuple[Record, AuditRecord]]] = defaultdict(list)
    for record in evidence.audit:
        told = evidence.decoders.audit(record.value)
        audit[told.record_id].append((record, told))
    discards = {
        told.position: VersionRef(told.origin, told.version)
        for (_, told), *_ in audit.values()
        if told.action is Action.DISCARDED and told.position is not None and told.origin is not None and told.version is not None
    }
    decode, partitions = evidence.decoders.message, evidence.partitions
    expected = Expected(evidence.events, decode, around.refused, around.unstorable, discards, partitions)
    letters = [letter_of(record) for record in evidence.letters]
    case = _Case(evidence, around, expected, {record.position: record for record in evidence.events}, letters, audit)
    for record in evidence.summaries:
        summary = evidence.decoders.summary(record.value)
        case.summaries[summary.partition, summary.summary_seq].append((record, summary))
    return case


def _acknowledged(case: _Case) -> Iterator[str]:
    there = {(verdict.message.event_id, verdict.message.ref) for verdict in case.expected.verdicts.values() if verdict.message is not None}
    for event_id, ref in case.around.acked:
        if (event_id, ref) not in there:
            yield f"version {ref} of {event_id} was acknowledged and is not on the topic"


def _verdicts(case: _Case) -> Iterator[str]:
    """Each record was decided as it must be, and once."""
    rejected = {letter.original for letter in case.letters if letter.revision == 0}
    for position, verdict in case.expected.verdicts.items():
        if verdict.message is not None and verdict.message.event_id in case.around.contested:
            continue
        if position in case.evidence.queued:
            if position in rejected:
                yield f"{position} waits in a queue and was rejected as well"
            continue
        if verdict.kind == "rejected" and position not in rejected:
            yield f"{position} must be rejected and has no letter"
        elif verdict.kind in {"filed", "duplicate"}:
            if position in rejected:
                codes = [letter.code for letter in case.letters if letter.original == position]
                yield f"{position} must be {verdict.kind} and was rejected: {codes}"
            else:
                yield from _is_filed(case, position, verdict)


def _is_filed(case: _Case, position: Position, verdict: Verdict) -> Iterator[str]:
    message = verdict.message
    assert message is not None
    found = case.evidence.versions.get(message.event_id, {}).get(message.ref)
    if found is None:
        yield f"{position}: version {message.ref} of {message.event_id} is not filed"
        return
    digest, revision = found
    if digest != content_sha256(message):
        yield f"{position}: version {message.ref} of {message.event_id} was filed with other content"
    if verdict.kind == "filed":
        told = case.audit.get(f"{message.event_id}:{revision}")
        if told and told[0][1].position != position:
            yield f"{position}: version {message.ref} of {message.event_id} was filed from {told[0][1].position}, not from its first record"


def _letters(case: _Case) -> Iterator[str]:
    """Each letter carries a record of the topic byte for byte, its copies are the same, and every failure has one."""
    copies: dict[tuple[Position, int], Record] = {}
    for letter in case.letters:
        original = case.topic.get(letter.original)
        name = f"the letter of {letter.original} at revision {letter.revision}"
        if original is None:
            yield f"{name} names no record"
            continue
        sent = letter.record
        if letter.code != "record_too_large" and (sent.key, sent.value, sent.headers[: len(original.headers)]) != (
            original.key,
            original.value,
            original.headers,
        ):
            yield f"{name} does not carry the original bytes"
        if sent.partition != original.partition:
            yield f"{name} is in partition {sent.partition}"
        first = copies.setdefault((letter.original, letter.revision), sent)
        if first.headers != sent.headers:
            yield f"{name} has copies that differ"
    there = {
        f"{verdict.message.event_id}:{letter.revision}"
        for letter in case.letters
        if (verdict := case.expected.verdicts.get(letter.original)) is not None and verdict.message is not None
    }
    for record_id, told in case.audit.items():
        if told[0][1].action is Action.FAILED and record_id not in there:
            yield f"the failure that {record_id} tells of has no letter"


def _events(case: _Case) -> Iterator[str]:
    """Each event stands where its messages leave it; there is no other."""
    evidence, wanted = case.evidence, case.expected.events
    held_back = {
        verdict.message.event_id for position in evidence.queued if (verdict := case.expected.verdicts[position]).message is not None
    }
    held_back |= set(case.around.contested)
    for event_id in (evidence.rows.keys() ^ wanted.keys()) - held_back:
        yield f"event {event_id} " + ("has a row and no message" if event_id in evidence.rows else "has messages and no row")
    for event_id, row in evidence.rows.items():
        if (event := wanted.get(event_id)) is not None and event_id not in held_back:
            for finding in (*_outcome(case, event_id, row, event), *_effects(case, event_id, row)):
                yield f"event {event_id} ({row.symbol}): {finding}"


def _outcome(case: _Case, event_id: str, row: EventRow, event: ExpectedEvent) -> Iterator[str]:
    open_ended = (event.discarded and row.status == "FAILED") or row.symbol in case.around.failing
    if row.status != event.status and not open_ended:
        yield f"is {row.status}, must be {event.status}"
    if row.status not in {"COMPLETED", "CANCELLED", "FAILED"} and row.symbol not in case.around.parked:
        yield f"is left at {row.status}"
    if row.ref != event.current:
        yield f"is at version {row.ref}, must be at {event.current}"
    if row.cancel_function != event.cancelled:
        yield f"has cancel function {row.cancel_function}, must have {event.cancelled}"
    if row.terms_json != event.terms_json():
        yield f"shows terms {row.terms_json}, must show {event.terms_json()}"
    stored = case.evidence.versions.get(event_id, {})
    if stored.keys() != event.filed.keys():
        yield f"has versions {sorted(stored)}, must have {sorted(event.filed)}"
    if row.status == "COMPLETED" and row.effect is not None and row.effect.ref in event.filed:
        terms = event.filed[row.effect.ref][0].terms
        if isinstance(terms, Dividend | StockSplit) and model.net_of_fields(row.effect.fields) != model.net_of(terms):
            yield f"has the effect {row.effect.fields}, and its terms are {terms}"


def _effects(case: _Case, event_id: str, row: EventRow) -> Iterator[str]:
    """What was posted before is reversed by a linked row, and what is in force comes from the version in force."""
    past = case.evidence.effects.get(event_id, [])
    posted = {effect.number: effect.content for effect in past if effect.kind == "POST"}
    reversed_ = {effect.reverses: effect.content for effect in past if effect.kind == "REVERSAL"}
    if posted != reversed_:
        yield f"posted {sorted(posted)} and reversed {sorted(reversed_, key=str)}"
    if [effect.number for effect in past] != list(range(1, len(past) + 1)):
        yield f"its effects are numbered {[effect.number for effect in past]}"
    effect = row.effect
    if row.status == "CANCELLED" and effect is not None:
        yield "is cancelled and has an effect in force"
    if row.status == "COMPLETED":
        if effect is None:
            yield "is completed without an effect"
        elif (effect.ref, effect.number) != (row.ref, len(past) + 1):
            yield f"has effect {effect.number} of {effect.ref} in force"


def _audit(case: _Case) -> Iterator[str]:
    """Each revision has its record, all copies the same, and nothing else is told."""
    wanted: dict[str, bytes | None] = {}
    for event_id, row in case.evidence.rows.items():
        before = case.evidence.transitions.get(event_id, {})
        if sorted(before) != list(range(1, row.revision)):
            yield f"event {event_id} is at revision {row.revision} and keeps {sorted(before)}"
        wanted |= {f"{event_id}:{revision}": told for revision, told in before.items()}
        wanted[f"{event_id}:{row.revision}"] = row.record
        made = sorted(revision for _, revision in case.evidence.versions.get(event_id, {}).values())
        if len(set(made)) != len(made):
            yield f"event {event_id}: two versions were filed by one revision: {made}"
    failed_rows = {
        told[0][1].position for record_id, told in case.audit.items() if record_id in wanted and told[0][1].action is Action.REJECTED
    }
    wanted |= {str(letter.original): None for letter in case.letters if letter.revision == 0 and letter.original not in failed_rows}
    for record_id in wanted.keys() ^ case.audit.keys():
        yield f"record {record_id} " + ("is missing" if record_id in wanted else "tells of nothing that happened")
    for record_id, copies in case.audit.items():
        values = {record.value for record, _ in copies} | {wanted.get(record_id) or copies[0][0].value}
        if len(values) > 1:
            yield f"record {record_id} has {len(values)} contents"
        if any(record.key != told.resource.encode() for record, told in copies):
            yield f"record {record_id} is not keyed by its resource"


def _order(case: _Case) -> Iterator[str]:
    """Order per symbol: without a retry in between, what stands later on the topic was decided later; per event always."""
    by_symbol: dict[str, list[tuple[int, AuditRecord]]] = defaultdict(list)
    by_event: dict[str, list[tuple[int, int]]] = defaultdict(list)
    retried: set[str | None] = set()
    decided: set[str] = set()
    for copies in case.audit.values():
        told = copies[0][1]
        if told.position is None or told.symbol is None or told.revision is None:
            continue
        by_event[told.resource].append((told.revision, told.position.offset))
        by_symbol[told.symbol].append((told.position.offset, told))
        if told.action in {Action.RETRY_SCHEDULED, Action.FAILED}:
            retried.add(told.symbol)
        if told.function in DECISIONS:
            decided.add(told.resource)
    for symbol, items in by_symbol.items():
        times = [
            case.evidence.decided_at(told)
            for _, told in sorted(items, key=lambda item: (item[0], item[1].revision or 0))
            if told.action is not Action.REJECTED
        ]
        if symbol not in retried and times != sorted(times):
            yield f"records of {symbol} were not decided in the order of the topic"
    for resource, steps in by_event.items():
        # A timed retry tells of the record whose version it tries again, so only the first time that a record appears counts.
        offsets = list(dict.fromkeys(offset for _, offset in sorted(steps)))
        if resource not in decided and offsets != sorted(offsets):
            yield f"{resource} was changed in the order of offsets {offsets}"


def _summaries(case: _Case) -> Iterator[str]:
    """Summaries are numbered without a gap, their copies are the same, and added up once each they give the table."""
    counts: Counter[tuple[Any, str, str]] = Counter()
    records: Counter[int] = Counter()
    rejected = 0
    wanted = {(partition, number) for partition, row in case.evidence.progress.items() for number in range(1, row.summary_seq + 1)}
    for partition, number in sorted(wanted ^ case.summaries.keys()):
        yield f"summary {partition}/{number} " + ("is missing" if (partition, number) in wanted else "was never written")
    for (partition, number), copies in case.summaries.items():
        if len({record.value for record, _ in copies}) > 1:
            yield f"summary {partition}/{number} has copies that differ"
        summary = copies[0][1]
        records[partition] += summary.records
        rejected += summary.rejected
        for delta in summary.deltas:
            counts[delta.minute, delta.event_type, delta.status] += delta.count
    rows = case.evidence.rows.values()
    table = Counter((row.created_at.replace(second=0, microsecond=0), str(row.event_type), str(row.status)) for row in rows)
    if +counts != table or any(count < 0 for count in counts.values()):
        yield f"they add up to {dict(+counts - table)} too many and {dict(table - counts)} too few"
    there = Counter(position.partition for position in case.topic)
    if +records != there:
        yield f"they count {dict(records)} records, the topic holds {dict(there)}"
    letters = len({letter.original for letter in case.letters if letter.revision == 0})
    if rejected != letters:
        yield f"they count {rejected} rejections, and there are letters of {letters}"


def _progress(case: _Case) -> Iterator[str]:
    """Everything was decided and acknowledged, and nothing waits that should not."""
    ends: Counter[int] = Counter()
    for position in case.topic:
        ends[position.partition] = max(ends[position.partition], position.offset + 1)
    for partition, row in case.evidence.progress.items():
        if not row.acked == row.committed == ends[partition]:
            yield f"partition {partition} ends at {ends[partition]}; decided up to {row.committed}, acknowledged up to {row.acked}"
    for partition in ends.keys() - case.evidence.progress.keys():
        yield f"partition {partition} holds records and has no progress"
    if case.evidence.pending:
        yield f"{case.evidence.pending} publications are still pending"
    if left := case.evidence.waiting - set(case.around.parked):
        yield f"symbols still wait: {sorted(left)}"


_CHECKS = (_acknowledged, _verdicts, _letters, _events, _audit, _order, _summaries, _progress)
