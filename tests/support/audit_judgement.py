"""Judges the audit log of a finished run: every record of the topic is one entry, whatever happened to those who write it, and the log verifies.

>>> settle_audit(log, 60)  # until nothing of the topic is left to be logged and all of it is witnessed
>>> judge_audit(log)  # raises AssertionError with every finding

What the records tell is the other judge's affair (:mod:`tests.support.checker`), which holds them to the events. Here the log is held to them, and to the tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from corpactions.auditing.report import Report, Request
from corpactions.auditing.verification import verify_log
from corpactions.domain.audit.batch import parse_offsets
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import Content, Entry
from corpactions.domain.errors import Unavailable
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.registry import Registry
from corpactions.persistence.bulk import uuid_text
from corpactions.ports.records import Record
from corpactions.serde.audit import AuditCodec
from corpactions.settings import Settings
from corpactions.system import SystemClock
from tests.support.auditing import Auditing
from tests.support.evidence import letter_of

_SHOWN = 15
_PEACEFUL = frozenset({"LOG_OPENED", "KEY_ADDED"})
"""What a log says of itself when nobody contradicts himself and everything can be read."""
_ASKED = ("checkpoints", "topic", "witness", "guards")


class AuditCounts(NamedTuple):
    """What there was to judge. ``epochs`` counts how often a writer began, ``copies`` the records of the topic that repeat an earlier one."""

    entries: int
    batches: int
    epochs: int
    copies: int


class _Case(NamedTuple):
    """The log's entries in order, and by record id all records of the topic with what they tell."""

    entries: list[Entry]
    topic: Mapping[str, list[tuple[Record, Content]]]


def settle_audit(log: Auditing, seconds: float) -> None:
    """Wait until the topic holds nothing that is not logged, and a witnessed checkpoint covers the log."""
    inspector, topic = Inspector(log.made.endpoints["kafka"]), log.made.topic("audit")

    def logged() -> bool:
        with suppress(Unavailable):  # a broker that has just come back may not know its own ends yet
            return _reached(log, inspector.end_offsets(topic, 5.0))
        return False

    log.made.wait(f"every record of the audit topic is logged\n{log.logs()}", logged, seconds)
    log.wait_for_witness(log.size, seconds)


def judge_audit(log: Auditing) -> AuditCounts:
    """Compare topic, entries, tables and witness. To be called when nothing moves any more."""
    records, report = log.made.records("audit"), _verified(log)
    content = _codec(log).content
    case = _Case([parse(body) for body in log.bodies()], _by_id(records, content))
    found = [*_report(report), *_entries(case), *_tables(log, case)]
    shown = "\n  ".join(found[:_SHOWN])
    assert not found, f"{len(found)} findings in the audit log:\n  {shown}\n{log.logs()}"
    epochs = log.rows("SELECT COUNT(*) FROM audit_epochs")[0][0]
    return AuditCounts(len(case.entries), report.batches, epochs, len(records) - len(case.topic))


def _reached(log: Auditing, ends: Mapping[int, int]) -> bool:
    """Whether the newest batch's offsets are the topic's ends. Repetitions at the end of a partition move none; they are looked at one by one."""
    newest = log.rows("SELECT offsets FROM audit_batches ORDER BY first_seq DESC LIMIT 1")
    offsets = parse_offsets(bytes(newest[0][0]).decode()) if newest else {}
    if all(offsets.get(partition, 0) >= end for partition, end in ends.items()):
        return True
    left = [record for record in log.made.records("audit") if record.offset >= offsets.get(record.partition, 0)]
    return _by_id(left, _codec(log).content).keys() <= {row[0] for row in log.rows("SELECT record_id FROM audit_entries")}


def _verified(log: Auditing) -> Report:
    environment = log.made.environment("ca_operator") | log.settings
    values = {name[3:].lower(): value for name, value in environment.items() if name.startswith("CA_")}
    known = {name: value for name, value in values.items() if name in Settings.model_fields}
    return verify_log(Settings.model_validate(known), Request(trusted=log.key), lambda _more, _total: None)


def _report(report: Report) -> Iterator[str]:
    """The product's own verification, with everybody asked."""
    for finding in report.findings:
        yield f"verify: {finding.check} found by {finding.found_by} at {finding.place}: {finding.detail}"
    for name in _ASKED:
        if name in report.missing or name not in report.sources:
            yield f"verify: the source {name} did not answer: {report.sources.get(name)}"
    if not report.pinned or report.witnessed != report.size or report.end != report.size:
        yield f"verify: pinned {report.pinned}; of {report.size} entries {report.end} were verified and {report.witnessed} are witnessed"


def _entries(case: _Case) -> Iterator[str]:
    """Every record of the topic is one entry: with its content, from its first copy; and nothing else is told."""
    logged: dict[str, Entry] = {}
    for entry in case.entries:
        name = entry.content.record_id
        if name in logged:
            yield f"entry: {name} is entry {logged[name].seq} and entry {entry.seq}"
        logged[name] = entry
        if entry.source is None:
            if entry.content.action not in _PEACEFUL:
                yield f"entry: {entry.seq} is {entry.content.action} without a source"
        elif name not in case.topic:
            yield f"entry: {entry.seq} ({name}) tells of no record of the topic: {entry.content.action} {entry.content.detail}"
        else:
            first, content = min(case.topic[name], key=lambda item: item[0].offset)
            if (entry.source.partition, entry.source.offset) != (first.partition, first.offset):
                yield f"entry: {entry.seq} ({name}) is of {entry.source}, and its first record is {first.position}"
            if entry.content != content:
                yield f"entry: {entry.seq} ({name}) tells something else than its record {first.position}"
    for name in case.topic.keys() - logged.keys():
        yield f"entry: the record {name} is in no entry"


def _tables(log: Auditing, case: _Case) -> Iterator[str]:
    """Every revision of every event and every rejection is an entry."""
    logged = {entry.content.record_id for entry in case.entries}
    revisions = {
        f"{uuid_text(event_id)}:{revision}"
        for event_id, newest in log.rows("SELECT event_id, revision FROM events")
        for revision in range(1, newest + 1)
    }
    for name in sorted(revisions - logged):
        yield f"table: revision {name} is in no entry"
    rejected = {str(letter.original) for letter in map(letter_of, log.made.letters()) if letter.revision == 0}
    told = {_cause(entry) for entry in case.entries if entry.content.action == "REJECTED"}
    for name in sorted(rejected - told):
        yield f"table: the rejection of {name} is in no entry"
    others = {entry.content.record_id for entry in case.entries if entry.source} - revisions - rejected
    for name in sorted(others):
        yield f"table: the entry {name} tells of no revision and no rejection"


def _cause(entry: Entry) -> str:
    cause = entry.content.detail["cause"]
    return f"{cause['topic']}:{cause['partition']}:{cause['offset']}"


def _codec(log: Auditing) -> AuditCodec:
    registry = Registry(log.made.endpoints["registry"], SystemClock())
    return AuditCodec(registry, registry.latest_id(f"{log.made.topic('audit')}-value"))


def _by_id(records: list[Record], content_of: Callable[[bytes | None], Content]) -> Mapping[str, list[tuple[Record, Content]]]:
    found: dict[str, list[tuple[Record, Content]]] = defaultdict(list)
    for record in records:
        content = content_of(record.value)
        found[content.record_id].append((record, content))
    return found
