"""What an audit log is compared with outside of its own tables: the witness, the checkpoints topic, the audit topic, and MySQL's guards.

Each source is asked for itself. One that does not answer is told as such; it never makes the others fail, and never passes for one that agreed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from corpactions.bootstrap.audit_writer import build_audit_codec
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import Content
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.merkle import root_at
from corpactions.domain.audit.notes import Checkpoint
from corpactions.domain.audit.offsets import Runs, Span, gaps
from corpactions.domain.audit.ranges import CheckpointNote
from corpactions.domain.audit.tiles import TileTree
from corpactions.domain.errors import Rejected, Unavailable
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.reader import BEGINNING, TopicReader
from corpactions.kafka.topics import AUDIT, AUDIT_CHECKPOINTS
from corpactions.persistence.audit_reading import AuditReader
from corpactions.ports.records import Record
from corpactions.ports.witness import Witness
from corpactions.security.published import read_key
from corpactions.security.witness import WitnessClient
from corpactions.settings import Settings
from corpactions.system import SystemClock

KAFKA_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 3.0
"""A topic that gives nothing for so long has nothing more below its end: compaction leaves offsets without a record."""
_AT_ONCE: Final = 500
_NEAR: Final = 1_000
"""Offsets that are read in the time that beginning to read takes."""
_TAIL: Final = 10_000
"""Most records behind the newest batch that are looked at one by one."""
_REACH: Final = 10_000
"""How many entries back a witness's checkpoint is looked for first; it signs one at least every thousand."""


class Accounted(NamedTuple):
    """What became of the audit topic's records: checked in all, repetitions among them, and not logged yet."""

    records: int
    repetitions: int
    waiting: int


def witness_of(settings: Settings) -> WitnessClient:
    """The witness of the settings. With its key unknown, what it says is taken as it comes, over a connection that anybody may have answered."""
    key = read_key(settings.witness_vkey, "CA_WITNESS_VKEY")
    return WitnessClient(settings.witness_url, [] if key is None else [key.vkey])


def witnessed(witness: Witness, origin: str) -> list[CheckpointNote]:
    """The newest checkpoint that the witness has cosigned; nothing when it knows no such log. Raises Unavailable."""
    newest = witness.newest(origin)
    return [] if newest is None else [CheckpointNote("witness", Checkpoint.parse(newest.text).size, newest.encode(), cosigned=True)]


def witnessed_within(witness: Witness, origin: str, size: int) -> list[CheckpointNote]:
    """The witness's largest checkpoint of at most ``size`` entries, for a log that is shorter than the witness knows it. Raises Unavailable."""
    found: list[CheckpointNote] = []
    reach = _REACH
    while not found and reach < size * _REACH:
        notes = witness.between(origin, max(1, size - reach), size)
        found = [CheckpointNote("witness", Checkpoint.parse(note.text).size, note.encode(), cosigned=True) for note in notes][-1:]
        reach *= 100
    return found


def first_difference(witness: Witness, origin: str, tree: TileTree, differs: int) -> tuple[int, int]:
    """Between which two sizes witness and log part: the largest size found at which they agree (0 for none), the smallest at which they differ.

    Args:
        witness: it.
        origin: the log's name.
        tree: the log's tree.
        differs: a size at which they differ.

    Raises:
        Unavailable: the witness does not answer.
    """
    low, high = 0, differs
    while low + 1 < high:
        middle = (low + high) // 2
        note = next(witness.between(origin, middle, high - 1), None) or next(witness.between(origin, low + 1, middle - 1), None)
        if note is None:
            break
        checkpoint = Checkpoint.parse(note.text)
        same = checkpoint.size <= tree.size and root_at(checkpoint.size, tree.node) == checkpoint.root
        low, high = (checkpoint.size, high) if same else (low, checkpoint.size)
    return low, high


def published(settings: Settings, origin: str, found: Findings) -> list[CheckpointNote]:
    """All checkpoints of a log on their topic. Raises Unavailable, or Fatal when there is no such topic."""
    topic = settings.topic(AUDIT_CHECKPOINTS)
    notes: dict[int, CheckpointNote] = {}
    for record in _read(settings, topic, _ends(settings, topic), None):
        name, _, size = (record.key or b"").decode(errors="replace").rpartition(":")
        if name != origin or not size.isdigit():
            continue
        if record.value is None:
            found.add("checkpoint", f"checkpoint {size}", "it was deleted from its topic", seq=int(size), found_by="topic")
        else:
            notes[int(size)] = CheckpointNote("topic", int(size), record.value, cosigned=None)
    return [notes[size] for size in sorted(notes)]


class Logged(NamedTuple):
    """What a log says of the audit topic: the records that entries stand for, and by partition from where and up to where all are accounted for."""

    runs: Runs
    begin: Mapping[int, int]
    reached: Mapping[int, int]


def account(settings: Settings, reader: AuditReader, log: Logged, found: Findings) -> Accounted:
    """Compare a log with the audit topic: every record that the log says it has dealt with is an entry, or repeats one.

    Raises:
        Unavailable: Kafka or the registry does not answer.
        Fatal: there is no such topic.
    """
    topic = settings.topic(AUDIT)
    ends = _ends(settings, topic)
    records, missing = 0, []
    for partition, upto in log.reached.items():
        begin = log.begin.get(partition, 0)
        records += max(0, upto - begin)
        missing += [(partition, span) for span in gaps(log.runs.get((topic, partition), []), begin, upto)]
        if ends.get(partition, 0) < upto:
            detail = f"the log holds records up to here, but the topic ends at {ends.get(partition, 0)}: it was cut, or made anew"
            found.add("gap", f"partition {partition} offset {upto}", detail, found_by="topic")
    repetitions = _Repetitions(settings, reader, found).count(missing) if missing else 0
    tail = {partition: end for partition, end in ends.items() if end > log.reached.get(partition, 0)}
    waiting = sum(end - log.reached.get(partition, 0) for partition, end in tail.items())
    # Repetitions move the offsets on only with the next entry, so some of these may be as logged as they will ever be.
    if 0 < waiting <= _TAIL:
        positions = {partition: log.reached.get(partition, 0) for partition in tail}
        waiting -= _Repetitions(settings, reader, found).among(_read(settings, topic, tail, positions))
    return Accounted(records, repetitions, waiting)


def _neighbours(missing: Sequence[tuple[int, Span]]) -> Iterator[tuple[int, list[Span]]]:
    """Spans of one partition that are near each other: reading what lies between is cheaper than beginning to read anew."""
    group: list[Span] = []
    partition = -1
    for number, span in missing:
        if group and (number != partition or span.first - group[-1].end > _NEAR):
            yield partition, group
            group = []
        partition = number
        group.append(span)
    if group:
        yield partition, group


class _Repetitions:
    """Looks at records that no entry stands for: those that repeat an entry rightly add nothing."""

    def __init__(self, settings: Settings, reader: AuditReader, found: Findings) -> None:
        self._settings = settings
        self._topic = settings.topic(AUDIT)
        self._reader = reader
        self._found = found
        self._codec = build_audit_codec(settings, SystemClock())

    def count(self, missing: Sequence[tuple[int, Span]]) -> int:
        """How many of these records repeat an entry; the others are findings."""
        return sum(self._count_in(partition, spans) for partition, spans in _neighbours(missing))

    def _count_in(self, partition: int, spans: Sequence[Span]) -> int:
        """The same for spans of one partition that are read in one go."""
        stream = _read(self._settings, self._topic, {partition: spans[-1].end}, {partition: spans[0].first})
        firsts = [span.first for span in spans]
        read, good = [0] * len(spans), 0
        while some := list(islice(stream, _AT_ONCE)):
            wanted = []
            for record in some:
                place = bisect_right(firsts, record.offset) - 1
                if record.offset < spans[place].end:
                    read[place] += 1
                    wanted.append(record)
            good += self._check(wanted)
        for span, found in zip(spans, read, strict=True):
            if gone := span.end - span.first - found:
                detail = f"no entry stands for the records up to offset {span.end - 1}, and the topic no longer holds {gone} of them"
                self._found.add("gap", f"partition {partition} offset {span.first}", detail, found_by="topic")
        return good

    def among(self, records: Iterator[Record]) -> int:
        """How many of these records repeat an entry. The others have their entries yet to come."""
        good = 0
        while some := list(islice(records, _AT_ONCE)):
            told = [content for record in some if (content := _content(self._codec.content, record)) is not None]
            known = self._reader.find({content.record_id for content in told})
            good += sum(_same(known[content.record_id][2], content) for content in told if content.record_id in known)
        return good

    def _check(self, records: Sequence[Record]) -> int:
        told = [_content(self._codec.content, record) for record in records]
        own = [{f"{kind}:{record.position}" for kind in ("conflict", "unreadable")} for record in records]
        known = self._reader.find({content.record_id for content in told if content is not None}.union(*own))
        good = 0
        for record, content, names in zip(records, told, own, strict=True):
            entry = None if content is None else known.get(content.record_id)
            if names & known.keys() or (entry is not None and _same(entry[2], content)):
                good += 1
                continue
            name = "cannot be read" if content is None else f"has the id {content.record_id[:120]}"
            detail = f"no entry stands for this record, which {name} and repeats none"
            self._found.add("gap", f"partition {record.partition} offset {record.offset}", detail, found_by="topic")
        return good


def _content(content_of: Callable[[bytes | None], Content], record: Record) -> Content | None:
    try:
        return content_of(record.value)
    except Rejected:
        return None


def _same(body: bytes, content: Content | None) -> bool:
    try:
        return parse(body).content == content
    except ValueError:
        return False


def _ends(settings: Settings, topic: str) -> dict[int, int]:
    return Inspector(settings.kafka_bootstrap).end_offsets(topic, KAFKA_SECONDS)


def _read(settings: Settings, topic: str, ends: Mapping[int, int], begin: Mapping[int, int] | None) -> Iterator[Record]:
    """The records below ``ends``, from ``begin`` on, or from the beginning."""
    left = {partition for partition, end in ends.items() if end > 0}
    if not left:
        return
    positions = {partition: BEGINNING if begin is None else begin[partition] for partition in left}
    with TopicReader(settings.kafka_bootstrap, topic, positions) as reader:
        while left:
            records = reader.read(_SILENCE_SECONDS)
            if not records:
                raise Unavailable(
                    "kafka", f"{topic} gave nothing for {_SILENCE_SECONDS:g} s, and partitions {sorted(left)} are not read to their ends"
                )
            for record in records:
                if record.offset >= ends[record.partition] - 1:
                    left.discard(record.partition)
                if record.offset < ends[record.partition]:
                    yield record
