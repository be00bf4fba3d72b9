"""The unit of work: one transaction on one connection, and the only place that commits what a service does.

Invariant: whatever goes wrong, the connection returns to the pool without an open transaction, or does not return at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import MySQLdb
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from corpactions.domain.errors import CorporateActionsError
from corpactions.persistence.engine import DATA_ERRORS, RETRY_TRANSACTION, error_number, translate
from corpactions.ports.lifecycle import CommitUnknown, DataRefused, RunAgain

Row = Sequence[Any]


class Transaction:
    """An open transaction. Statements are text with one character per byte, built by ``persistence.bulk``; rows come back as the driver's tuples."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.committed = False

    def query(self, statement: str) -> Sequence[Row]:
        """Run a SELECT and fetch it whole."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement.encode("latin-1"))
            rows: Sequence[Row] = cursor.fetchall()
            return rows

    def run(self, statement: str) -> int:
        """Run a statement. Returns the first id it generated, if any."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement.encode("latin-1"))
            return int(cursor.lastrowid or 0)

    def commit(self) -> None:
        """Commit, durably.

        Raises:
            CommitUnknown: the connection broke before the answer.
        """
        try:
            self._connection.commit()
        except MySQLdb.Error as error:
            raise CommitUnknown(f"COMMIT got no answer: {error}") from error
        self.committed = True


@contextmanager
def begin(engine: Engine) -> Iterator[Transaction]:
    """A transaction; leaving the block without commit rolls back.

    Raises:
        RunAgain, DataRefused, Unavailable: what MySQL's error means, see those.
    """
    connection = None
    try:
        connection = engine.raw_connection()
        transaction = Transaction(connection)
        yield transaction
    except (MySQLdb.Error, DBAPIError, PoolTimeout) as error:
        if connection is not None:
            _discard(connection)
            connection = None
        raise _meaning(error) from error
    except BaseException:
        if connection is not None:
            _discard(connection)
            connection = None
        raise
    finally:
        if connection is not None:
            connection.close()


def _discard(connection: Any) -> None:
    """Close the connection for good: the server rolls back by itself, even where a ROLLBACK could no longer be sent."""
    with suppress(MySQLdb.Error, DBAPIError):
        connection.rollback()
        connection.close()
        return
    connection.invalidate()


def _meaning(error: Exception) -> Exception | CorporateActionsError:
    number = error_number(error)
    if number in RETRY_TRANSACTION:
        return RunAgain(str(error))
    if number in DATA_ERRORS:
        return DataRefused(f"MySQL refused the data ({number}): {str(error)[:300]}")
    return translate(error) or error
