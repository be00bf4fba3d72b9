"""The audit log's writer on MySQL: see ``ports.audit.AuditLogStore``.

Invariant: INSERT and SELECT only, one transaction per batch, on an account that could do nothing else. The lock that keeps stand-bys waiting lives on a connection of
its own; when that breaks, the lock is gone, and the epoch and the primary keys keep two writers apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import MySQLdb
from sqlalchemy.exc import DBAPIError

from corpactions.domain.audit.appending import Built, Head, Numbered
from corpactions.domain.audit.batch import offsets_text, parse_offsets
from corpactions.domain.audit.entry import ZERO_LINK
from corpactions.domain.audit.merkle import leaf_hash
from corpactions.domain.audit.tiles import TileId
from corpactions.domain.errors import Fatal
from corpactions.persistence import bulk
from corpactions.persistence.audit_tiles import MissingTile, read_edge, read_tile
from corpactions.persistence.bulk import blob, code, moment, number, row, short_blob, text
from corpactions.persistence.engine import Engine, translated
from corpactions.persistence.unit_of_work import Transaction, begin
from corpactions.ports.audit import AppendUnknown, KeyRow, LogRow, StoredBatch, Superseded
from corpactions.ports.lifecycle import CommitUnknown, DataRefused, RunAgain

_LOCK: Final = "corporate-actions-audit"
_ENTRY_COLUMNS: Final = ("log_id", "seq", "record_id", "recorded_at", "actor", "action", "resource", "event_type", "symbol", "body")
_BATCH_COLUMNS: Final = (
    *("log_id", "first_seq", "epoch", "size", "recorded_at"),
    *("offsets", "batch_root", "tree_root", "key_id", "signature"),
)


class MysqlAuditLogStore:
    """See above.

    Args:
        engine: connections of the audit consumer's account: one for the lock, three for appending, one for looking up, one for the checkpoints.
        statement_bytes: longest statement to send, half of the server's ``max_allowed_packet``.
    """

    def __init__(self, engine: Engine, statement_bytes: int = 16 << 20) -> None:
        self._engine = engine
        self._limit = statement_bytes
        self._lock: Any = None

    def lead(self, seconds: float) -> bool:
        """Take the lock, or see that it is still ours."""
        with translated():
            if self._lock is None:
                self._lock = self._engine.raw_connection()
            try:
                with self._lock.cursor() as cursor:
                    cursor.execute(b"SELECT GET_LOCK(CONCAT(DATABASE(),'.',%s),%s)", (_LOCK, seconds))
                    held = bool(cursor.fetchone()[0] == 1)
            except MySQLdb.Error:
                self.resign()
                raise
        if not held:
            self.resign()
        return held

    def resign(self) -> None:
        """Close the lock's connection, and with it the lock."""
        if self._lock is not None:
            connection, self._lock = self._lock, None
            with suppress(MySQLdb.Error, DBAPIError):
                connection.invalidate()

    def newest_log(self, origin: str, now: datetime) -> LogRow:
        """The newest row of ``audit_logs``; the first one is made here."""
        with begin(self._engine) as transaction:
            found = transaction.query("SELECT log_id,origin,predecessor FROM audit_logs ORDER BY log_id DESC LIMIT 1")
        if not found:
            first = LogRow(1, origin, None)
            self.open_log(first, now)
            return first
        log_id, name, predecessor = found[0]
        if name != origin and not name.startswith(f"{origin}/"):
            raise Fatal(f"the database holds the log {name}, but CA_AUDIT_ORIGIN says {origin}; a log keeps its name for ever")
        return LogRow(log_id, name, None if predecessor is None else bytes(predecessor).decode())

    def open_log(self, log: LogRow, now: datetime) -> None:
        """Add a row of ``audit_logs``: from then on, writers write this one."""
        with _appending(), begin(self._engine) as transaction:
            predecessor = None if log.predecessor is None else log.predecessor.encode()
            values = row(number(log.log_id), code(log.origin), moment(now), blob(predecessor))
            transaction.run(bulk.insert("audit_logs", ("log_id", "origin", "opened_at", "predecessor")) + values)
            transaction.commit()

    def begin_epoch(self, log: LogRow, owner: str, now: datetime) -> tuple[int, Head]:
        """Add the epoch first: from then on, whatever the writer before us still commits, it cannot begin another batch."""
        with _appending(), begin(self._engine) as transaction:
            epoch = int(transaction.query("SELECT COALESCE(MAX(epoch),0)+1 FROM audit_epochs")[0][0])
            transaction.run(
                f"INSERT INTO audit_epochs (epoch,log_id,owner,started_at) VALUES ({epoch},{log.log_id},{text(owner)},{moment(now)})"
            )
            transaction.commit()
        with begin(self._engine) as transaction:
            # One moment for all rows: a batch of the writer before may still be committed between two of these statements.
            transaction.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            transaction.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            return epoch, _head(transaction, log)

    def keys(self) -> list[KeyRow]:
        """All rows of ``audit_keys``."""
        with begin(self._engine) as transaction:
            rows = transaction.query("SELECT number,statement FROM audit_keys ORDER BY number")
        return [KeyRow(values[0], bytes(values[1])) for values in rows]

    def known(self, record_ids: Collection[str]) -> Mapping[str, tuple[int, bytes]]:
        """Look the ids up, each by the unique index."""
        if not record_ids:
            return {}
        wanted = bulk.values(row(text(item)) for item in record_ids)
        with begin(self._engine) as transaction:
            rows = transaction.query(
                f"SELECT e.record_id,e.seq,e.body FROM {wanted} AS w (id) JOIN audit_entries AS e"
                " ON e.record_id=CONVERT(w.id USING ascii) COLLATE ascii_bin"
            )
        return {values[0]: (values[1], bytes(values[2])) for values in rows}

    @contextmanager
    def appending(self, log: LogRow, built: Built, key_id: bytes, new_key: KeyRow | None = None) -> Iterator[Callable[[], None]]:
        """Send everything of the batch, then let the caller say when to commit."""
        batch = built.batch
        with _appending(), begin(self._engine) as transaction:
            newest = transaction.query("SELECT epoch FROM audit_epochs ORDER BY epoch DESC LIMIT 1")
            if newest[0][0] != batch.epoch:
                raise Superseded(f"epoch {newest[0][0]} has begun; this writer's is {batch.epoch}")
            transaction.run(bulk.insert("audit_batches", _BATCH_COLUMNS) + _batch_row(log.log_id, built, key_id))
            if new_key is not None:
                values = row(number(new_key.number), blob(new_key.statement), moment(batch.recorded_at))
                transaction.run(bulk.insert("audit_keys", ("number", "statement", "added_at")) + values)
            head, entries = bulk.insert("audit_entries", _ENTRY_COLUMNS), _entry_rows(log.log_id, batch.recorded_at, built.entries)
            for statement in bulk.statements(head, entries, self._limit):
                transaction.run(statement)
            if built.tiles:
                tiles = [row(str(log.log_id), str(tile.level), str(tile.index), blob(hashes)) for tile, hashes in built.tiles]
                transaction.run(bulk.insert("audit_tiles", ("log_id", "level", "idx", "hashes")) + ",".join(tiles))
            yield transaction.commit

    def newest_batch(self, log: LogRow) -> StoredBatch | None:
        """Read the newest row of ``audit_batches`` back."""
        with begin(self._engine) as transaction:
            found = transaction.query(_newest(log, "size,tree_root,epoch"))
        return StoredBatch(found[0][0], bytes(found[0][1]), found[0][2]) if found else None

    def tile(self, log: LogRow, tile: TileId) -> bytes:
        """See ``persistence.audit_tiles``."""
        with begin(self._engine) as transaction:
            try:
                return read_tile(transaction.query, log.log_id, tile)
            except MissingTile as error:
                raise Fatal(f"{log.origin}: {error}; {_MEND}") from error

    def add_checkpoint(self, log: LogRow, size: int, note: bytes, signed_at: datetime, *, witnessed: bool) -> None:
        """Add a row of ``audit_checkpoints``, unless one of this size and kind is there."""
        with _appending(), begin(self._engine) as transaction:
            where = f"log_id={log.log_id} AND size={size} AND witnessed={int(witnessed)}"
            if not transaction.query(f"SELECT size FROM audit_checkpoints WHERE {where}"):
                values = row(str(log.log_id), str(size), str(int(witnessed)), blob(note), moment(signed_at))
                transaction.run(bulk.insert("audit_checkpoints", ("log_id", "size", "witnessed", "note", "signed_at")) + values)
                transaction.commit()

    def newest_checkpoint(self, log: LogRow) -> bytes | None:
        """The witnessed row of the largest size."""
        with begin(self._engine) as transaction:
            found = transaction.query(
                f"SELECT note FROM audit_checkpoints WHERE log_id={log.log_id} AND witnessed=1 ORDER BY size DESC LIMIT 1"
            )
        return bytes(found[0][0]) if found else None


def _newest(log: LogRow, columns: str) -> str:
    return f"SELECT {columns} FROM audit_batches WHERE log_id={log.log_id} ORDER BY first_seq DESC LIMIT 1"


def _head(transaction: Transaction, log: LogRow) -> Head:
    """How far the log is, by its newest batch; what does not fit that batch stops the writer."""
    found = transaction.query(_newest(log, "size,recorded_at,offsets,tree_root"))
    last = transaction.query(f"SELECT seq,body FROM audit_entries WHERE log_id={log.log_id} ORDER BY seq DESC LIMIT 1")
    size = found[0][0] if found else 0
    if (last[0][0] + 1 if last else 0) != size:
        raise Fatal(
            f"{log.origin} has a batch that ends at entry {size - 1}, and its last entry is {last[0][0] if last else 'none'}; {_MEND}"
        )
    if not found:
        return Head(log.origin, read_edge(transaction.query, log.log_id, 0))
    _, recorded_at, offsets, tree_root = found[0]
    try:
        edge = read_edge(transaction.query, log.log_id, size)
    except MissingTile as error:
        raise Fatal(f"{log.origin}: {error}; {_MEND}") from error
    if edge.root() != bytes(tree_root):
        raise Fatal(f"{log.origin}: the newest entries do not give the root of the batch that ends at entry {size - 1}; {_MEND}")
    prev = leaf_hash(bytes(last[0][1])).hex() if last else ZERO_LINK
    return Head(log.origin, edge, prev, recorded_at.replace(tzinfo=UTC), parse_offsets(bytes(offsets).decode()))


_MEND: Final = "run `corpactions audit verify`, and see the runbook audit-chain"


def _batch_row(log_id: int, built: Built, key_id: bytes) -> str:
    batch = built.batch
    return row(
        *(str(log_id), str(batch.first), str(batch.epoch), str(batch.size), moment(batch.recorded_at)),
        *(blob(offsets_text(batch.offsets).encode()), short_blob(batch.batch_root), short_blob(batch.tree_root)),
        *(short_blob(key_id), short_blob(built.signature)),
    )


def _entry_rows(log_id: int, recorded_at: datetime, entries: Sequence[Numbered]) -> list[str]:
    at = moment(recorded_at)
    rows = []
    for seq, draft, body in entries:
        record_id, action, actor, resource, event_type, symbol, _ = draft.content
        fields = f"{text(record_id)},{at},{text(actor)},{text(action)},{text(resource)},{text(event_type)},{text(symbol)}"
        rows.append(f"({log_id},{seq},{fields},{_body(body)})")
    return rows


def _body(data: bytes) -> str:
    """A body as a literal. Canonical JSON holds no control characters, so that mostly nothing needs escaping, and quotation marks never do."""
    if b"'" in data or b"\\" in data:
        return blob(data)
    return f"_binary'{data.decode('latin-1')}'"


@contextmanager
def _appending() -> Iterator[None]:
    """What a failed INSERT means: somebody else was here, or nobody knows."""
    try:
        yield
    except (RunAgain, CommitUnknown) as error:
        raise AppendUnknown(str(error)) from error
    except DataRefused as error:
        if "(1062)" in str(error):
            raise Superseded(f"another writer was here first: {error}") from error
        raise Fatal(f"the audit log takes every entry that was checked, and MySQL refused one: {error}") from error
