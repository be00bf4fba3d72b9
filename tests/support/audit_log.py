"""A log made quickly: real bodies, chain, tree and signatures, written by the product's own store without a topic to read from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from consumers.audit.handler import key_added, opened
from corpactions.domain.audit.appending import Appender
from corpactions.domain.audit.entry import Content, Draft, Source
from corpactions.domain.audit.keys import state
from corpactions.domain.audit.notes import Checkpoint, sign_note
from corpactions.persistence.audit_log import MysqlAuditLogStore
from corpactions.persistence.engine import Engine
from corpactions.ports.audit import KeyRow
from corpactions.serde.canonical import encode
from tests.support.signing import LOG, MemorySigner

TOPIC = "corporate-actions-audit"
BATCH = 1_000
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
_STEP = timedelta(milliseconds=100)


class LogMaker:
    """Grows a log in the database of ``engine``; ``now`` is the time of the next batch, and moves by a tenth of a second with each.

    Entries are spread over three partitions of the audit topic, one record after the other.
    """

    def __init__(self, engine: Engine, origin: str = LOG, now: datetime = START, signer: MemorySigner | None = None) -> None:
        self.now = now
        self.origin = origin
        self.store = MysqlAuditLogStore(engine)
        self.signers = [signer or MemorySigner(LOG, 1)]
        self.log = self.store.newest_log(origin, now)
        epoch, head = self.store.begin_epoch(self.log, "maker", now)
        self._epoch = epoch
        self._appender = Appender(head, epoch, self._sign, encode)
        if head.size == 0:
            statement = state(1, origin, 0, self.signers[0]).encode()
            self._append([opened(origin, self.signers[0].key.vkey, None)], KeyRow(1, statement))

    @property
    def signer(self) -> MemorySigner:
        """The key in force."""
        return self.signers[-1]

    @property
    def size(self) -> int:
        return self._appender.size

    def grow(self, entries: int, *, batch: int = BATCH) -> None:
        """Add so many entries of the pipeline."""
        end = self.size + entries
        while self.size < end:
            count = min(batch, end - self.size, self._appender.room)
            self._append([record(seq) for seq in range(self.size, self.size + count)])

    def add(self, contents: Sequence[Content]) -> None:
        """Add a batch of entries that tell this."""
        first = self.size
        self._append([Draft(content, source_of(first + index)) for index, content in enumerate(contents)])

    def rotate(self) -> None:
        """Take the next key into use."""
        old, new = self.signer, MemorySigner(LOG, len(self.signers) + 1)
        statement = state(len(self.signers) + 1, self.origin, self.size, new, old).encode()
        self.signers.append(new)
        self._append([key_added(self.origin, len(self.signers), statement.decode())], KeyRow(len(self.signers), statement))

    def checkpoint(self) -> bytes:
        """Sign the log as it stands and keep that, not witnessed."""
        newest = self.store.newest_batch(self.log)
        assert newest is not None
        note = sign_note(Checkpoint(self.origin, newest.size, newest.tree_root).text(), self.signer).encode()
        self.store.add_checkpoint(self.log, newest.size, note, self.now, witnessed=False)
        return note

    def _sign(self, message: bytes) -> bytes:
        return self.signer.sign(message)

    def _append(self, drafts: Sequence[Draft], new_key: KeyRow | None = None) -> None:
        offsets = {draft.source.partition: draft.source.offset + 1 for draft in drafts if draft.source is not None}
        built = self._appender.build(drafts, offsets, self.now)
        with self.store.appending(self.log, built, self.signer.key.key_id, new_key) as commit:
            commit()
        self.now += _STEP


def source_of(seq: int) -> Source:
    """Where the record of an entry stands."""
    return Source(TOPIC, seq % 3, seq // 3)


def record(seq: int) -> Draft:
    """An entry as the pipeline's records make them."""
    event = f"0192f1c2-0000-7000-8000-{seq // 2:012x}"
    detail: dict[str, Any] = {
        "after": "COMPLETED",
        "before": "PENDING",
        "cause": {"offset": seq, "partition": seq % 12, "topic": "corporate-actions-events"},
        "code": None,
        "correlation_id": f"0192f1c2-1111-7000-8000-{seq:012x}",
        "flags": [],
        "function": "NEWM",
        "happened_at": "2026-11-24T08:59:59.000000Z",
        "origin": "gateway",
        "payload_commitment": f"{seq:064x}",
        "reason": None,
        "revision": seq % 2 + 1,
        "transitions": [],
        "version": 1,
    }
    symbol = f"SYM{seq % 50}"
    content = Content(f"{event}:{seq % 2 + 1}", "APPLIED", "feed", f"event:{event}", "DIVIDEND", symbol, detail)
    return Draft(content, source_of(seq))
