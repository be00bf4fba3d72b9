"""The built-in security master: the table ``securities``, loaded from files and asked by the worker.

A row says what holds for a symbol from ``valid_from`` on; the answer for a day is the row with the greatest ``valid_from`` on or before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError

from corpactions.domain.errors import Unavailable
from corpactions.persistence.engine import error_number, translated
from corpactions.persistence.tables import SecurityRow
from corpactions.ports.securities import Lookup, Security, SecurityKey

LOAD_ROWS = 1_000
"""Rows of one INSERT: far below ``max_allowed_packet``, and a lock that nobody notices."""
LOOKUP_KEYS = 1_000
_QUERY_TIMED_OUT = 3024

# One row per key through the primary key, whatever the number of keys: they travel as one JSON parameter and the statement's text never changes.
_LOOKUP = text(
    "SELECT /*+ MAX_EXECUTION_TIME(4000) */ k.n, s.isin, s.currency, s.status, s.successor, s.reference_price"
    " FROM JSON_TABLE(:keys, '$[*]' COLUMNS (n FOR ORDINALITY,"
    " symbol VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]', day DATE PATH '$[1]')) AS k"
    " JOIN LATERAL (SELECT isin, currency, status, successor, reference_price FROM securities"
    " WHERE securities.symbol = k.symbol AND valid_from <= k.day ORDER BY valid_from DESC LIMIT 1) AS s"
)


class SecurityFact(NamedTuple):
    """What is known of a security from a day on."""

    valid_from: date
    security: Security


def load(engine: Engine, facts: Iterable[SecurityFact]) -> int:
    """Write facts into the table, replacing what was known for the same symbol and day; the same file again changes nothing.

    Each batch is a transaction of its own, so an interrupted load is simply run again.

    Returns:
        The number of facts written.

    Raises:
        Unavailable: MySQL does not answer.
    """
    remaining, written = iter(facts), 0
    while batch := list(islice(remaining, LOAD_ROWS)):
        statement = insert(SecurityRow).values([_row(fact) for fact in batch])
        replaced = {name: statement.inserted[name] for name in ("isin", "currency", "status", "successor", "reference_price")}
        with translated(), engine.begin() as connection:
            connection.execute(statement.on_duplicate_key_update(replaced))
        written += len(batch)
    return written


class MysqlSecurityMaster:
    """Answers from the table ``securities`` with one query per batch."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        """One answer for every key; the table answers for all or for none.

        Raises:
            Unavailable: MySQL does not answer, or not in time.
        """
        wanted = list(dict.fromkeys(keys))
        answers: dict[SecurityKey, Lookup] = {}
        for start in range(0, len(wanted), LOOKUP_KEYS):
            answers.update(self._query(wanted[start : start + LOOKUP_KEYS]))
        return answers

    def _query(self, keys: list[SecurityKey]) -> dict[SecurityKey, Lookup]:
        parameter = json.dumps([(key.symbol, key.day.isoformat()) for key in keys])
        try:
            with translated(), self._engine.connect() as connection:
                rows = connection.execute(_LOOKUP, {"keys": parameter}).all()
        except DBAPIError as error:
            if error_number(error) == _QUERY_TIMED_OUT:
                raise Unavailable("mysql", "the look-up of securities took longer than 4 seconds") from error
            raise
        answers: dict[SecurityKey, Lookup] = dict.fromkeys(keys)
        for number, isin, currency, status, successor, price in rows:
            key = keys[number - 1]
            answers[key] = Security(key.symbol, isin, currency, status, successor, price)
        return answers


def _row(fact: SecurityFact) -> dict[str, object]:
    known = fact.security
    return {
        "symbol": known.symbol,
        "valid_from": fact.valid_from,
        "isin": known.isin,
        "currency": known.currency,
        "status": known.status,
        "successor": known.successor,
        "reference_price": known.reference_price,
    }
