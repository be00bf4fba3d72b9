"""Verification of one range of a log: its entries among themselves, and against the batches, tiles and checkpoints that are stored for it.

Entries are fed as rows; ``finish`` settles the rest. A range is verified without anything before it: what links it to its neighbours and to the whole tree is
handed to the joiner (``domain.audit.joining``), so that the ranges of a large log are verified side by side.

Invariant: nothing that is stored is believed for its own sake. When body, tile, link and signed batch root contradict each other, the signed root decides which
of them was changed, and only that one is found at fault, so that one change does not hide another.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from corpactions.domain.audit.batch import parse_offsets
from corpactions.domain.audit.bodies import COLUMNS, Fields, columns_of, fields_of
from corpactions.domain.audit.claims import read_claim
from corpactions.domain.audit.entry import ZERO_LINK, parse_time
from corpactions.domain.audit.findings import Finding, Findings
from corpactions.domain.audit.merkle import HASH_BYTES, root_of
from corpactions.domain.audit.offsets import Place, runs_of
from corpactions.domain.audit.peaks import Peaks
from corpactions.domain.audit.ranges import BatchRow, Claim, Claimed, Range, RangeResult, Rules
from corpactions.domain.audit.settling import settle_batches
from corpactions.domain.audit.tiles import WIDTH

FINDINGS: Final = 50
"""Most findings of each check that one range tells; all are counted."""
_BLOCK_LEVEL: Final = 8
_SHOWN: Final = 3


class RangeVerifier:
    """Verifies one range, see above.

    Args:
        rules: what is taken for granted.
        part: the range and what is stored about it.
    """

    def __init__(self, rules: Rules, part: Range) -> None:
        self._rules = rules
        self._part = part
        self._found = Findings(rules.origin, FINDINGS)
        self._leaves: list[bytes | None] = []
        self._links: dict[int, str] = {}
        self._times: list[tuple[int, str]] = []
        self._sources: defaultdict[Place, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        self._first_link: str | None = None
        self._prev = ZERO_LINK if part.first == 0 else None

    def feed(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take further entries, in order: ``(seq, body)`` or ``(seq, body, *columns)`` with the columns of ``bodies.COLUMNS``, the time as text."""
        leaves, sources, decode, origin = self._leaves, self._sources, self._rules.decode, self._rules.origin
        expected = self._part.first + len(leaves)
        prev, time = self._prev, self._times[-1][1] if self._times else None
        for row in rows:
            seq, data = row[0], row[1]
            if seq != expected:
                if seq < expected:
                    continue  # a primary key gives each number once; a range is read once
                self._missing(expected, seq)
                expected, prev = seq, None
            expected += 1
            leaf = sha256(b"\x00" + data).digest()
            leaves.append(leaf)
            try:
                fields = fields_of(data, decode)
            except ValueError as error:
                self._found.entry("body", seq, f"it cannot be read: {error}")
                prev = leaf.hex()
                continue
            if fields["prev"] != prev:
                self._linked(seq, fields["prev"])
            if fields["seq"] != seq or fields["log"] != origin:
                self._misplaced(seq, fields)
            if seq and fields["action"] == "LOG_OPENED":
                self._found.entry("sequence", seq, "LOG_OPENED stands where no log begins")
            if len(row) > 2 and columns_of(fields) != row[2:]:
                self._columns(seq, fields, row[2:])
            if fields["recorded_at"] != time:
                time = self._moved(seq, fields["recorded_at"], time)
            if (source := fields["source"]) is not None:
                numbers, offsets = sources[source["topic"], source["partition"]]
                numbers.append(seq)
                offsets.append(source["offset"])
            prev = leaf.hex()
        self._prev = prev

    def finish(self) -> RangeResult:
        """All rows were fed: settle what remains, and give what the joiner needs."""
        part = self._part
        self._missing(part.first + len(self._leaves), part.end)
        entries = sum(leaf is not None for leaf in self._leaves)
        for span in part.absent:
            if left := sum(leaf is not None for leaf in self._leaves[span.first - part.first : span.end - part.first]):
                detail = f"{left} entries from {span.first} to {span.end - 1} are there, which were removed"
                self._found.add("removal", f"entry {span.first}", detail, seq=span.first)
        leaves = settle_batches(self._rules, part, self._leaves, self._links, self._found)
        self._check_links(leaves)
        self._check_batch_times()
        self._check_sources()
        blocks = [root_of(leaves[at : at + WIDTH]) for at in range(0, len(leaves) - WIDTH + 1, WIDTH)]
        self._check_tiles(leaves, blocks)
        claims, peaks = self._claims(leaves, blocks)
        return RangeResult(
            part.first,
            part.end,
            bool(part.left),
            peaks.items(),
            claims,
            self._first_link,
            self._times[0][1] if self._times and self._times[0][0] == part.first else None,
            leaves[-1],
            self._times[-1][1] if self._times else None,
            {place: runs_of(offsets) for place, (_, offsets) in self._sources.items()},
            self._last_offsets(),
            self._epochs(),
            entries,
            len(part.batches),
            tuple(self._found.items),
            dict(self._found.counts),
        )

    def _check_sources(self) -> None:
        """What a batch's entries stand for lies before its offsets, and not before those of the batch before."""
        before: Mapping[int, int] = {}
        for batch in self._part.batches:
            reached = _offsets(batch)
            for (topic, partition), (numbers, offsets) in self._sources.items():
                low, high = bisect_left(numbers, batch.first), bisect_left(numbers, batch.size)
                if low < high and not before.get(partition, 0) <= min(offsets[low:high]) <= max(offsets[low:high]) < reached.get(
                    partition, 0
                ):
                    detail = (
                        f"its entries stand for records of {topic} partition {partition} that its offsets and those before do not include"
                    )
                    self._found.add("batch", f"batch {batch.first}", detail, seq=batch.first)
            before = reached or before

    def _missing(self, first: int, end: int) -> None:
        """Entries ``first`` to ``end`` - 1 were not fed."""
        self._leaves += [None] * (end - first)
        for begin, stop in _without(first, end, self._part.absent):
            more = f" and the {stop - begin - 1} after it are" if stop - begin > 1 else " is"
            self._found.entry("sequence", begin, f"entry {begin}{more} missing")

    def _linked(self, seq: int, prev: str) -> None:
        """An entry names another hash than the entry before has, or that one is not known here."""
        if seq == self._part.first:
            self._first_link = prev
            if seq == 0:
                self._found.entry("chain", 0, "the first entry names an entry before it")
        else:
            self._links[seq - 1] = prev

    def _check_links(self, leaves: Sequence[bytes]) -> None:
        first = self._part.first
        for before, link in self._links.items():
            if leaves[before - first].hex() != link:
                detail = f"it names {link[:16]}… as the entry before, whose hash is {leaves[before - first].hex()[:16]}…"
                self._found.entry("chain", before + 1, detail)

    def _misplaced(self, seq: int, fields: Fields) -> None:
        self._found.entry("sequence", seq, f"its body says it is entry {fields['seq']} of {fields['log'][:160]}")

    def _columns(self, seq: int, fields: Fields, columns: Sequence[Any]) -> None:
        pairs = zip(COLUMNS, columns_of(fields), columns, strict=True)
        told = [f"{name} is {stored!r:.80}, the body says {said!r:.80}" for name, said, stored in pairs if said != stored]
        self._found.entry("columns", seq, "; ".join(told))

    def _moved(self, seq: int, text: str, before: str | None) -> str | None:
        """Another time than the entry before has; the time that the next one is compared with."""
        try:
            parse_time(text)
        except ValueError as error:
            self._found.entry("body", seq, f"recorded_at cannot be read: {error}")
            return before
        self._times.append((seq, text))
        if before is not None and text < before:
            self._found.entry("time", seq, f"recorded at {text}, before the entry before it, {before}")
        return text

    def _time_of(self, seq: int) -> str | None:
        """When an entry of the range was recorded; that of the one before where it is absent."""
        at = bisect_right(self._times, seq, key=lambda item: item[0]) - 1
        return self._times[at][1] if at >= 0 else None

    def _check_batch_times(self) -> None:
        """All entries of a batch have the batch's time."""
        for batch in self._part.batches:
            expected = _text(batch.recorded_at)
            at = bisect_right(self._times, batch.first, key=lambda item: item[0]) - 1
            if at < 0 or self._leaves[batch.first - self._part.first] is None:
                at += 1  # of what is not there, nothing is known
            while at < len(self._times) and self._times[at][0] < batch.size:
                seq, time = self._times[at]
                if time != expected:
                    self._found.entry("time", max(seq, batch.first), f"recorded at {time}, its batch at {expected}")
                    break
                at += 1

    def _check_tiles(self, leaves: Sequence[bytes], blocks: Sequence[bytes]) -> None:
        first, stored = self._part.first // WIDTH, self._part.tiles
        for number in range(len(blocks)):
            self._tile(0, first + number, leaves[number * WIDTH : (number + 1) * WIDTH], stored)
        if len(blocks) == WIDTH:
            self._tile(1, first // WIDTH, blocks, stored)
        for level, index in sorted(stored):
            if index >= self._part.end >> (_BLOCK_LEVEL * (level + 1)):
                detail = f"it is stored as full, but the log ends at entry {self._part.end - 1}: entries were cut off"
                self._found.add("tile", f"tile {level}/{index}", detail, seq=self._part.end)

    def _tile(self, level: int, index: int, hashes: Sequence[bytes], stored: Any) -> None:
        place, data = f"tile {level}/{index}", stored.get((level, index))
        if data == b"".join(hashes):
            return
        if data is None or len(data) != WIDTH * HASH_BYTES:
            what = "it is not stored" if data is None else f"it has {len(data)} bytes instead of {WIDTH * HASH_BYTES}"
            self._found.add("tile", place, what, seq=index * WIDTH << _BLOCK_LEVEL * level)
            return
        wrong = [at for at in range(WIDTH) if data[at * HASH_BYTES : (at + 1) * HASH_BYTES] != hashes[at]]
        what = "entry " if level == 0 else f"tile {level - 1}/"
        shown = ", ".join(f"{what}{index * WIDTH + at}" for at in wrong[:_SHOWN])
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        detail = f"its hash of {shown}{more} is not what the entries give"
        self._found.add("tile", place, detail, seq=(index * WIDTH + wrong[0]) << (_BLOCK_LEVEL * level))

    def _claims(self, leaves: Sequence[bytes], blocks: Sequence[bytes]) -> tuple[tuple[Claimed, ...], Peaks]:
        """What batches and checkpoints say of the tree, each beside what this range can say of it."""
        part = self._part
        said = [Claim("log", f"batch {batch.first}", batch.size, batch.tree_root) for batch in part.batches]
        for note in part.notes:
            claim = read_claim(note, self._rules)
            if isinstance(claim, Finding):
                self._found.take([claim], {claim.check: 1})
            else:
                said.append(claim)
                self._check_cosigned(claim)
        peaks, done, claims = Peaks(part.left), 0, []
        for claim in sorted(said, key=lambda each: each.size):
            count = claim.size - part.first
            if not 0 < count <= len(leaves):
                continue  # a batch that reaches out of the range was found above
            while (done + 1) * WIDTH <= count:
                peaks.add(_BLOCK_LEVEL, blocks[done])
                done += 1
            rest = leaves[done * WIDTH : count]
            claims.append(Claimed(claim, peaks.fold(root_of(rest) if rest else None)))
        for block in blocks[done:]:
            peaks.add(_BLOCK_LEVEL, block)
        return tuple(claims), peaks

    def _check_cosigned(self, claim: Claim) -> None:
        """The witness saw these entries at that time, so they were not recorded later; and the next one not much earlier."""
        if claim.cosigned_at is None:
            return
        covered = self._time_of(claim.size - 1)
        if covered is not None and parse_time(covered) > claim.cosigned_at + self._rules.allowed:
            detail = f"recorded at {covered}, but a checkpoint that holds it was witnessed at {_text(claim.cosigned_at)}"
            self._found.add("time", f"entry {claim.size - 1}", detail, seq=claim.size - 1, found_by="witness")
        if claim.size < self._part.end:
            check_back_dated(claim, self._time_of(claim.size), self._rules, self._found)

    def _epochs(self) -> list[int]:
        """Terms of writers in the order of the batches; none begins again once another has."""
        epochs: list[int] = []
        for batch in self._part.batches:
            if not epochs or batch.epoch > epochs[-1]:
                epochs.append(batch.epoch)
            elif batch.epoch < epochs[-1]:
                detail = f"it is of epoch {batch.epoch}, the one before of {epochs[-1]}"
                self._found.add("batch", f"batch {batch.first}", detail, seq=batch.first)
        return epochs

    def _last_offsets(self) -> Mapping[int, int]:
        return next((offsets for batch in reversed(self._part.batches) if (offsets := _offsets(batch))), {})


def check_back_dated(claim: Claim, next_time: str | None, rules: Rules, found: Findings) -> None:
    """The first entry that a witnessed checkpoint does not hold was appended after it, and so not recorded long before."""
    if next_time is None or claim.cosigned_at is None or parse_time(next_time) >= claim.cosigned_at - rules.allowed:
        return
    detail = f"recorded at {next_time}, but at {_text(claim.cosigned_at)} the witness saw the log end before it: it was back-dated, or its checkpoint was long on its way"
    found.add("time", f"entry {claim.size}", detail, seq=claim.size, found_by="witness")


def _offsets(batch: BatchRow) -> Mapping[int, int]:
    """Nothing for offsets that cannot be read, which is found elsewhere."""
    try:
        return parse_offsets(batch.offsets.decode())
    except ValueError:
        return {}


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _without(first: int, end: int, absent: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of a span without others, which are in order."""
    left = []
    for begin, stop in absent:
        if begin > first:
            left.append((first, min(begin, end)))
        first = max(first, stop)
    left.append((first, end))
    return [(begin, stop) for begin, stop in left if begin < stop]
