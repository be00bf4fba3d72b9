"""Judges a finished run from durable state alone: what the events topic holds, against what MySQL and the other topics make of it.

>>> judge(product)  # raises AssertionError with every finding
>>> judge(product, acked=...)  # and each of these versions, acknowledged to its sender, is on the topic

To be called when nothing moves any more (:meth:`tests.support.product.Product.settle`).
"""

from __future__ import annotations

import json
import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from corpactions.domain.audit import Action, AuditRecord, BatchSummary
from corpactions.domain.identity import content_sha256
from corpactions.domain.messages import DECISIONS, Position, VersionRef
from corpactions.domain.terms import EventType, from_json, to_json
from corpactions.kafka.registry import Registry
from corpactions.persistence.bulk import uuid_text
from corpactions.ports.records import Record
from corpactions.serde.audit import AuditCodec
from corpactions.serde.summaries import SummaryCodec
from corpactions.system import SystemClock
from tests.support.expected import Expected, ExpectedEvent, Verdict
from tests.support.product import Product

SHOWN = 15
"""Findings in one message: the first ones tell enough."""
_EVENTS = (
    "event_id, event_type, symbol, origin, version, revision, version_revision, older_versions, status, cancel_function, payload, effect,"
    " attempts, content_sha256, record, created_at"
)


Acked = tuple[str, VersionRef]


class Letter(NamedTuple):
    """A dead letter, with the original that it names and the event's revision at the failure."""

    original: Position
    revision: int
    code: str
    record: Record


class Counts(NamedTuple):
    """What was judged, for a test to see that there was something."""

    records: int
    events: int
    statuses: dict[str, int]
    letters: int
    audit_records: int
    summaries: int


@dataclass
class _State:
    """Everything durable, read once."""

    product: Product
    failing: Collection[str]
    parked: Collection[str]
    expected: Expected
    topic: dict[Position, Record]
    letters: list[Letter]
    audit: dict[str, list[tuple[Record, AuditRecord]]]
    summaries: dict[tuple[int, int], list[tuple[Record, BatchSummary]]]
    rows: dict[str, dict[str, Any]]
    versions: dict[str, dict[VersionRef, tuple[bytes, int]]] = field(default_factory=lambda: defaultdict(dict))
    """Per event and version: content hash and the revision that it made, the current version included."""
    transitions: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    queued: set[Position] = field(default_factory=set)


def judge(
    product: Product,
    *,
    acked: Iterable[Acked] = (),
    failing: Collection[str] = (),
    parked: Collection[str] = (),
    refused: Collection[str] = (),
) -> Counts:
    """Compare everything with everything.

    Args:
        product: a settled one.
        acked: versions of events whose senders were told that they are accepted.
        failing: symbols whose look-ups fail, so that their events may stand anywhere between PENDING and FAILED.
        parked: symbols that may still wait.
        refused: ids of events whose terms contradict the security master.
    """
    state = _read(product, failing, parked, refused)
    checks = (_acked(state, acked), *(check(state) for check in (_verdicts, _letters, _events, _audit, _order, _summaries, _progress)))
    findings = [finding for check in checks for finding in check]
    shown = "\n  ".join(findings[:SHOWN])
    assert not findings, f"{len(findings)} findings:\n  {shown}\n{product.logs()}"
    return Counts(
        len(state.topic),
        len(state.rows),
        dict(Counter(row["status"] for row in state.rows.values())),
        len({letter[:2] for letter in state.letters}),
        len(state.audit),
        len(state.summaries),
    )


def _read(product: Product, failing: Collection[str], parked: Collection[str], refused: Collection[str]) -> _State:
    records = product.records("events")
    registry = Registry(product.endpoints["registry"], SystemClock())
    audits = AuditCodec(registry, registry.latest_id(f"{product.topic('audit')}-value"))
    summaries = SummaryCodec(registry, registry.latest_id(f"{product.topic('summaries')}-value"))
    state = _State(
        product,
        failing,
        parked,
        Expected(records, product.codec, refused),
        {record.position: record for record in records},
        [_letter(record) for record in product.letters()],
        defaultdict(list),
        defaultdict(list),
        {},
    )
    for record in product.records("audit"):
        told = audits.decode(record.value)
        state.audit[told.record_id].append((record, told))
    for record in product.records("summaries"):
        summary = summaries.decode(record.value)
        state.summaries[summary.partition, summary.summary_seq].append((record, summary))
    _read_tables(product, state)
    return state


def _read_tables(product: Product, state: _State) -> None:
    names = _EVENTS.replace(" ", "").split(",")
    for values in product.sql(f"SELECT {_EVENTS} FROM events"):
        row = dict(zip(names, values, strict=True))
        event_id = uuid_text(row["event_id"])
        state.rows[event_id] = row
        if row["version"] is not None:
            state.versions[event_id][VersionRef(row["origin"], row["version"])] = (row["content_sha256"], row["version_revision"])
    for event_id, origin, version, digest, revision in product.sql(
        "SELECT event_id, origin, version, content_sha256, filed_revision FROM event_versions"
    ):
        state.versions[uuid_text(event_id)].setdefault(VersionRef(origin, version), (digest, revision))
    for event_id, revision, told in product.sql("SELECT event_id, revision, record FROM event_transitions"):
        state.transitions[uuid_text(event_id)][revision] = told
    state.queued = {Position(*values) for values in product.sql("SELECT topic, `partition`, `offset` FROM parked_events")}


def _letter(record: Record) -> Letter:
    headers = dict(record.headers)
    topic, partition, offset, revision, code = (
        headers[name] or b""
        for name in (
            "kafka_dlt-original-topic",
            "kafka_dlt-original-partition",
            "kafka_dlt-original-offset",
            "ca-revision",
            "ca-code",
        )
    )
    position = Position(topic.decode(), struct.unpack(">i", partition)[0], struct.unpack(">q", offset)[0])
    return Letter(position, int(revision), code.decode(), record)


def _acked(state: _State, acked: Iterable[Acked]) -> Iterator[str]:
    there = {(verdict.message.event_id, verdict.message.ref) for verdict in state.expected.verdicts.values() if verdict.message is not None}
    for event_id, ref in acked:
        if (event_id, ref) not in there:
            yield f"version {ref} of {event_id} was acknowledged and is not on the topic"


def _verdicts(state: _State) -> Iterator[str]:
    """Each record was decided as it must be, and once."""
    rejected = {letter.original for letter in state.letters if letter.revision == 0}
    for position, verdict in state.expected.verdicts.items():
        if position in state.queued:
            if position in rejected:
                yield f"{position} waits in a queue and was rejected as well"
            continue
        if verdict.kind == "rejected" and position not in rejected:
            yield f"{position} must be rejected and has no letter"
        elif verdict.kind in {"filed", "duplicate"}:
            if position in rejected:
                codes = [letter.code for letter in state.letters if letter.original == position]
                yield f"{position} must be {verdict.kind} and was rejected: {codes}"
            else:
                yield from _is_filed(state, position, verdict)


def _is_filed(state: _State, position: Position, verdict: Verdict) -> Iterator[str]:
    message = verdict.message
    assert message is not None
    found = state.versions.get(message.event_id, {}).get(message.ref)
    if found is None:
        yield f"{position}: version {message.ref} of {message.event_id} is not filed"
        return
    digest, revision = found
    if digest != content_sha256(message):
        yield f"{position}: version {message.ref} of {message.event_id} was filed with other content"
    if verdict.kind == "filed":
        told = state.audit.get(f"{message.event_id}:{revision}")
        if told and told[0][1].position != position:
            yield f"{position}: version {message.ref} of {message.event_id} was filed from {told[0][1].position}, not from its first record"


def _letters(state: _State) -> Iterator[str]:
    """Each letter carries a record of the topic byte for byte, and its copies are the same."""
    copies: dict[tuple[Position, int], Record] = {}
    for letter in state.letters:
        original = state.topic.get(letter.original)
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


def _events(state: _State) -> Iterator[str]:
    """Each event stands where its messages leave it; there is no other."""
    wanted = state.expected.events
    held_back = {
        verdict.message.event_id for position in state.queued if (verdict := state.expected.verdicts[position]).message is not None
    }
    for event_id in (state.rows.keys() ^ wanted.keys()) - held_back:
        yield f"event {event_id} " + ("has a row and no message" if event_id in state.rows else "has messages and no row")
    for event_id, row in state.rows.items():
        if (event := wanted.get(event_id)) is not None and event_id not in held_back:
            for finding in (*_outcome(state, row, event), *_effects(state, event_id, row)):
                yield f"event {event_id} ({row['symbol']}): {finding}"


def _outcome(state: _State, row: dict[str, Any], event: ExpectedEvent) -> Iterator[str]:
    open_ended = event.decided or row["symbol"] in state.failing
    if row["status"] != event.status and not open_ended:
        yield f"is {row['status']}, must be {event.status}"
    if row["status"] not in {"COMPLETED", "CANCELLED", "FAILED"} and row["symbol"] not in state.parked:
        yield f"is left at {row['status']}"
    current = None if row["version"] is None else VersionRef(row["origin"], row["version"])
    if current != event.current and not event.decided:
        yield f"is at version {current}, must be at {event.current}"
    if row["cancel_function"] != event.cancelled:
        yield f"has cancel function {row['cancel_function']}, must have {event.cancelled}"
    terms = None if row["payload"] is None else to_json(from_json(EventType(row["event_type"]), row["payload"]))
    if terms != event.terms_json() and not event.decided:
        yield f"shows terms {terms}, must show {event.terms_json()}"
    stored = state.versions.get(uuid_text(row["event_id"]), {})
    if stored.keys() != event.filed.keys():
        yield f"has versions {sorted(stored)}, must have {sorted(event.filed)}"


def _effects(state: _State, event_id: str, row: dict[str, Any]) -> Iterator[str]:
    """What was posted before is reversed by a linked row, and what is in force comes from the version in force."""
    past = (
        state.product.sql(
            "SELECT effect_no, kind, reverses_no, effect FROM event_effects WHERE event_id = UNHEX(%s) ORDER BY effect_no",
            event_id.replace("-", ""),
        )
        if row["revision"] > 1
        else []
    )
    posted = {number: effect for number, kind, _, effect in past if kind == "POST"}
    reversed_ = {reverses: effect for _, kind, reverses, effect in past if kind == "REVERSAL"}
    if posted.keys() != reversed_.keys() or any(json.loads(posted[number]) != json.loads(reversed_[number]) for number in posted):
        yield f"posted {sorted(posted)} and reversed {sorted(reversed_)}"
    if [number for number, *_ in past] != list(range(1, len(past) + 1)):
        yield f"its effects are numbered {[number for number, *_ in past]}"
    effect = None if row["effect"] is None else json.loads(row["effect"])
    if row["status"] == "CANCELLED" and effect is not None:
        yield "is cancelled and has an effect in force"
    if row["status"] == "COMPLETED":
        if effect is None:
            yield "is completed without an effect"
        elif (effect["origin"], effect["version"], effect["effect_no"]) != (row["origin"], row["version"], len(past) + 1):
            yield f"has effect {effect['effect_no']} of {effect['origin']}.{effect['version']} in force"


def _audit(state: _State) -> Iterator[str]:
    """Each revision has its record, all copies the same, and nothing else is told."""
    wanted: dict[str, bytes | None] = {}
    for event_id, row in state.rows.items():
        before = state.transitions.get(event_id, {})
        if sorted(before) != list(range(1, row["revision"])):
            yield f"event {event_id} is at revision {row['revision']} and keeps {sorted(before)}"
        wanted |= {f"{event_id}:{revision}": told for revision, told in before.items()}
        wanted[f"{event_id}:{row['revision']}"] = row["record"]
        made = sorted(revision for _, revision in state.versions.get(event_id, {}).values())
        if len(set(made)) != len(made):
            yield f"event {event_id}: two versions were filed by one revision: {made}"
    failed_rows = {
        told[0][1].position for record_id, told in state.audit.items() if record_id in wanted and told[0][1].action is Action.REJECTED
    }
    wanted |= {str(letter.original): None for letter in state.letters if letter.revision == 0 and letter.original not in failed_rows}
    for record_id in wanted.keys() ^ state.audit.keys():
        yield f"audit record {record_id} " + ("is missing" if record_id in wanted else "tells of nothing that happened")
    for record_id, copies in state.audit.items():
        values = {record.value for record, _ in copies} | {wanted.get(record_id) or copies[0][0].value}
        if len(values) > 1:
            yield f"audit record {record_id} has {len(values)} contents"
        if any(record.key != told.resource.encode() for record, told in copies):
            yield f"audit record {record_id} is not keyed by its resource"


def _order(state: _State) -> Iterator[str]:
    """Order per symbol: without a retry in between, what stands later on the topic was decided later; per event always."""
    by_symbol: dict[str, list[tuple[int, AuditRecord]]] = defaultdict(list)
    by_event: dict[str, list[tuple[int, int]]] = defaultdict(list)
    retried: set[str | None] = set()
    decided: set[str] = set()
    for copies in state.audit.values():
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
            told.recorded_at
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


def _summaries(state: _State) -> Iterator[str]:
    """Summaries are numbered without a gap, their copies are the same, and added up once each they give the table."""
    counts: Counter[tuple[Any, str, str]] = Counter()
    records: Counter[int] = Counter()
    rejected = 0
    last = dict(
        state.product.sql("SELECT `partition`, summary_seq FROM partition_progress WHERE topic = %s", state.product.topic("events"))
    )
    wanted = {(partition, number) for partition, seq in last.items() for number in range(1, seq + 1)}
    for partition, number in sorted(wanted ^ state.summaries.keys()):
        yield f"summary {partition}/{number} " + ("is missing" if (partition, number) in wanted else "was never written")
    for (partition, number), copies in state.summaries.items():
        if len({record.value for record, _ in copies}) > 1:
            yield f"summary {partition}/{number} has copies that differ"
        summary = copies[0][1]
        records[partition] += summary.records
        rejected += summary.rejected
        for delta in summary.deltas:
            counts[delta.minute.replace(tzinfo=None), delta.event_type, delta.status] += delta.count
    table = Counter((row["created_at"].replace(second=0, microsecond=0), row["event_type"], row["status"]) for row in state.rows.values())
    if +counts != table or any(count < 0 for count in counts.values()):
        yield f"the summaries add up to {dict(+counts - table)} too many and {dict(table - counts)} too few"
    there = Counter(position.partition for position in state.topic)
    if records != there:
        yield f"the summaries count {dict(records)} records, the topic holds {dict(there)}"
    letters = len({letter.original for letter in state.letters if letter.revision == 0})
    if rejected != letters:
        yield f"the summaries count {rejected} rejections, and there are letters of {letters}"


def _progress(state: _State) -> Iterator[str]:
    """Everything was decided and acknowledged, and nothing waits that should not."""
    ends: Counter[int] = Counter()
    for position in state.topic:
        ends[position.partition] = max(ends[position.partition], position.offset + 1)
    for partition, acked, committed in state.product.sql(
        "SELECT `partition`, acked_offset, committed_offset FROM partition_progress WHERE topic = %s", state.product.topic("events")
    ):
        if not acked == committed == ends[partition]:
            yield f"partition {partition} ends at {ends[partition]}; decided up to {committed}, acknowledged up to {acked}"
    if pending := state.product.sql("SELECT COUNT(*) FROM pending_publications")[0][0]:
        yield f"{pending} publications are still pending"
    waiting = {symbol for (symbol,) in state.product.sql("SELECT symbol FROM parked_symbols UNION SELECT symbol FROM parked_events")}
    if waiting - set(state.parked):
        yield f"symbols still wait: {sorted(waiting - set(state.parked))}"
