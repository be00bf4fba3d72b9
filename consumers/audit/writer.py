"""The one writer of the audit log: leads, reads the audit topic from where the log's own last batch ended, and appends batch after batch.

While a batch is being committed, the next one is being sent, and the one after that read, hashed and signed; they are committed in their order, none before the one
before it. Invariant: whatever goes wrong, everything that was built and is not
known to be stored is thrown away, and the log itself says where to go on; offsets are committed to Kafka only so that the lag can be seen.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from consumers.audit.checkpoints import Checkpointer
from consumers.audit.handler import Handler, Logged, key_added, opened
from consumers.audit.keyring import Chosen, choose
from corpactions.domain.audit.appending import Appender, Built
from corpactions.domain.audit.entry import Draft, Encode
from corpactions.domain.errors import Unavailable
from corpactions.ports.ambient import Clock
from corpactions.ports.audit import AppendUnknown, AuditLogStore, KeyRow, LogRow, Superseded
from corpactions.ports.records import Record
from corpactions.ports.signing import Signer, Verify
from corpactions.ports.source import Source

_LOG: Final = logging.getLogger("consumers.audit")
_IDLE_SECONDS: Final = 0.2
_BUSY_SECONDS: Final = 0.02
"""How long to wait for records while a batch is being stored: its end must be noticed soon."""
_IN_FLIGHT: Final = 3
_LEAD_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0


class Config(NamedTuple):
    """``origin``: the log's name; ``owner``: this process's, another one after each start; ``batch_records``: most entries of one transaction."""

    origin: str
    owner: str
    batch_records: int = 1_000


class Parts(NamedTuple):
    """What a writer works with."""

    store: AuditLogStore
    source: Source
    handler: Handler
    checkpointer: Checkpointer
    signers: Sequence[Signer]
    verify: Verify
    encode: Encode
    clock: Clock


class Writer:
    """Stands by, leads, writes; see the module. ``partitions`` counts those of the audit topic."""

    def __init__(self, parts: Parts, config: Config, partitions: int) -> None:
        self._parts = parts
        self._config = config
        self._partitions = partitions
        self._turned_at = parts.clock.monotonic()
        self._session: _Session | None = None
        self._trouble: str | None = None

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until told to stop.

        Raises:
            Fatal: the log or its keys do not hold together, or the witness refuses a checkpoint; a person must look.
        """
        while not stopping():
            self._turned_at = self._parts.clock.monotonic()
            try:
                if self._parts.store.lead(_LEAD_SECONDS):
                    self._write(stopping)
            except (Unavailable, Superseded, AppendUnknown) as error:
                self._trouble = str(error)
                _LOG.warning("begins again from what the log holds: %s", error)
                self._parts.clock.sleep(_RETRY_SECONDS)
        self._parts.store.resign()

    def idle_seconds(self) -> float:
        """Since the loop last turned."""
        return self._parts.clock.monotonic() - self._turned_at

    def health(self) -> Mapping[str, object]:
        """What readiness shows."""
        session, checkpointer = self._session, self._parts.checkpointer
        return {
            "ready": self._trouble is None,
            "role": "standby" if session is None else "writer",
            "size": None if session is None else session.stored,
            "epoch": None if session is None else session.epoch,
            "checkpoint": checkpointer.size,
            "witnessed": checkpointer.witnessed_size,
            "trouble": self._trouble,
        }

    def _write(self, stopping: Callable[[], bool]) -> None:
        """Lead until told to stop or something goes wrong."""
        session = _Session(self._parts, self._config, self._partitions)
        try:
            session.take_over()
            self._session, self._trouble = session, None
            next_look = self._parts.clock.monotonic() + _LEAD_SECONDS
            while not stopping():
                self._turned_at = self._parts.clock.monotonic()
                session.turn()
                if self._turned_at >= next_look:
                    if not self._parts.store.lead(0):
                        raise Superseded("the lock of the one writer is gone")
                    next_look = self._turned_at + _LEAD_SECONDS
            session.settle()
        finally:
            self._session = None
            session.end()


class _Session:
    """One epoch's writing."""

    def __init__(self, parts: Parts, config: Config, partitions: int) -> None:
        self._parts = parts
        self._config = config
        self._partitions = partitions
        self._pool = ThreadPoolExecutor(_IN_FLIGHT, "append")
        self._storing: deque[tuple[Built, Future[None]]] = deque()
        self._held: list[Record] = []
        self._reading = False
        self._over = threading.Event()
        self._checkpoints: threading.Thread | None = None
        self.stored = 0
        self.epoch = 0

    def take_over(self) -> None:
        """Begin an epoch, check the log against its witness, see to its first entries, and read on where it ends."""
        parts, now = self._parts, self._parts.clock.now()
        self._log = parts.store.newest_log(self._config.origin, now)
        self.epoch, head = parts.store.begin_epoch(self._log, self._config.owner, now)
        parts.checkpointer.check(self._log, head.size, self.epoch)
        history = parts.store.keys()
        self._chosen = choose(parts.signers, history, self._log, head.size, parts.verify)
        self._appender = Appender(head, self.epoch, self._chosen.signer.sign, parts.encode)
        self.stored = head.size
        if drafts := _first_entries(self._log, self._chosen, head.size):
            self._store(self._appender.build(drafts, {}, now), None, self._chosen.added)
        added = [] if self._chosen.added is None else [self._chosen.added]
        parts.checkpointer.introduce(self._log, [row.statement for row in (*history, *added)])
        self._start_reading()
        _LOG.info("writes %s from entry %d on, epoch %d, key %s", self._log.origin, self.stored, self.epoch, self._chosen.key.key_id.hex())
        arguments = (self._log, self._chosen.signer, self._over)
        self._checkpoints = threading.Thread(target=parts.checkpointer.run, args=arguments, name="checkpoints")
        self._checkpoints.start()

    def _start_reading(self) -> None:
        known = self._appender.offsets
        positions = {
            partition: known[partition] if partition in known else self._parts.source.watermarks(partition).low
            for partition in range(self._partitions)
        }
        self._parts.source.start(positions)
        self._next, self._reading = positions, True

    def turn(self) -> None:
        """Take what is there, build a batch of it, and hand it over to be stored."""
        if (failure := self._parts.checkpointer.failure) is not None:
            raise failure
        if records := self._take():
            built = self._build(records)
            if built is not None:
                if len(self._storing) == _IN_FLIGHT:
                    self._settle_one()
                before = self._storing[-1][1] if self._storing else None
                self._storing.append((built, self._pool.submit(self._store, built, before)))
        elif self._storing and self._storing[0][1].done():
            self._settle_one()

    def _take(self) -> list[Record]:
        """Records for one batch: in order of partition and offset, no more than fit into the segment; the rest is held for the next turn."""
        most = self._config.batch_records
        if not self._held:
            fetched = self._parts.source.consume(most, _BUSY_SECONDS if self._storing else _IDLE_SECONDS)
            self._held = sorted((item for item in fetched if item.offset >= self._next[item.partition]), key=_order)
        taken, self._held = self._held[: self._appender.room], self._held[self._appender.room :]
        return taken

    def _build(self, records: Sequence[Record]) -> Built | None:
        """The batch of these records; None when they add nothing, and then only the next batch moves the offsets on."""
        first = self._appender.size
        drafts = self._parts.handler.drafts(records, first, self._in_flight())
        for record in records:
            self._next[record.partition] = record.offset + 1
        if not drafts:
            return None
        return self._appender.build(drafts, self._next, self._parts.clock.now())

    def _in_flight(self) -> Logged:
        return {draft.content.record_id: (seq, draft.content) for built, _ in self._storing for seq, draft, _ in built.entries}

    def settle(self) -> None:
        """Wait for the batches that are being stored.

        Raises:
            Superseded, AppendUnknown, Unavailable, Fatal: one was not, or nobody knows.
        """
        while self._storing:
            self._settle_one()

    def _settle_one(self) -> None:
        built, storing = self._storing.popleft()
        storing.result()
        self._parts.source.commit(built.batch.offsets)

    def _store(self, built: Built, before: Future[None] | None = None, new_key: KeyRow | None = None) -> None:
        """Send a batch, and commit it once the one before is committed; if that one was not, this one is void as well."""
        with self._parts.store.appending(self._log, built, self._chosen.key.key_id, new_key) as commit:
            if before is not None:
                before.result()
            commit()
        self.stored = built.batch.size
        self._parts.checkpointer.grown()

    def end(self) -> None:
        """Read no more; a last checkpoint, then the lock may go."""
        self._pool.shutdown()
        if self._reading:
            self._parts.source.stop(range(self._partitions))
        self._over.set()
        if self._checkpoints is not None:
            self._parts.checkpointer.grown()
            self._checkpoints.join()
        if self._parts.checkpointer.failure is None:
            return
        raise self._parts.checkpointer.failure


def _first_entries(log: LogRow, chosen: Chosen, size: int) -> list[Draft]:
    """What a log says of itself before anything else: that it was opened, and by which key it is signed from here on."""
    drafts = [] if size else [opened(log.origin, chosen.key.vkey, log.predecessor)]
    if chosen.added is not None and chosen.added.number > 1:
        drafts.append(key_added(log.origin, chosen.added.number, chosen.added.statement.decode()))
    return drafts


def _order(record: Record) -> tuple[int, int]:
    return record.partition, record.offset
