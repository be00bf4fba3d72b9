"""audit.verify and audit.page: what it costs to verify a log of many entries, and a page of a hundred.

The floor of the first reads the same bodies and hashes each of them, nothing else; that of the second reads the same pages and verifies nothing.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from statistics import median
from typing import Any, Final

from corpactions.auditing.access import AuditAccess
from corpactions.auditing.report import SOURCES, Request
from corpactions.auditing.verification import verify_log
from corpactions.persistence.audit_reading import AuditReader
from corpactions.settings import Settings
from tests.benchmarks.output import report
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_log import LogMaker

_ENTRIES, _QUICK_ENTRIES = 400_000, 40_000
_ROUNDS: Final = 3
_PAGES, _PAGE = 40, 100


def verify(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """Entries a second on one core, without and with signatures, and on all cores."""
    with audit_database(endpoints) as database:
        maker = LogMaker(database.engine("ca_audit"))
        maker.grow(_QUICK_ENTRIES if quick else _ENTRIES)
        maker.checkpoint()
        settings, rest = _settings(database, maker), frozenset(SOURCES) - {"signatures"}
        floor = _best(maker.size, lambda: _hash_all(AuditReader(database.engine("ca_operator")), maker.size))[0]
        for name, without, processes in (
            ("audit.verify", rest | {"signatures"}, 1),
            ("audit.verify.signed", rest, 1),
            ("audit.verify.cores", rest, os.cpu_count() or 1),
        ):
            request = Request(maker.signers[0].key, processes=processes, without=without)
            rate, core = _best(maker.size, lambda request=request: _verify(settings, request))  # type: ignore[misc] # called at once
            # Of other processes, the CPU time is not ours to see.
            more: dict[str, Any] = {"per_core_second": round(core)} if processes == 1 else {}
            report(name, rate, "entries/s", floor * processes, processes=processes, entries=maker.size, **more)


def page(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """Milliseconds for a page of a hundred entries from all over a log, each page another one, and for the newest hundred."""
    with audit_database(endpoints) as database:
        maker = LogMaker(database.engine("ca_audit"))
        maker.grow(_QUICK_ENTRIES if quick else _ENTRIES // 2)
        maker.checkpoint()
        access, dice = AuditAccess(_settings(database, maker)), random.Random(1)
        scattered = [dice.sample(range(maker.size), _PAGE) for _ in range(_PAGES)]
        newest = [range(maker.size - _PAGE - shift, maker.size - shift) for shift in range(_PAGES)]
        for name, pages in (("audit.page", scattered), ("audit.page.newest", newest)):
            bare = median(_milliseconds(lambda numbers=numbers: access.reader.entries_at(1, numbers)) for numbers in pages)  # type: ignore[misc]
            times = [_milliseconds(lambda numbers=numbers: _read(access, numbers)) for numbers in pages]  # type: ignore[misc]
            verifying = median(times) - bare
            report(name, median(times), "ms", bare, less_is_better=True, verifying_ms=round(verifying, 1), first_ms=round(times[0], 1))


def _settings(database: AuditDatabase, maker: LogMaker) -> Settings:
    mysql = database.config("ca_operator")
    return Settings(
        mysql_host=mysql.host,
        mysql_port=mysql.port,
        mysql_database=mysql.database,
        mysql_user=mysql.user,
        mysql_password=mysql.password,
        audit_trusted_key=maker.signers[0].key.vkey,
    )


def _verify(settings: Settings, request: Request) -> None:
    done = verify_log(settings, request, lambda _count, _total: None)
    assert done.verified, done.findings


def _read(access: AuditAccess, numbers: Any) -> None:
    assert access.entries(numbers).verdict.verified


def _hash_all(reader: AuditReader, size: int) -> None:
    for row in reader.entries(1, 0, size):
        sha256(b"\x00" + row[1]).digest()


def _best(entries: int, work: Callable[[], None]) -> tuple[float, float]:
    """Entries a second by the clock, and by this process's own time on a core: the best of some rounds."""
    rates = []
    for _ in range(_ROUNDS):
        started, spent = time.perf_counter(), time.process_time()
        work()
        rates.append((entries / (time.perf_counter() - started), entries / (time.process_time() - spent)))
    return max(rate for rate, _ in rates), max(core for _, core in rates)


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1_000
