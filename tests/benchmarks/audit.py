"""audit.append, audit.growth, end_to_end.audited: from records on the audit topic to signed entries under a witnessed checkpoint.

The consumer is frozen while records are produced, so that nothing but its own work lies in the interval. The floor writes the very same rows again by bare
statements, one connection, every statement durable by itself.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from corpactions.auditing.report import Request
from corpactions.auditing.verification import verify_log
from corpactions.settings import Settings
from tests.benchmarks.bare import BareTable, Copied
from tests.benchmarks.flame import Flames
from tests.benchmarks.machine import Meter, Usage, listener, resident_mib
from tests.benchmarks.output import report
from tests.benchmarks.worker import Line, line
from tests.support.audit_records import AuditRecords
from tests.support.auditing import Auditing, auditing
from tests.support.product import Process, product

_ENTRIES, _QUICK_ENTRIES = 100_000, 15_000
_ROUNDS: Final = 3
_GROWN, _QUICK_GROWN = 2_000_000, 60_000
_PORTIONS: Final = 10
_STARTS: Final = 3
_WARM_UP: Final = 2_001
_AUDITED, _QUICK_AUDITED = 60_000, 15_000
_PATIENCE_SECONDS: Final = 900.0
_POLL_SECONDS: Final = 0.02
ENTRIES: Final = Copied("audit_entries", "seq", -1, ("seq",))


class Appending:
    """One audit consumer with a witness, fed by hand."""

    def __init__(self, log: Auditing) -> None:
        self.log = log
        self._records = AuditRecords(log.made)
        self._sent = 0
        log.start_witness()
        self.consumer: Process = log.start()
        log.wait_for(1)
        endpoints = log.made.endpoints
        mysqld, kafka = listener(endpoints["mysql"]["port"]), listener(int(endpoints["kafka"].rpartition(":")[2]))
        self.servers = {"mysqld": [mysqld], "kafka": [kafka]}

    @property
    def groups(self) -> dict[str, list[int]]:
        """The processes, by what they are."""
        witness = [] if self.log.witness is None else [self.log.witness.pid]
        return {**self.servers, "audit": [self.consumer.pid], "witness": witness}

    def append(self, count: int, usage: Usage) -> float:
        """Put so many records on the topic and watch them become entries; entries a second between the first batch stored and the last."""
        before = self.log.size
        self.consumer.send(signal.SIGSTOP)
        self.log.send(self._records.messages(self._sent, count))
        self._sent += count
        self.consumer.send(signal.SIGCONT)
        meter = Meter(self.groups)
        first = self._beyond(before)
        opened = meter.read()
        last = self._beyond(before + count - 1)
        closed = meter.read()
        usage.add(opened, closed, last - first)
        return (last - first) / (closed.at - opened.at)

    def _beyond(self, size: int) -> int:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (found := self.log.size) <= size:
            if time.monotonic() > deadline or not self.consumer.running:
                raise RuntimeError(f"the log stands still at {found} of {size + 1} entries:\n{self.log.logs()}")
            time.sleep(_POLL_SECONDS)
        return found


@contextmanager
def appending(endpoints: Mapping[str, Any]) -> Iterator[Appending]:
    """An audit log of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        yield Appending(stack.enter_context(auditing(stack.enter_context(product(endpoints, folder)))))


def append(endpoints: Mapping[str, Any], flames: Flames, *, quick: bool) -> None:
    """Measure and print audit.append."""
    count = _QUICK_ENTRIES if quick else _ENTRIES
    usage, rates, floors = Usage(), [], []
    with appending(endpoints) as made, closing(BareTable(made.log.made.backing, copied=ENTRIES)) as table:
        made.append(_WARM_UP, Usage())
        _bare(table, count)
        for _ in range(_ROUNDS):
            rates.append(made.append(count, usage))
            floors.append(_bare(table, count))
        if flames:
            with flames.of("audit.append", [made.consumer.pid]):
                made.append(count, Usage())
        per_batch = made.log.rows("SELECT AVG(size - first_seq) FROM audit_batches WHERE first_seq > 0")[0][0]
        more: dict[str, Any] = {"rounds": [round(rate) for rate in rates], "floor_rounds": [round(rate) for rate in floors]}
        report(
            "audit.append", median(rates), "entries/s", median(floors), **usage.keys(), entries_per_batch=round(float(per_batch)), **more
        )
        report("audit.append.memory", resident_mib([made.consumer.pid]), "MiB")


def _bare(table: BareTable, chunk: int) -> float:
    """Rows a second of the bare statements for everything appended since the last call."""
    seconds, rows = 0.0, 0
    for statements in table.copied(chunk):
        seconds += table.insert(statements)
        rows += len(statements) * table.statement_rows
    return rows / seconds


def growth(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """Memory and cost per entry while the log grows, and how long a writer takes to start behind all of it."""
    portion = (_QUICK_GROWN if quick else _GROWN) // _PORTIONS
    with appending(endpoints) as made:
        at: dict[str, Any] = {}
        for _ in range(_PORTIONS):
            usage = Usage()
            rate = made.append(portion, usage)
            at[str(made.log.size)] = {"entries_per_second": round(rate), "mib": round(resident_mib([made.consumer.pid]), 1), **usage.keys()}
        costs = [figures["cpu_us_per_event"]["total"] for figures in at.values()]
        report("audit.growth", costs[-1], "us/entry", costs[0], less_is_better=True, at=at)
        starts = [_start(made) for _ in range(_STARTS)]
        report("audit.growth.start", median(starts), "s", entries=made.log.size, rounds=[round(seconds, 2) for seconds in starts])


def _start(made: Appending) -> float:
    """From starting a writer to its first batch."""
    made.consumer.kill()
    before = made.log.size
    made.log.send(made._records.messages(made._sent, 10))
    made._sent += 10
    began = time.monotonic()
    made.consumer = made.log.start()
    made._beyond(before)
    return time.monotonic() - began


def audited(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """end_to_end.audited: two workers, the audit consumer and its witness at once: from announcements on the topic to entries that verify."""
    count = _QUICK_AUDITED if quick else _AUDITED
    with line(endpoints, 2) as started, auditing(started.made) as log:
        log.start_witness()
        consumer = log.start()
        started.apply(_WARM_UP)
        _logged(log, started.expected)
        meter = Meter({**started.groups, "audit": [consumer.pid]})
        with started.frozen():
            started.announce(started.market.dividends(count), count)
        first = started.wait_beyond(started.expected - count)
        before = meter.read()
        started.wait_beyond(started.expected - 1)
        applied = meter.read()
        _logged(log, started.expected)
        after = meter.read()
        log.wait_for_witness(log.size)
        usage = Usage()
        usage.add(before, after, started.expected - first)
        events = started.expected - first
        report(
            "end_to_end.audited",
            events / (after.at - before.at),
            "events/s",
            applied_per_second=round(events / (applied.at - before.at)),
            verified=_verified(started, log),
            **usage.keys(),
        )


def _logged(log: Auditing, events: int) -> None:
    log.wait_for(events + 1, _PATIENCE_SECONDS)


def _verified(started: Line, log: Auditing) -> bool:
    """Whether rows, topics and witness agree; the guards are installed with the accounts, which these servers do not have."""
    environment = started.made.environment("ca_operator") | log.settings
    fields = {
        name[3:].lower(): value
        for name, value in environment.items()
        if name.startswith("CA_") and name[3:].lower() in Settings.model_fields
    }
    found = verify_log(Settings.model_validate(fields), Request(trusted=log.key, without=frozenset({"guards"})), lambda _more, _total: None)
    if found.findings or found.missing:
        print(f"the log does not verify: {found.findings[:3]} {found.missing}", file=sys.stderr)
    return found.verified and found.not_logged == 0
