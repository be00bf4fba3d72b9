"""Checkpoints: the log's root, signed, cosigned by the witness, and put where the database's administrators cannot reach it.

Invariant: a checkpoint is signed only over a batch that was read back after its COMMIT and is not of a newer writer, and none that the witness refuses is ever
published. A witness that is away delays its cosignature, never the log; a witness that is ahead is believed only when the log was read again and is still behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, NoReturn

from corpactions.domain.audit.merkle import consistency_path, root_at
from corpactions.domain.audit.notes import Checkpoint, Note, Signature, add_signature, sign_note
from corpactions.domain.audit.tiles import TileTree
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.ports.ambient import Clock
from corpactions.ports.audit import AppendUnknown, AuditLogStore, LogRow, StoredBatch, Superseded
from corpactions.ports.signing import Signer
from corpactions.ports.witness import Witness, WitnessConflict, WitnessRefused

_LOG: Final = logging.getLogger("consumers.audit.checkpoints")
_LOOK_SECONDS: Final = 0.25
Publish = Callable[[str, bytes], None]
"""Puts a note under a key on the checkpoints topic and waits for its ack."""


class Cadence(NamedTuple):
    """A checkpoint is due after so many entries, or so many seconds when there is anything new."""

    entries: int = 1_000
    seconds: float = 10.0


class Checkpointer:
    """Signs checkpoints of one log while its writer leads.

    Args:
        store: the log; used from the thread that calls :meth:`run`.
        witness: cosigns; None where there is none, and then only the log itself speaks for its past.
        publish: puts a checkpoint outside of MySQL.
        clock: for the time of signing and the cadence.
        cadence: how often.
    """

    def __init__(self, store: AuditLogStore, witness: Witness | None, publish: Publish, clock: Clock, cadence: Cadence) -> None:
        self._store = store
        self._witness = witness
        self._publish = publish
        self._clock = clock
        self._cadence = cadence
        self._grown = threading.Event()
        self._epoch = 0
        self._unshown: Sequence[bytes] = ()
        self._last = 0
        self._last_at = clock.monotonic()
        self._witnessed = 0
        self.size = 0
        self.witnessed_size = 0
        self.failure: Exception | None = None

    def check(self, log: LogRow, size: int, epoch: int) -> None:
        """Begin with a log that is about to grow: compare it with the newest checkpoint that was witnessed of it.

        Args:
            log: it.
            size: the entries that it has.
            epoch: the writer's; batches of a newer one are not signed.

        Raises:
            Fatal: the log is shorter, or another one: somebody took entries away or put others in their place.
            Superseded: a batch of the writer before was still on its way, and is witnessed already.
        """
        self._epoch, self._unshown, self.failure = epoch, (), None
        for found_by, note in self._witnessed_notes(log):
            checkpoint = Checkpoint.parse(note.text)
            if checkpoint.size > size:
                self._raise_behind(log, checkpoint.size, found_by)
            if checkpoint.size and self._root(log, checkpoint.size) != checkpoint.root:
                raise Fatal(
                    f"{log.origin} has another root at entry {checkpoint.size} than was witnessed ({found_by}): it was rewritten; see the runbook audit-chain"
                )
            self._last = self._witnessed = max(self._witnessed, checkpoint.size)
        self.size = self.witnessed_size = self._witnessed

    def _witnessed_notes(self, log: LogRow) -> list[tuple[str, Note]]:
        kept = self._store.newest_checkpoint(log)
        notes = [] if kept is None else [("the log's own copy", Note.parse(kept))]
        if self._witness is not None:
            try:
                seen = self._witness.newest(log.origin)
            except Unavailable as error:
                _LOG.warning("the witness is not asked before writing: %s", error)
            else:
                notes += [] if seen is None else [("the witness's copy", seen)]
        return notes

    def introduce(self, log: LogRow, statements: Sequence[bytes]) -> None:
        """Show the witness the log's key history, so that it knows the key that signs from here on. One that is away is shown it before it is asked to cosign.

        Raises:
            Fatal: the witness trusts another history.
        """
        self._unshown = statements
        try:
            self._show_keys(log)
        except Unavailable as error:
            _LOG.warning("the witness was not shown the keys: %s", error)

    def _show_keys(self, log: LogRow) -> None:
        if self._witness is None or not self._unshown:
            return
        try:
            self._witness.hand_over(log.origin, self._unshown)
            self._unshown = ()
        except WitnessRefused as error:
            raise Fatal(f"the witness does not accept the keys of {log.origin}: {error}; see the runbook witness") from error

    def grown(self) -> None:
        """A batch was stored."""
        self._grown.set()

    def run(self, log: LogRow, signer: Signer, stopping: threading.Event) -> None:
        """Sign what is due until told to stop, then once more what is left. A failure that must stop the writer is left in ``failure``."""
        try:
            while not stopping.is_set():
                self._grown.wait(_LOOK_SECONDS)
                self._grown.clear()
                self._attempt(log, signer, self._cadence)
            self._attempt(log, signer, Cadence(1, 0.0))
        except Exception as error:  # noqa: BLE001 - whatever it is: a thread that ends in silence would leave a log that grows without checkpoints
            self.failure = error

    def _attempt(self, log: LogRow, signer: Signer, cadence: Cadence) -> None:
        try:
            self.step(log, signer, cadence)
        except (Unavailable, AppendUnknown) as error:
            _LOG.warning("no checkpoint for now: %s", error)

    def step(self, log: LogRow, signer: Signer, cadence: Cadence) -> bool:
        """Sign, have cosigned, publish and keep a checkpoint of the newest batch, if one is due; whether it was.

        Raises:
            Fatal: the witness refuses it: it knows another log of this name.
            Superseded: a newer writer is at work.
            Unavailable, AppendUnknown: the store or the topic does not answer.
        """
        batch = self._store.newest_batch(log)
        if batch is None or not self._due(batch.size, cadence):
            return False
        if batch.epoch > self._epoch:  # it may be signed with a newer key, and this writer's checkpoint over it would be nobody's
            raise Superseded(f"a batch of epoch {batch.epoch} is there; this writer's is {self._epoch}")
        note = sign_note(Checkpoint(log.origin, batch.size, batch.tree_root).text(), signer)
        cosigned = self._cosigned(log, batch, note)
        witnessed = cosigned is not None
        data = (cosigned or note).encode()
        self._publish(f"{log.origin}:{batch.size}", data)
        self._store.add_checkpoint(log, batch.size, data, self._clock.now(), witnessed=witnessed)
        self._last, self._last_at = batch.size, self._clock.monotonic()
        self.size = batch.size
        self.witnessed_size = self._witnessed
        return True

    def _due(self, size: int, cadence: Cadence) -> bool:
        if size - self._last >= cadence.entries:
            return True
        behind = size > self._last or (self._witness is not None and size > self._witnessed)
        return behind and self._clock.monotonic() - self._last_at >= cadence.seconds

    def _cosigned(self, log: LogRow, batch: StoredBatch, note: Note) -> Note | None:
        """The note with the witness's signature; None when the witness is away."""
        if self._witness is None:
            return None
        try:
            self._show_keys(log)
            lines = self._added(self._witness, log, batch, note)
        except (Unavailable, WitnessConflict) as error:
            _LOG.warning("checkpoint %d is not cosigned yet: %s", batch.size, error)
            return None
        except WitnessRefused as error:
            raise Fatal(f"the witness refuses checkpoint {batch.size} of {log.origin}: {error}; see the runbook audit-chain") from error
        self._witnessed = batch.size
        return add_signature(note, *lines)

    def _added(self, witness: Witness, log: LogRow, batch: StoredBatch, note: Note) -> Sequence[Signature]:
        """Ask for the cosignature, from the size that the witness knows if that is another one. A second conflict means that another writer asks as well."""
        try:
            return witness.add(self._witnessed, self._path(log, self._witnessed, batch.size), note)
        except WitnessConflict as conflict:
            known = conflict.size
        if known > batch.size:
            self._raise_behind(log, known, "the witness's answer")
        return witness.add(known, self._path(log, known, batch.size), note)

    def _raise_behind(self, log: LogRow, witnessed: int, found_by: str) -> NoReturn:
        """More is witnessed than this writer knows of: either another writer has written since, or entries are gone."""
        newest = self._store.newest_batch(log)
        size = 0 if newest is None else newest.size
        if size >= witnessed:
            raise Superseded(f"another writer has written since, {witnessed} entries are witnessed")
        raise Fatal(
            f"{log.origin} has {size} entries, and its checkpoint of {witnessed} was witnessed ({found_by}): entries are gone; see the runbook audit-chain"
        )

    def _path(self, log: LogRow, old: int, new: int) -> list[bytes]:
        return consistency_path(old, new, self._tree(log, new).node) if 0 < old < new else []

    def _root(self, log: LogRow, size: int) -> bytes:
        return root_at(size, self._tree(log, size).node)

    def _tree(self, log: LogRow, size: int) -> TileTree:
        return TileTree(size, partial(self._store.tile, log))
