"""A long history, made quickly: rows that a worker really wrote, copied under new keys and into the past, and records on the topic that nobody reads again.

The copies are taken from the tables as they are, column by column, so that they stay true to what a worker writes, whatever that is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

from tests.benchmarks.market import SYMBOLS, Announced, Market
from tests.support.gateway import Backing

_HOUR_MS = 3_600_000
_MOMENTS = ("accepted_at", "created_at", "processing_at", "completed_at", "changed_at", "posted_at")
_CARRIER = 100_000
"""Different records on the topic; after that they come again."""


class History:
    """The past of a database, in copies of the newest ``seeds`` events that are there when it begins; each copy is an hour older than the one before."""

    def __init__(self, backing: Backing, seeds: int) -> None:
        self._backing = backing
        self._seeds = seeds
        self._back = 0
        self._tables: list[str] = []

    def grow(self, total: int) -> None:
        """Copy until there are so many events, with other ex dates. Secondary indexes are built at the end, sorted, instead of being kept up row by row."""
        with closing(self._backing.connection()) as session, _bulk_session(session) as cursor:
            missing = total - _count(cursor, "events")
            copies = -(-missing // self._seeds)
            self._keep_seeds(cursor)
            for table in self._tables:
                indexes = _drop_indexes(cursor, table)
                columns = _columns(cursor, table)
                for number in range(copies):
                    limit = min(self._seeds, missing - number * self._seeds)
                    cursor.execute(_copy(table, columns, self._back + number + 1, turns=-(-self._seeds // SYMBOLS), limit=limit))
                if indexes:
                    cursor.execute(f"ALTER TABLE {table} {', '.join(indexes)}")
                cursor.execute(f"ANALYZE TABLE {table}")
                cursor.fetchall()
            self._back += copies

    def sample(self, count: int, chance: random.Random) -> list[bytes]:
        """Ids of different events, spread evenly over all the copies; a few may not be there, where the last copy was cut short."""
        seeds = [event_id for (event_id,) in self._backing.sql("SELECT event_id FROM seeds_of_events")]
        numbers = chance.sample(range(len(seeds) * (self._back + 1)), count)
        return [_earlier(seeds[number % len(seeds)], number // len(seeds)) for number in numbers]

    def _keep_seeds(self, cursor: Any) -> None:
        """The first time, in tables beside: what is written later is no seed."""
        if not self._tables:
            self._tables = _tables(cursor)
            for table in self._tables:
                cursor.execute(f"CREATE TABLE seeds_of_{table} AS SELECT * FROM {table} ORDER BY event_id DESC LIMIT {self._seeds}")


def lay_history(market: Market, records: int) -> None:
    """Put so many records on the topic, as if they had been read long ago."""
    made = list(market.dividends(min(records, _CARRIER)))
    market.send(_cycle(made, records))


def skip_to_the_end(backing: Backing, ends: dict[int, int]) -> None:
    """Have the workers, none of which may run, begin at the ends of the topic."""
    for partition, end in ends.items():
        backing.sql("UPDATE partition_progress SET acked_offset = %s, committed_offset = %s WHERE `partition` = %s", end, end, partition)


def _cycle(made: Sequence[Announced], count: int) -> Iterator[Announced]:
    while count > 0:
        yield from islice(made, count)
        count -= len(made)


@contextmanager
def _bulk_session(session: Any) -> Iterator[Any]:
    """A cursor that need not be durable or replicated."""
    with session.cursor() as cursor:
        cursor.execute("SET SESSION sql_log_bin = 0, unique_checks = 0")
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        try:
            yield cursor
        finally:
            cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT COUNT(*) FROM {table}")
    return int(cursor.fetchone()[0])


def _tables(cursor: Any) -> list[str]:
    """Those that keep something of every event."""
    cursor.execute(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'event_id'"
        " AND table_name REGEXP '^event(s$|_)' ORDER BY table_name"
    )
    return [name for (name,) in cursor.fetchall() if _count(cursor, name)]


def _columns(cursor: Any, table: str) -> list[str]:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " AND generation_expression = '' ORDER BY ordinal_position",
        (table,),
    )
    return [name for (name,) in cursor.fetchall()]


def _drop_indexes(cursor: Any, table: str) -> list[str]:
    """Take the secondary indexes away. Returns what brings them back."""
    cursor.execute(
        "SELECT index_name, non_unique, GROUP_CONCAT(CONCAT('`', column_name, '`') ORDER BY seq_in_index) FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() AND table_name = %s AND index_name <> 'PRIMARY' GROUP BY index_name, non_unique",
        (table,),
    )
    found = cursor.fetchall()
    if found:
        cursor.execute(f"ALTER TABLE {table} " + ", ".join(f"DROP INDEX `{name}`" for name, *_ in found))
    return [f"ADD {'' if non_unique else 'UNIQUE '}INDEX `{name}` ({columns})" for name, non_unique, columns in found]


def _earlier(event_id: bytes, back: int) -> bytes:
    """The id of a copy. Ids begin with their time in milliseconds, so theirs move with them."""
    return (int.from_bytes(event_id[:6], "big") - back * _HOUR_MS).to_bytes(6, "big") + event_id[6:]


def _copy(table: str, columns: Sequence[str], back: int, *, turns: int, limit: int) -> str:
    """One statement: the seeds once more, ``back`` hours ago, under the ids of :func:`_earlier`."""
    earlier = f"CONV(HEX(LEFT(event_id, 6)), 16, 10) - {back * _HOUR_MS}"
    changed = {
        "event_id": f"CONCAT(UNHEX(LPAD(CONV({earlier}, 10, 16), 12, '0')), SUBSTRING(event_id, 7))",
        "source_reference": f"CONCAT(source_reference, '-{back}')",
        "key_date": f"key_date - INTERVAL {back * turns} DAY",
        **{name: f"{name} - INTERVAL {back} HOUR" for name in _MOMENTS},
    }
    names = ", ".join(f"`{name}`" for name in columns)
    values = ", ".join(changed.get(name, f"`{name}`") for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM seeds_of_{table} ORDER BY event_id LIMIT {limit}"
