"""What the audit log's writer asks of the store that holds the log.

Invariant: the store only ever adds. Two writers cannot fork a log: the primary key of batches and entries refuses the second one at the same place, and whoever
is refused reads again and finds out who is newer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from corpactions.domain.audit.appending import Built, Head
from corpactions.domain.audit.tiles import TileId
from corpactions.domain.errors import CorporateActionsError


class Superseded(CorporateActionsError):
    """Another writer has begun a newer epoch, or has written at our place: what was built here is void."""


class AppendUnknown(CorporateActionsError):
    """The transaction got no answer, or was refused for no fault of its data: only reading the log again tells where it ends."""


class LogRow(NamedTuple):
    """A log. ``predecessor`` is the signed checkpoint at which the log before it ended, for one that was opened after damage."""

    log_id: int
    origin: str
    predecessor: str | None


class KeyRow(NamedTuple):
    """A statement of the key history, as a signed note."""

    number: int
    statement: bytes


class StoredBatch(NamedTuple):
    """The newest batch as read back after its COMMIT: all that a checkpoint may be signed over."""

    size: int
    tree_root: bytes
    epoch: int


class AuditLogStore(Protocol):
    """Raises Unavailable from every method when the store does not answer."""

    def lead(self, seconds: float) -> bool:
        """Become the one writer, or stay it: waits at most so long for another to go. Only liveness rests on this, never safety."""

    def resign(self) -> None:
        """Let the next one become the writer."""

    def newest_log(self, origin: str, now: datetime) -> LogRow:
        """The log to write; made when there is none yet."""

    def begin_epoch(self, log: LogRow, owner: str, now: datetime) -> tuple[int, Head]:
        """Take over the writing: a new epoch, then how far the log is.

        Raises:
            Fatal: the log's end does not fit its newest batch; nothing may be added to a log that does not hold together.
        """

    def keys(self) -> list[KeyRow]:
        """The key history, oldest first."""

    def known(self, record_ids: Collection[str]) -> Mapping[str, tuple[int, bytes]]:
        """Those of the ids that are logged: sequence number and body."""

    def appending(
        self, log: LogRow, built: Built, key_id: bytes, new_key: KeyRow | None = None
    ) -> AbstractContextManager[Callable[[], None]]:
        """Store a batch in one transaction: what the block is given commits it, and leaving the block without that leaves nothing.

        So a batch can be sent while the one before is still being committed; the caller commits them in their order.

        Raises:
            Superseded: a newer epoch exists, or somebody else wrote at this place.
            AppendUnknown: whether it was stored is not known, or it must be built anew.
        """

    def newest_batch(self, log: LogRow) -> StoredBatch | None:
        """The newest stored batch."""

    def tile(self, log: LogRow, tile: TileId) -> bytes:
        """The hashes of a tile. Raises Fatal when it cannot be had from what is stored."""

    def add_checkpoint(self, log: LogRow, size: int, note: bytes, signed_at: datetime, *, witnessed: bool) -> None:
        """Keep a checkpoint. One that is there already stays as it is."""

    def newest_checkpoint(self, log: LogRow) -> bytes | None:
        """The witnessed checkpoint of the largest size, as a note; None when there is none."""
