"""The floor under the worker: the rows that it wrote, written again by bare statements, and the records that it read, read again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from corpactions.persistence import bulk
from corpactions.persistence.engine import connect
from tests.support.gateway import Backing

STATEMENT_ROWS = 1000
_IDLE_SECONDS = 30.0
_SESSION_SECONDS = 3600
"""The bare connections are idle while the workers work."""


class Copied(NamedTuple):
    """A table whose rows are written again: its key, by which they are read, and the columns that give the order in which the product wrote them."""

    table: str = "events"
    key: str = "event_id"
    before_first: object = b""
    order: tuple[str, ...] = ("completed_at", "symbol")


class BareTable:
    """A table like one of the product's, indexes and all, filled through connections with the product's own session settings; every statement is durable by itself.

    ``CREATE TABLE … LIKE`` keeps it true to the real one whatever becomes of that.
    """

    def __init__(self, backing: Backing, connections: int = 1, statement_rows: int = STATEMENT_ROWS, copied: Copied | None = None) -> None:
        self._copied = copied or Copied()
        self._floor = f"{self._copied.table}_floor"
        self.statement_rows = statement_rows
        self._engine = connect(replace(backing.mysql_config(), pool_size=connections, wait_timeout_seconds=_SESSION_SECONDS))
        self._sessions = [self._engine.raw_connection() for _ in range(connections)]
        self._reader = backing.connection()
        self._last = self._copied.before_first
        self._order: int | None = None
        for session in self._sessions:
            _driver(session).autocommit(True)
        backing.sql(f"CREATE TABLE {self._floor} LIKE {self._copied.table}")

    def copied(self, limit: int) -> Iterator[list[bytes]]:
        """Statements that write the next rows again, in the order in which the product wrote them; at most ``limit`` rows at a time."""
        while rows := self._next_rows(limit):
            head = bulk.insert(self._floor, self._columns)
            literals = [bulk.row(*map(_literal, values)) for values in rows]
            yield [
                (head + ",".join(literals[start : start + self.statement_rows])).encode("latin-1")
                for start in range(0, len(literals), self.statement_rows)
            ]

    def _next_rows(self, limit: int) -> list[tuple[Any, ...]]:
        table, key, _, order = self._copied
        with self._reader.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} WHERE {key} > %s ORDER BY {key} LIMIT %s", (self._last, limit))
            self._columns = [column[0] for column in cursor.description]
            rows: list[tuple[Any, ...]] = list(cursor.fetchall())
        if rows:
            self._last = rows[-1][self._columns.index(key)]
        places = [self._columns.index(name) for name in order]
        return sorted(rows, key=lambda values: tuple(values[place] for place in places))

    def insert(self, statements: Sequence[bytes]) -> float:
        """Run the statements, spread over the connections. Returns the seconds taken."""
        count = len(self._sessions)
        with ThreadPoolExecutor(count) as threads:
            started = time.perf_counter()
            list(threads.map(_run, self._sessions, [statements[number::count] for number in range(count)]))
            return time.perf_counter() - started

    def run(self, statement: bytes) -> None:
        """Run one statement on the first connection; it is durable when this returns."""
        _run(self._sessions[0], [statement])

    def close(self) -> None:
        """Close the connections; the table goes with its database."""
        for session in self._sessions:
            session.close()
        self._reader.close()
        self._engine.dispose()


def consume(bootstrap: str, topic: str, starts: dict[int, int], count: int) -> float:
    """Read ``count`` records from these offsets on and do nothing with them. Returns the seconds taken from the first to the last."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 2,
            "enable.metrics.push": False,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])
        found = len(consumer.consume(1, _IDLE_SECONDS))
        started = time.perf_counter()
        while found < count:
            batch = consumer.consume(min(STATEMENT_ROWS, count - found), _IDLE_SECONDS)
            if not batch:
                raise RuntimeError(f"{topic} gave {found} of {count} records")
            found += len(batch)
        return time.perf_counter() - started
    finally:
        consumer.close()


def _driver(session: Any) -> Any:
    """The driver's own connection below SQLAlchemy's."""
    return session.driver_connection


def _run(session: Any, statements: Sequence[bytes]) -> None:
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _literal(value: object) -> str:
    """What the driver read, as the literal that the worker's statements have for it."""
    if value is None:
        return bulk.NULL
    if isinstance(value, bytes):
        return bulk.blob(value)
    if isinstance(value, str):
        return bulk.text(value)
    if isinstance(value, datetime):
        return bulk.moment(value)
    if isinstance(value, date):
        return bulk.day(value)
    assert isinstance(value, int), f"a column of a kind that no statement of the worker has: {value!r}"
    return bulk.number(value)
