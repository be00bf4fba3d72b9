"""The audit log as it is stored, for whoever reads, shows, proves or verifies it: SELECT only, on any account that may read the audit tables.

Nothing here judges: rows come as they are, for ``domain.audit`` to verify. Since rows are only ever added, several reads of the same range see the same; a reader
asks once how far the log is and then keeps to that size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from corpactions.domain.audit.bodies import COLUMNS
from corpactions.domain.audit.merkle import HASH_BYTES, leaf_hash, root_of
from corpactions.domain.audit.proving import linked_hashes
from corpactions.domain.audit.ranges import BatchRow, CheckpointNote
from corpactions.domain.audit.removals import RemovedSegment
from corpactions.domain.audit.retention import Export, Hold, Removal
from corpactions.domain.audit.tiles import WIDTH, TileId, encode_bundle, split
from corpactions.persistence.audit_tiles import MissingTile, read_tile
from corpactions.persistence.engine import Engine, translated
from corpactions.ports.audit import LogRow

__all__ = ["AuditReader", "EntryQuery", "LogEnds", "LogSource", "MissingTile"]

Row = Sequence[Any]
ROWS: Final = 2_000
"""Entries fetched by one statement: some megabytes at most, a few milliseconds."""
_TIME: Final = "DATE_FORMAT(recorded_at,'%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ')"
_ENTRY: Final = "seq,body," + ",".join(_TIME if name == "recorded_at" else name for name in COLUMNS)
_BATCH: Final = "first_seq,size,epoch,recorded_at,offsets,batch_root,tree_root,key_id,signature"
_FILTERS: Final = ("event_type", "symbol", "resource", "actor", "action")


class EntryQuery(NamedTuple):
    """Which entries are wanted. ``after`` is the number of the last one seen; ``oldest_first`` turns the order round. Times: from inclusive, to exclusive."""

    log_id: int
    limit: int
    after: int | None = None
    oldest_first: bool = False
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None
    event_type: str | None = None
    symbol: str | None = None
    resource: str | None = None
    actor: str | None = None
    action: str | None = None


class LogEnds(NamedTuple):
    """How far a log is by each of its tables, as one statement sees them: numbers of entries, 0 for none. ``epoch`` is the newest there is."""

    batches: int
    entries: int
    checkpoints: int
    epoch: int

    @property
    def size(self) -> int:
        """The entries that must be looked at: those of the newest batch, and whatever stands behind them."""
        return max(self.batches, self.entries)


class AuditReader:
    """Reads the audit tables. Every method raises Unavailable when MySQL does not answer.

    Args:
        engine: connections of an account that may read them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def logs(self) -> list[LogRow]:
        """All logs, the newest last."""
        rows = self._query("SELECT log_id,origin,predecessor FROM audit_logs ORDER BY log_id")
        return [
            LogRow(log_id, origin, None if before is None else bytes(before).decode(errors="replace")) for log_id, origin, before in rows
        ]

    def ends(self, log_id: int) -> LogEnds:
        """How far a log is."""
        (row,) = self._query(
            f"SELECT (SELECT size FROM audit_batches WHERE log_id={log_id:d} ORDER BY first_seq DESC LIMIT 1),"
            f"(SELECT seq+1 FROM audit_entries WHERE log_id={log_id:d} ORDER BY seq DESC LIMIT 1),"
            f"(SELECT size FROM audit_checkpoints WHERE log_id={log_id:d} ORDER BY size DESC LIMIT 1),"
            "(SELECT epoch FROM audit_epochs ORDER BY epoch DESC LIMIT 1)"
        )
        return LogEnds(*[value or 0 for value in row])

    def entries(self, log_id: int, first: int, end: int) -> Iterator[Row]:
        """The entries ``first`` to ``end`` - 1 that are there, in order: ``(seq, body, *columns)`` with the columns of ``bodies.COLUMNS``, the time as text."""
        for start in range(first, end, ROWS):
            stop = min(start + ROWS, end)
            yield from self._query(
                f"SELECT {_ENTRY} FROM audit_entries WHERE log_id={log_id:d} AND seq>={start:d} AND seq<{stop:d} ORDER BY seq".replace(
                    "%%", "%"
                )
            )

    def entries_at(self, log_id: int, numbers: Collection[int]) -> list[Row]:
        """Those of these entries that are there, in order, as :meth:`entries` gives them."""
        if not numbers:
            return []
        wanted = ",".join(f"{number:d}" for number in numbers)
        return list(
            self._query(f"SELECT {_ENTRY} FROM audit_entries WHERE log_id={log_id:d} AND seq IN ({wanted}) ORDER BY seq".replace("%%", "%"))
        )

    def search(self, query: EntryQuery) -> list[Row]:
        """At most ``limit`` entries, as :meth:`entries` gives them, newest first unless asked otherwise."""
        low, high = self._span(query)
        where = [f"log_id={query.log_id:d}", f"seq>={low:d}", f"seq<{high:d}"]
        wanted = [(name, getattr(query, name)) for name in _FILTERS if getattr(query, name) is not None]
        where += [f"{name}=%s" for name, _ in wanted]
        order = "ASC" if query.oldest_first else "DESC"
        statement = f"SELECT {_ENTRY} FROM audit_entries WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT {query.limit:d}"
        return list(self._query(statement, [value for _, value in wanted])) if low < high else []

    def find(self, record_ids: Collection[str]) -> dict[str, tuple[int, int, bytes]]:
        """Log, number and body of the entries with these record ids."""
        if not record_ids:
            return {}
        places = ",".join(["%s"] * len(record_ids))
        rows = self._query(f"SELECT record_id,log_id,seq,body FROM audit_entries WHERE record_id IN ({places})", list(record_ids))
        return {name: (log_id, seq, bytes(body)) for name, log_id, seq, body in rows}

    def batches(self, log_id: int, first: int, end: int) -> list[BatchRow]:
        """The batches that begin at an entry from ``first`` to ``end`` - 1, in order."""
        where = f"log_id={log_id:d} AND first_seq>={first:d} AND first_seq<{end:d}"
        return [_batch(row) for row in self._query(f"SELECT {_BATCH} FROM audit_batches WHERE {where} ORDER BY first_seq")]

    def newest_batch(self, log_id: int) -> BatchRow | None:
        """The batch that begins last; None when there is none."""
        rows = self._query(f"SELECT {_BATCH} FROM audit_batches WHERE log_id={log_id:d} ORDER BY first_seq DESC LIMIT 1")
        return _batch(rows[0]) if rows else None

    def batch_of(self, log_id: int, seq: int) -> BatchRow | None:
        """The batch that an entry is in; None when none is that far."""
        rows = self._query(
            f"SELECT {_BATCH} FROM audit_batches WHERE log_id={log_id:d} AND first_seq<={seq:d} ORDER BY first_seq DESC LIMIT 1"
        )
        found = [_batch(row) for row in rows]
        return found[0] if found and found[0].size > seq else None

    def stored_tiles(self, log_id: int, first: int, end: int | None) -> dict[tuple[int, int], bytes]:
        """The tiles of levels 0 and 1 stored for a range that begins at a multiple of 65,536; without an end, also those beyond the log's."""
        found: dict[tuple[int, int], bytes] = {}
        for level in (0, 1):
            low, high = first >> 8 * (level + 1), (1 << 62) if end is None else -(-end >> 8 * (level + 1))
            rows = self._query(
                f"SELECT idx,hashes FROM audit_tiles WHERE log_id={log_id:d} AND level={level} AND idx>={low} AND idx<{high} ORDER BY idx LIMIT 512"
            )
            found |= {(level, index): bytes(hashes) for index, hashes in rows}
        return found

    def stored_tile(self, log_id: int, level: int, index: int) -> bytes | None:
        """A full tile as stored."""
        rows = self._query(f"SELECT hashes FROM audit_tiles WHERE log_id={log_id:d} AND level={level:d} AND idx={index:d}")
        return bytes(rows[0][0]) if rows else None

    def tiles_beyond(self, log_id: int, size: int) -> list[tuple[int, int]]:
        """Level and index of stored tiles above level 1 that a log of this size cannot have filled."""
        rows = self._query(f"SELECT level,MAX(idx) FROM audit_tiles WHERE log_id={log_id:d} AND level>1 GROUP BY level")
        return [(level, index) for level, index in rows if index >= size >> 8 * (level + 1)]

    def tile(self, log_id: int, tile: TileId) -> bytes:
        """A tile of any width, partial ones derived from what lies below. Raises MissingTile."""
        return read_tile(self._query, log_id, tile)

    def tiles(self, log_id: int, tiles: Collection[TileId]) -> dict[TileId, bytes]:
        """Those of the tiles that can be had; stored ones by one statement."""
        if not tiles:
            return {}
        places = ",".join(f"({tile.level:d},{tile.index:d})" for tile in tiles)
        rows = self._query(f"SELECT level,idx,hashes FROM audit_tiles WHERE log_id={log_id:d} AND (level,idx) IN ({places})")
        stored = {(level, index): bytes(hashes) for level, index, hashes in rows}
        found: dict[TileId, bytes] = {}
        for tile in tiles:
            if (full := stored.get((tile.level, tile.index))) is not None:
                found[tile] = full[: tile.width * HASH_BYTES]
            else:
                with suppress(MissingTile):
                    found[tile] = self.tile(log_id, tile)
        return found

    def roots(self, log_id: int, level: int, first: int, end: int) -> list[bytes]:
        """The hashes ``first`` to ``end`` - 1 of a level above 0, from the stored tiles below; fewer when one is missing."""
        where = f"log_id={log_id:d} AND level={level - 1:d} AND idx>={first:d} AND idx<{end:d}"
        rows = self._query(f"SELECT idx,hashes FROM audit_tiles WHERE {where} ORDER BY idx")
        return [root_of(split(bytes(hashes))) for number, (index, hashes) in enumerate(rows, first) if index == number]

    def batches_of(self, log_id: int, numbers: Collection[int]) -> dict[int, BatchRow]:
        """By entry, the batch that it is in."""
        newest = f"SELECT first_seq FROM audit_batches WHERE log_id={log_id:d} AND first_seq<="
        some = [f"(SELECT {number:d} AS seq,({newest}{number:d} ORDER BY first_seq DESC LIMIT 1) AS first)" for number in numbers]
        if not some:
            return {}
        rows = self._query(
            f"SELECT n.seq,{_BATCH} FROM ({' UNION ALL '.join(some)}) AS n JOIN audit_batches AS b ON b.log_id={log_id:d} AND b.first_seq=n.first"
        )
        found = {row[0]: _batch(row[1:]) for row in rows}
        return {seq: batch for seq, batch in found.items() if batch.size > seq}

    def bundle(self, log_id: int, index: int, width: int = WIDTH) -> bytes:
        """The entries below a tile of level 0, as a bundle. Raises MissingTile when not all are there (removed, say)."""
        first = index * WIDTH
        rows = self._query(f"SELECT body FROM audit_entries WHERE log_id={log_id:d} AND seq>={first} AND seq<{first + width} ORDER BY seq")
        if len(rows) != width:
            raise MissingTile(TileId(-1, index, width))
        return encode_bundle(bytes(body) for (body,) in rows)

    def checkpoints(self, log_id: int, after: int, upto: int) -> list[CheckpointNote]:
        """The kept checkpoints of sizes above ``after``, up to ``upto``."""
        where = f"log_id={log_id:d} AND size>{after:d} AND size<={upto:d}"
        rows = self._query(f"SELECT size,note,witnessed FROM audit_checkpoints WHERE {where} ORDER BY size,witnessed")
        return [CheckpointNote("checkpoint", size, bytes(note), bool(witnessed)) for size, note, witnessed in rows]

    def newest_checkpoint(self, log_id: int, *, witnessed: bool, upto: int | None = None) -> CheckpointNote | None:
        """The kept checkpoint of the largest size, or the largest up to a size."""
        where = f"log_id={log_id:d} AND witnessed={int(witnessed)}" + ("" if upto is None else f" AND size<={upto:d}")
        rows = self._query(f"SELECT size,note FROM audit_checkpoints WHERE {where} ORDER BY size DESC LIMIT 1")
        return CheckpointNote("checkpoint", rows[0][0], bytes(rows[0][1]), witnessed) if rows else None

    def key_history(self) -> list[tuple[int, bytes, datetime]]:
        """The key history: number, signed statement, and when it was added."""
        rows = self._query("SELECT number,statement,added_at FROM audit_keys ORDER BY number")
        return [(number, bytes(statement), added_at.replace(tzinfo=UTC)) for number, statement, added_at in rows]

    def epochs(self) -> set[int]:
        """The numbers of all terms of writers."""
        return {epoch for (epoch,) in self._query("SELECT epoch FROM audit_epochs")}

    def removals(self, log_id: int) -> list[RemovedSegment]:
        """The removed segments, in order."""
        rows = self._query(
            "SELECT r.first_seq,r.end_seq,r.last_hash,r.removed_at,EXISTS(SELECT 1 FROM audit_exports AS e WHERE e.log_id=r.log_id AND e.first_seq=r.first_seq"
            f" AND e.end_seq=r.end_seq AND e.bundle_sha256=r.bundle_sha256) FROM audit_removals AS r WHERE r.log_id={log_id:d} ORDER BY r.first_seq"
        )
        return [RemovedSegment(first, end, bytes(last), at.replace(tzinfo=UTC), bool(exported)) for first, end, last, at, exported in rows]

    def deeds(self) -> list[Hold | Export | Removal]:
        """All holds, exports and removals, as they would be told to the log."""
        holds = self._query("SELECT hold_no,name,placed,from_time,to_time,reason,actor,at FROM audit_holds ORDER BY hold_no")
        found: list[Hold | Export | Removal] = [
            Hold(number, name, bool(placed), _utc(begin), _utc(end), reason, actor, at.replace(tzinfo=UTC))
            for number, name, placed, begin, end, reason, actor, at in holds
        ]
        exports = self._query(
            "SELECT l.origin,x.first_seq,x.end_seq,x.bundle_sha256,x.location,x.actor,x.verified_at FROM audit_exports x JOIN audit_logs l USING (log_id)"
        )
        removals = self._query(
            "SELECT l.origin,r.first_seq,r.end_seq,r.bundle_sha256,r.actor,r.removed_at FROM audit_removals r JOIN audit_logs l USING (log_id)"
        )
        found += [
            Export(origin, first, end, bytes(sha), where, who, at.replace(tzinfo=UTC))
            for origin, first, end, sha, where, who, at in exports
        ]
        found += [Removal(origin, first, end, bytes(sha), who, at.replace(tzinfo=UTC)) for origin, first, end, sha, who, at in removals]
        return found

    def told(self, actions: Collection[str]) -> dict[str, bytes]:
        """The bodies of all entries with one of these actions, by record id; for actions that are rare."""
        places = ",".join(["%s"] * len(actions))
        rows = self._query(f"SELECT record_id,body FROM audit_entries WHERE action IN ({places})", list(actions))
        return {record_id: bytes(body) for record_id, body in rows}

    def _span(self, query: EntryQuery) -> tuple[int, int]:
        """The numbers that a query can be about. Times are found by halving, since no batch is older than the one before."""
        size = self.ends(query.log_id).entries
        low = 0 if query.recorded_from is None else self._first_at(query.log_id, query.recorded_from, size)
        high = size if query.recorded_to is None else self._first_at(query.log_id, query.recorded_to, size)
        if query.after is not None:
            low, high = (max(low, query.after + 1), high) if query.oldest_first else (low, min(high, query.after))
        return low, high

    def _first_at(self, log_id: int, moment: datetime, size: int) -> int:
        """The first entry recorded at or after a time."""
        wanted = moment.astimezone(UTC).replace(tzinfo=None)
        low, high = 0, size
        while low < high:
            middle = (low + high) // 2
            rows = self._query(
                f"SELECT size,recorded_at FROM audit_batches WHERE log_id={log_id:d} AND first_seq<={middle} ORDER BY first_seq DESC LIMIT 1"
            )
            if rows and rows[0][1] < wanted:
                low = max(rows[0][0], middle + 1)
            else:
                high = middle
        return low

    def _query(self, statement: str, arguments: Sequence[Any] | None = None) -> Sequence[Row]:
        with translated():
            connection: Any = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(statement, arguments)
                rows: Sequence[Row] = cursor.fetchall()
                cursor.close()
            except BaseException:
                connection.invalidate()  # an interrupt in the middle of an answer leaves a connection that nothing can be asked any more
                raise
            connection.close()
            return rows


class LogSource:
    """One log for ``domain.audit.page.PageVerifier``."""

    def __init__(self, reader: AuditReader, log_id: int) -> None:
        self._reader = reader
        self._log_id = log_id

    def tiles(self, tiles: Collection[TileId]) -> dict[TileId, bytes]:
        """Those of the tiles that can be had."""
        return self._reader.tiles(self._log_id, tiles)

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        """Hashes of a level above 0, from the stored tiles below."""
        return self._reader.roots(self._log_id, level, first, end)

    def rebuilt(self, tile: TileId) -> bytes | None:
        """A tile of level 0 from the bodies."""
        first = tile.index * WIDTH
        bodies = [row[1] for row in self._reader.entries(self._log_id, first, first + tile.width)]
        return b"".join(leaf_hash(body) for body in bodies) if len(bodies) == tile.width else None

    def linked(self, tile: TileId) -> bytes | None:
        """The same from the links of the entries behind."""
        first = tile.index * WIDTH
        bodies = {row[0]: row[1] for row in self._reader.entries(self._log_id, first, first + tile.width + 1)}
        return linked_hashes(bodies, first, tile.width)

    def batches_of(self, numbers: Collection[int]) -> dict[int, BatchRow]:
        """By entry, the batch that it is in."""
        return self._reader.batches_of(self._log_id, numbers)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _batch(row: Row) -> BatchRow:
    first, size, epoch, recorded_at, *hashes = row
    return BatchRow(first, size, epoch, recorded_at.replace(tzinfo=UTC), *[bytes(value) for value in hashes])
