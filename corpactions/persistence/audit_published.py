"""What of the audit log is shown to strangers: checkpoints, keys, and the tiles and bundles that a published checkpoint requires (C2SP tlog-tiles).

Invariant: nothing that no published checkpoint covers leaves here, so whoever reads tiles can always verify them. What is shown is shown as it is stored: a changed
tile or body must look changed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import text

from corpactions.domain.audit.keys import KeyPeriod
from corpactions.domain.audit.notes import Note
from corpactions.domain.audit.ranges import CheckpointNote
from corpactions.domain.audit.tiles import ENTRIES, WIDTH, TileId, tile_path
from corpactions.persistence.audit_reading import AuditReader, MissingTile
from corpactions.persistence.engine import Engine, translated
from corpactions.ports.audit import LogRow

_NEWEST = "FROM audit_checkpoints AS c WHERE c.log_id=l.log_id{} ORDER BY size DESC LIMIT 1"
_PROGRESS = text(
    "SELECT l.opened_at,(SELECT size FROM audit_batches AS b WHERE b.log_id=l.log_id ORDER BY first_seq DESC LIMIT 1),"
    + ",".join(
        f"(SELECT {column} {_NEWEST.format(condition)})" for condition in ("", " AND witnessed=1") for column in ("size", "signed_at")
    )
    + " FROM audit_logs AS l ORDER BY l.log_id DESC LIMIT 1"
)


class NotPublished(Exception):
    """It is not there for others, or not yet. ``soon`` when waiting for the next checkpoint may help."""

    def __init__(self, reason: str, *, soon: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.soon = soon


class Published(NamedTuple):
    """The newest log and the checkpoint that stands for it."""

    log: LogRow
    checkpoint: CheckpointNote


class Progress(NamedTuple):
    """How far the newest log is: its entries, and size and time of the newest checkpoint and of the newest cosigned one; without one, 0 and when the log was opened."""

    entries: int
    checkpoint: int
    checkpoint_at: datetime
    witnessed: int
    witnessed_at: datetime


class PublishedLog:
    """The newest log. Every method raises Unavailable when MySQL does not answer, and NotPublished when there is no log or no checkpoint yet.

    Args:
        engine: connections of an account that may read the audit tables.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = AuditReader(engine)

    def log(self) -> LogRow:
        """The newest log."""
        logs = self._reader.logs()
        if not logs:
            raise NotPublished("there is no audit log yet; the audit consumer opens it", soon=True)
        return logs[-1]

    def newest(self) -> Published:
        """The newest cosigned checkpoint; the newest of all where no witness has signed any."""
        log = self.log()
        for witnessed in (True, False):
            found = self._reader.newest_checkpoint(log.log_id, witnessed=witnessed)
            if found is not None:
                return Published(log, found)
        raise NotPublished(f"{log.origin} has no checkpoint yet; the first is signed some seconds after its first entry", soon=True)

    def key(self) -> str:
        """The vkey of the key that signs: the newest of the history that has signed the newest checkpoint, for a new key begins a moment before its first checkpoint."""
        keys = [KeyPeriod.parse(Note.parse(statement).text).key for statement in self.statements()]
        try:
            signed = {line.key_id for line in Note.parse(self.newest().checkpoint.note).signatures}
        except (NotPublished, ValueError):
            signed = set()
        return next((key for key in reversed(keys) if key.key_id in signed), keys[-1]).vkey

    def statements(self) -> list[bytes]:
        """The key history as signed notes, number 1 first."""
        found = [statement for _, statement, _ in self._reader.key_history()]
        if not found:
            raise NotPublished("the audit log has no key yet; the audit consumer states it", soon=True)
        return found

    def tile(self, tile: TileId) -> bytes:
        """A tile or a bundle. Raises NotPublished too for one that no checkpoint requires, and for a bundle whose entries were removed."""
        log_id = self.log().log_id
        span = 1 << 8 * max(tile.level, 0)
        end = (tile.index * WIDTH + tile.width) * span
        size = self._reader.ends(log_id).checkpoints
        if end > size:
            raise NotPublished(f"{tile_path(tile)} ends at entry {end}, and the newest checkpoint is over {size}", soon=end - size <= WIDTH)
        if tile.width < WIDTH and not self._required(log_id, end, end + span):
            raise NotPublished(f"{tile_path(tile)} is of this width at no checkpoint; those of the newest one, and full ones, are there")
        try:
            if tile.level == ENTRIES:
                return self._reader.bundle(log_id, tile.index, tile.width)
            return self._reader.tile(log_id, tile)
        except MissingTile:
            raise NotPublished(
                f"{tile_path(tile)} is not there: entries are gone, for removal after their time or for another reason"
            ) from None

    def progress(self) -> Progress | None:
        """How far the newest log is; None when there is none."""
        with translated(), self._engine.connect() as connection:
            found = connection.execute(_PROGRESS).first()
        if found is None:
            return None
        opened_at, entries, size, signed_at, witnessed, witnessed_at = found
        return Progress(
            *(entries or 0, size or 0, _utc(signed_at or opened_at)),
            *(witnessed or 0, _utc(witnessed_at or opened_at)),
        )

    def _required(self, log_id: int, low: int, high: int) -> bool:
        """Whether there is a checkpoint of a size from ``low`` to ``high`` - 1."""
        found = (self._reader.newest_checkpoint(log_id, witnessed=witnessed, upto=high - 1) for witnessed in (True, False))
        return any(note is not None and note.size >= low for note in found)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
