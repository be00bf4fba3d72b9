"""Metrics of a process, in Prometheus' text form: the only module that knows the client library.

Names are part of the product: alert rules and dashboards are built on them (infra/prometheus/rules), and a test holds the rules against what is exposed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
CHECKS = (
    *("body", "columns", "chain", "sequence", "time", "signature"),
    *("batch", "tile", "root", "key", "checkpoint", "truncated", "removal"),
)
"""Values of ``check`` that are there from the start, at zero, so that the first failure of any kind is an increase."""


class AuditState(NamedTuple):
    """How far the audit log is: its entries, and of the newest checkpoint and the newest cosigned one the size and the age in seconds. NaN: not known."""

    entries: float = math.nan
    checkpoint: float = math.nan
    checkpoint_age: float = math.nan
    witnessed: float = math.nan
    witnessed_age: float = math.nan


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter, which nobody reads
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._read = Counter("corpactions_audit_entries_read_total", "Audit entries read and verified.", registry=self._registry)
        self._failed = Counter(
            "corpactions_audit_entries_failed_total",
            "Audit entries that failed a check when they were read.",
            ["check"],
            registry=self._registry,
        )
        for check in CHECKS:
            self._failed.labels(check)
        self._entries = Gauge("corpactions_audit_log_entries", "Entries of the audit log.", registry=self._registry)
        self._size = Gauge("corpactions_audit_checkpoint_size", "Entries under the newest checkpoint.", ["kind"], registry=self._registry)
        self._age = Gauge(
            "corpactions_audit_checkpoint_age_seconds", "Seconds since the newest checkpoint.", ["kind"], registry=self._registry
        )

    def entries_read(self, count: int) -> None:
        """So many audit entries were read and verified."""
        self._read.inc(count)

    def entry_failed(self, checks: Iterable[str]) -> None:
        """An entry that was read failed these checks; each counts once."""
        for check in set(checks):
            self._failed.labels(check).inc()

    def audit_state(self, state: AuditState) -> None:
        """How far the log is now."""
        self._entries.set(state.entries)
        for kind, size, age in (("newest", state.checkpoint, state.checkpoint_age), ("witnessed", state.witnessed, state.witnessed_age)):
            self._size.labels(kind).set(size)
            self._age.labels(kind).set(age)

    def exposition(self) -> bytes:
        """All of them as text, of the type CONTENT_TYPE."""
        return generate_latest(self._registry)
