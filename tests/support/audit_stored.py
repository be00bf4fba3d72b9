"""A log as it is stored, in memory: every value of every row, to be verified as it is or after one of them was changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from corpactions.domain.audit.appending import Appender, Built, Head
from corpactions.domain.audit.batch import offsets_text
from corpactions.domain.audit.bodies import columns_of
from corpactions.domain.audit.entry import SEGMENT, Content, Draft, Source
from corpactions.domain.audit.findings import Findings
from corpactions.domain.audit.joining import Joiner
from corpactions.domain.audit.keys import KeyPeriod
from corpactions.domain.audit.notes import Checkpoint, add_signature, cosign, sign_note
from corpactions.domain.audit.ranges import BatchRow, CheckpointNote, Range, RangeResult, Rules
from corpactions.domain.audit.tiles import Edge
from corpactions.domain.audit.verification import RangeVerifier
from corpactions.security.signing import verify
from corpactions.serde.canonical import decode, encode
from tests.support.signing import LOG, WITNESS, MemorySigner

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
STEP = timedelta(seconds=1)
TOPIC = "corporate-actions-audit"
WITNESS_SIGNER = MemorySigner(WITNESS, 77)


class StoredLog(NamedTuple):
    """The rows of a log; lists, so that a test may change them. An entry is ``[seq, body, *columns]``."""

    entries: list[list[Any]]
    batches: list[BatchRow]
    tiles: dict[tuple[int, int], bytes]
    notes: list[CheckpointNote]

    def copy(self) -> StoredLog:
        """Another one with the same rows, to be changed."""
        return StoredLog([list(entry) for entry in self.entries], list(self.batches), dict(self.tiles), list(self.notes))

    @property
    def size(self) -> int:
        return max(self.batches[-1].size, int(self.entries[-1][0]) + 1)

    def range(self, first: int, end: int) -> Range:
        """What is stored about a range."""
        return Range(
            first,
            end,
            [batch for batch in self.batches if first <= batch.first < end],
            {
                (level, index): data
                for (level, index), data in self.tiles.items()
                if first <= index << 8 * (level + 1) < end + (end == self.size)
            },
            [note for note in self.notes if first < note.size <= end],
        )


def rules(signer: MemorySigner | None = None) -> Rules:
    """The rules of a verifier who trusts the log's first key and the witness."""
    key = (signer or MemorySigner(LOG, 1)).key
    return Rules(LOG, (KeyPeriod(1, LOG, 0, key),), verify, decode, WITNESS_SIGNER.cosigning_key)


def stored_log(
    sizes: Sequence[int], signer: MemorySigner | None = None, start: datetime = START, step: timedelta = STEP, witness_delay: int = 1
) -> StoredLog:
    """A log of batches of these sizes, ``step`` apart, each under a checkpoint that is witnessed ``witness_delay`` seconds later."""
    signer = signer or MemorySigner(LOG, 1)
    appender = Appender(Head(LOG, Edge()), 1, signer.sign, encode)
    log = StoredLog([], [], {}, [])
    now, seq = start, 0
    for count in sizes:
        drafts = [draft(seq + number) for number in range(count)]
        offsets = {item.source.partition: item.source.offset + 1 for item in drafts if item.source is not None}
        _store(log, appender.build(drafts, offsets, now), signer, int(now.timestamp()) + witness_delay)
        now, seq = now + step, seq + count
    return log


def _store(log: StoredLog, built: Built, signer: MemorySigner, witnessed_at: int) -> None:
    batch = built.batch
    for entry in built.entries:
        log.entries.append([entry.seq, entry.body, *columns_of(decode(entry.body))])
    log.batches.append(
        BatchRow(
            *(batch.first, batch.size, batch.epoch, batch.recorded_at, offsets_text(batch.offsets).encode()),
            *(batch.batch_root, batch.tree_root, signer.key.key_id, built.signature),
        )
    )
    log.tiles.update({(tile.level, tile.index): hashes for tile, hashes in built.tiles})
    note = sign_note(Checkpoint(LOG, batch.size, batch.tree_root).text(), signer)
    witnessed = add_signature(note, cosign(note, WITNESS_SIGNER, witnessed_at))
    log.notes.append(CheckpointNote("checkpoint", batch.size, witnessed.encode(), cosigned=True))


def draft(seq: int) -> Draft:
    """An entry to be; the first opens the log."""
    if seq == 0:
        return Draft(
            Content(
                f"log:{LOG}", "LOG_OPENED", "audit-log", f"log:{LOG}", None, None, {"key": MemorySigner().key.vkey, "predecessor": None}
            ),
            None,
        )
    detail = {"after": "COMPLETED", "flags": ["ä", 'quote"'], "revision": seq, "cause": {"offset": seq, "partition": 0, "topic": "events"}}
    content = Content(f"id:{seq}", "APPLIED", "feed", f"event:{seq // 2}", "DIVIDEND", None if seq % 7 == 0 else f"S{seq % 5}", detail)
    return Draft(content, Source(TOPIC, seq % 3, seq // 3))


def verified(log: StoredLog, by: Rules | None = None) -> Findings:
    """What the verification of the whole log finds, segment by segment."""
    by = by or rules()
    joiner = Joiner(by, lambda level, index: log.tiles.get((level, index)))
    for result in results(log, by):
        joiner.add(result)
    return joiner.finish()


def results(log: StoredLog, by: Rules) -> list[RangeResult]:
    """The result of each segment."""
    done = []
    for first in range(0, log.size, SEGMENT):
        end = min(first + SEGMENT, log.size)
        verifier = RangeVerifier(by, log.range(first, end))
        verifier.feed([tuple(entry) for entry in log.entries if first <= entry[0] < end])
        done.append(verifier.finish())
    return done
