"""Whole segments in every situation that retention knows, made fast by the server itself: its rules look at numbers, times and hashes, not at what entries tell."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from corpactions.domain.audit.entry import SEGMENT
from corpactions.persistence.audit_guards import REMOVE
from tests.support.audit_database import AuditDatabase

BUNDLE = hashlib.sha256(b"manifest").digest()
"""Of the export that every segment here has on record."""
CALL = f"CALL {REMOVE}(%s, %s, %s, 'tester')"
"""Arguments: the log, the first entry, the bundle's hash."""


class Made(NamedTuple):
    """A log of one situation: how many hours over seven years its newest entry is old, and how much of it there is."""

    log_id: int
    hours: int
    entries: int


OLD = Made(1, 1, 2 * SEGMENT + 1)
YOUNG = Made(2, -1, SEGMENT + 1)
UNSEALED = Made(3, 1, SEGMENT)
PARTIAL = Made(4, 1, SEGMENT - 1)
ONE = Made(5, 1, SEGMENT + 1)


def fill(database: AuditDatabase, made: Made) -> None:
    """Write the log's rows, and an export of each segment."""
    database.sql("INSERT INTO audit_logs VALUES (%s, %s, NOW(6), NULL)", made.log_id, f"log/{made.log_id}")
    newest = database.sql("SELECT UTC_TIMESTAMP(6) - INTERVAL 7 YEAR - INTERVAL %s HOUR", made.hours)[0][0]
    with database.root.begin() as connection:
        connection.exec_driver_sql("SET SESSION cte_max_recursion_depth = 200000")
        connection.exec_driver_sql(
            "INSERT INTO audit_entries (log_id, seq, record_id, recorded_at, actor, action, resource, body)"
            " WITH RECURSIVE n (seq) AS (SELECT 0 UNION ALL SELECT seq + 1 FROM n WHERE seq + 1 < %s)"
            " SELECT %s, seq, CONCAT(%s, ':', seq), %s, 'a', 'APPLIED', 'r', CONCAT('body ', seq) FROM n",
            (made.entries, made.log_id, made.log_id, newest),
        )
    for first in range(0, made.entries, SEGMENT):
        end = min(first + SEGMENT, made.entries)
        database.sql(
            "INSERT INTO audit_batches VALUES (%s, %s, 1, %s, %s, '{}', REPEAT('b', 32), REPEAT('t', 32), 'key1', REPEAT('s', 64))",
            made.log_id,
            first,
            end,
            newest,
        )
        export(database, made.log_id, first)


def export(database: AuditDatabase, log_id: int, first: int, *, end: int | None = None, sha256: bytes = BUNDLE) -> None:
    database.sql(
        "INSERT INTO audit_exports VALUES (%s, %s, %s, %s, 'file:///bundle', UTC_TIMESTAMP(6), 'tester')",
        *(log_id, first, first + SEGMENT if end is None else end, sha256),
        account="ca_retention",
    )
