"""end_to_end.max: what two workers sustain while there is always more to do. end_to_end.latency: from a POST to its COMPLETED row at a steady rate."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any

from tests.benchmarks.bare import BareTable
from tests.benchmarks.chain import Chain
from tests.benchmarks.load import open_loop, requests
from tests.benchmarks.machine import Meter, Usage
from tests.benchmarks.market import SYMBOLS, isin, symbol
from tests.benchmarks.output import report
from tests.benchmarks.watcher import Watcher
from tests.benchmarks.worker import Floor, Interval, Line, line, report_memory

WORKERS = 2
RATE = 167
"""Events a second: ten thousand a minute."""
ROUNDS = 3
_TRIAL, _TRIALS = 15_000, 2
_MARGIN = 1.5
"""So much more than the trials' rate asks for is put on the topic, so that it does not run empty."""
_WORK_LEFT = 3_000
"""A worker with less than a few batches before it is no longer under full load."""
_STILL_SECONDS, _BREATH_SECONDS = 6.0, 0.5
_PORTION = 10_000
_CHUNK = 50_000
_POLL_SECONDS = 0.25
_CHAIN_EVENTS = 400


def maximum(endpoints: Mapping[str, Any], seconds: float) -> None:
    """Measure so long, and print end_to_end.max."""
    with line(endpoints, WORKERS) as started, closing(Floor(started, WORKERS)) as floor:
        rate = max(started.apply(_TRIAL).rate for _ in range(_TRIALS))
        _heap_up(started, int(rate * seconds * _MARGIN))
        interval, left = _sustained(started, seconds)
        usage = Usage()
        usage.add(*interval)
        took = round(interval.after.at - interval.before.at, 1)
        started.check()
        more = {"seconds": took, "backlog_left": left, **usage.keys(), "records_per_transaction": started.records_per_transaction()}
        report("end_to_end.max", interval.rate, "events/s", floor.rate(_CHUNK), **more, **floor.keys())
        report_memory("end_to_end.max", started)


def _heap_up(started: Line, count: int) -> None:
    """Have so many records wait on the topic: they are produced while the workers hold still, with a breath now and then for their heartbeats."""
    while started.expected - started.committed() < count:
        with started.frozen():
            breath = time.monotonic() + _STILL_SECONDS
            while time.monotonic() < breath and started.expected - started.committed() < count:
                started.announce(started.market.dividends(_PORTION), _PORTION)
        time.sleep(_BREATH_SECONDS)


def _sustained(started: Line, seconds: float) -> tuple[Interval, int]:
    """Watch for so long, or until one worker runs out of work. Returns what was seen, and how many records were left then."""
    meter = Meter(started.groups)
    ends = started.ends()
    first, before = started.wait_beyond(started.committed()), meter.read()
    last, after = first, before
    while after.at < before.at + seconds:
        time.sleep(_POLL_SECONDS)
        left = started.left(ends)
        if min(left.values()) < _WORK_LEFT:
            note = (
                f"end_to_end.max: the topic ran empty after {after.at - before.at:.1f} of {seconds:g} s; the trial was slower than the rest"
            )
            print(note, file=sys.stderr)
            break
        last, after = started.expected - sum(left.values()), meter.read()
    if last == first:
        raise RuntimeError(f"the topic ran empty at once: the figure would mean nothing\n{started.made.logs()}")
    return Interval(before, after, last - first), started.expected - last


def latency(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """Measure and print end_to_end.latency."""
    seconds = 3.0 if quick else 8.0
    with line(endpoints, WORKERS) as started:
        gateway_port = _start_gateway(started)
        usage = Usage()
        found: list[float] = []
        floors: list[float] = []
        prepared = _announcements()
        with (
            closing(Chain(started.made, next(started.market.dividends(1)))) as chain,
            closing(BareTable(started.made.backing, statement_rows=1)) as table,
        ):
            _post(started, gateway_port, prepared, 1.0)
            for _ in range(ROUNDS):
                meter = Meter(started.groups)
                before = meter.read()
                taken = _post(started, gateway_port, prepared, seconds)
                usage.add(before, meter.read(), len(taken))
                found += taken
                for statements in table.copied(_CHUNK):
                    floors += chain.run(statements[-_CHAIN_EVENTS:], table)
        for percent in (50, 95, 99):
            value, floor = (quantiles(series, n=100)[percent - 1] * 1000 for series in (found, floors))
            report(f"end_to_end.latency.p{percent}_at_{RATE}", value, "ms", floor, less_is_better=True, events=len(found), **usage.keys())
        report_memory("end_to_end.latency", started)


def _start_gateway(started: Line) -> int:
    started.made.start_gateway()
    return int(started.made.gateway_url.rpartition(":")[2])


def _post(started: Line, port: int, prepared: Iterator[tuple[str, bytes]], seconds: float) -> list[float]:
    """Announce at the steady rate: for each event the seconds from its sending to its COMPLETED row, as another connection sees it."""
    with Watcher(started.made.backing) as watcher:
        _, statuses = open_loop(port, requests("/api/v1/events", watcher.watched(prepared), lambda: str(uuid.uuid4())), RATE, seconds)
        if wrong := [status for status in statuses if status != 201]:
            raise RuntimeError(f"{len(wrong)} of {len(statuses)} answers were not 201: {sorted(set(wrong))}\n{started.made.logs()}")
        started.expected += len(statuses)
        return watcher.latencies(len(statuses))


def _announcements() -> Iterator[tuple[str, bytes]]:
    """Source references and submissions without end."""
    today = datetime.now(UTC).date()
    isins = [isin(number) for number in range(SYMBOLS)]
    for number in range(SYMBOLS * 1000):
        turn, security = divmod(number, SYMBOLS)
        reference, day = f"REST-{number:08}", (today + timedelta(days=30 + turn)).isoformat()
        payload = {"amount_per_share": "0.25", "currency": "USD", "ex_date": day, "record_date": day}
        event = {"event_type": "DIVIDEND", "symbol": symbol(security), "isin": isins[security], "source_reference": reference}
        yield reference, json.dumps(event | {"payload": payload}).encode()
