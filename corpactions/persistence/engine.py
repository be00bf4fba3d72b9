"""Connections to MySQL and the translation of its errors.

Every session speaks UTC and strict SQL, reads committed data only, and gives up its locks soon after its process stops: ``wait_timeout`` ends a stopped
owner's transaction, ``innodb_lock_wait_timeout`` bounds everybody else's waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import MySQLdb
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from corpactions.domain.errors import CorporateActionsError, Fatal, Unavailable

__all__ = [
    "DATA_ERRORS",
    "RETRY_TRANSACTION",
    "Engine",
    "MysqlConfig",
    "connect",
    "error_number",
    "translate",
    "translated",
]

CONNECT_SECONDS = 5
READ_SECONDS = 30
"""Longer than any statement of ours may take; shorter than a person's patience with a hung socket."""

_UNAVAILABLE = frozenset(
    {
        *(1021, 1026, 1114),  # its disk or a table is full
        *(1040, 1203),  # too many connections
        *(1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1317),  # it shuts down, or the connection broke
        *(1205, 1213),  # lock wait time-out, deadlock
        *(1290, 1836),  # it is read-only: no longer, or not yet, the primary
        *(2002, 2003, 2005, 2006, 2012, 2013, 2055, 3169, 4031),  # the client cannot reach it, or was cut off
    }
)
_MISCONFIGURED = {
    1044: "grant the account its rights with `corpactions db accounts`",
    1045: "check CA_MYSQL_USER and CA_MYSQL_PASSWORD",
    1049: "check CA_MYSQL_DATABASE, or make it with `corpactions db accounts`",
    1054: "bring the schema up with `corpactions db upgrade`",
    1142: "grant the account its rights with `corpactions db accounts`",
    1146: "bring the schema up with `corpactions db upgrade`",
    1305: "bring the audit log's guards up with `corpactions db accounts`",
    1370: "grant the account its rights with `corpactions db accounts`",
}
"""Errors that only a person can mend, and how."""
RETRY_TRANSACTION = frozenset({1205, 1213})
"""Lock wait time-out and deadlock: nothing is wrong with server or data, the transaction is run again."""
DATA_ERRORS = frozenset({1062, 1264, 1366, 1406, 3140, 3141, 3156})
"""Errors that a single record causes: duplicate key, out of range, wrong character, too long, not JSON."""


@dataclass(frozen=True, slots=True)
class MysqlConfig:
    """Where MySQL is and who we are there."""

    host: str
    port: int
    database: str
    user: str
    password: str
    pool_size: int = 5
    wait_timeout_seconds: int = 10


def connect(config: MysqlConfig) -> Engine:
    """An engine whose sessions keep the rules above. Connects lazily: a server that is away is noticed at first use, as Unavailable."""
    url = URL.create("mysql+mysqldb", config.user, config.password, config.host, config.port, config.database, {"charset": "utf8mb4"})
    engine = create_engine(
        url,
        pool_size=config.pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "write_timeout": READ_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _session(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
                f" innodb_lock_wait_timeout = 5, wait_timeout = {int(config.wait_timeout_seconds)}"
            )

    return engine


def error_number(error: BaseException) -> int:
    """MySQL's error number behind an exception of the driver or of SQLAlchemy; 0 when there is none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    arguments = original.args if isinstance(original, MySQLdb.Error) else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


def translate(error: Exception) -> CorporateActionsError | None:
    """Unavailable when the server, not the statement, is the trouble; Fatal when a person must mend something first; None otherwise."""
    number = error_number(error)
    if number in _MISCONFIGURED:
        return Fatal(f"MySQL refuses ({_first_line(error)}); {_MISCONFIGURED[number]}")
    if isinstance(error, PoolTimeout) or number in _UNAVAILABLE or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Unavailable("mysql", _first_line(error))
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Turn connection trouble inside the block into Unavailable, misconfiguration into Fatal; every other error passes through."""
    try:
        yield
    except (MySQLdb.Error, DBAPIError, PoolTimeout) as error:
        if (better := translate(error)) is not None:
            raise better from error
        raise


def _first_line(error: Exception) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(original).splitlines()[0][:200]
