"""growth: what an event costs when there are ten thousand, a million and five million of them, side by side; and what a worker's memory does meanwhile.

Every figure is CPU time, which neighbours on the machine touch least; ``at`` holds the rates and times as well. The floor is the same figure at the smallest
size, so a ratio near 1 means that the cost does not grow.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from statistics import quantiles
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

from corpactions.domain.messages import Message
from corpactions.domain.terms import EventType
from corpactions.persistence.bulk import uuid_text
from tests.benchmarks.filling import History
from tests.benchmarks.machine import Meter, Usage, resident_mib
from tests.benchmarks.market import SYMBOLS, Announced, symbol
from tests.benchmarks.output import report
from tests.benchmarks.worker import Line, line
from tests.support.upstream import amendment, announcement, dividend

SIZES, QUICK_SIZES = (10_000, 1_000_000, 5_000_000), (10_000, 100_000)
SEEDS = 9_600
_EVENTS, _QUICK_EVENTS = 30_000, 5_000
_AMENDED = 0.25
"""The share of amendments in the mix; they are of events from the whole history."""
_CHUNK = 500
_PAGES, _QUICK_PAGES = 300, 50
_PAGE, _DEEP_PAGES, _LARGEST_PAGE = 100, 15, 500
_MEMORY_EVENTS, _QUICK_MEMORY_EVENTS, _PORTION = 1_000_000, 50_000, 10_000
MEMORY_MIB = 200.0
"""What a worker may take, however many events it has applied."""


def measure(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """Apply and list at each size, and print one line for each figure."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    with line(endpoints, 1) as started:
        started.apply(SEEDS)
        history = History(started.made.backing, SEEDS)
        started.made.start_gateway()
        for size in QUICK_SIZES if quick else SIZES:
            history.grow(size)
            started.expected = size
            for name, figures in _figures(started, history, quick=quick):
                found.setdefault(name, {})[size] = figures
            started.check()
    for name, by_size in found.items():
        smallest, *_, largest = (figures["cpu_us_per_event"]["total"] for figures in by_size.values())
        at = {str(size): figures for size, figures in by_size.items()}
        unit = "us/event" if name.startswith("apply") else "us/list"
        report(f"growth.{name}", largest, unit, smallest, less_is_better=True, at=at)


def memory(endpoints: Mapping[str, Any], *, quick: bool) -> None:
    """A worker's resident memory while it applies a million events, and at the end."""
    total = _QUICK_MEMORY_EVENTS if quick else _MEMORY_EVENTS
    with line(endpoints, 1) as started:
        sizes: list[float] = []
        for done in range(0, total, _PORTION):
            started.announce(started.market.dividends(_PORTION), _PORTION)
            started.wait_beyond(started.expected - 1)
            if (done + _PORTION) % (total // 10) == 0:
                sizes.append(round(resident_mib([started.made.workers[0].pid]), 1))
    report(
        "growth.memory",
        sizes[-1],
        "MiB",
        sizes[0],
        less_is_better=True,
        events=total,
        tenths=sizes,
        bound=MEMORY_MIB,
        within=max(sizes) < MEMORY_MIB,
    )


def _figures(started: Line, history: History, *, quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    events, pages = (_QUICK_EVENTS, _QUICK_PAGES) if quick else (_EVENTS, _PAGES)
    chance = random.Random(4711)
    yield "apply.new", _applied(started, list(started.market.dividends(events)), events)
    old = list(_events(started, history.sample(int(events * _AMENDED), chance)))
    mix = [*started.market.dividends(events - len(old)), *(_amended(started, event, chance) for event in old)]
    chance.shuffle(mix)
    yield "apply.mix", _applied(started, mix, events - len(old))
    with closing(HTTPConnection("127.0.0.1", int(started.made.gateway_url.rpartition(":")[2]), timeout=60)) as client:
        for name, queries in _lists(client, started, pages, chance):
            yield name, _timed(client, queries, started.groups)


def _applied(started: Line, records: list[Announced], new: int) -> dict[str, Any]:
    """Have them applied; only from the first commit to the last counts."""
    before = started.committed()
    with started.frozen():
        started.market.send(records)
        started.expected += new
    meter = Meter(started.groups)
    first, opened = started.wait_beyond(before), meter.read()
    last, closed = started.wait_beyond(before + len(records) - 1), meter.read()
    usage = Usage()
    usage.add(opened, closed, last - first)
    return {"events_per_s": round((last - first) / (closed.at - opened.at)), **usage.keys()}


def _events(started: Line, event_ids: Sequence[bytes]) -> Iterator[Message]:
    """Those that are there and were never amended, as they were announced."""
    for first in range(0, len(event_ids), _CHUNK):
        chunk = event_ids[first : first + _CHUNK]
        rows = started.made.sql(
            "SELECT event_id, symbol, event_type, isin, source, source_reference, key_date FROM events"
            f" WHERE event_id IN ({', '.join(['%s'] * len(chunk))}) AND revision = 1",
            *chunk,
        )
        for event_id, name, event_type, isin, source, reference, key_date in rows:
            kept = {"event_id": uuid_text(event_id), "event_type": EventType(event_type), "isin": isin}
            yield announcement(name, dividend("0.10", key_date), **kept, source=source, source_reference=reference)


def _amended(started: Line, event: Message, chance: random.Random) -> Announced:
    assert event.terms is not None
    terms = dividend(f"0.{chance.randrange(1, 10_000):04}", event.terms.key_date)
    message = amendment(event, 2, terms, isin=event.isin)
    return Announced(message.symbol.encode(), started.made.codec.encode(message))


def _lists(client: HTTPConnection, started: Line, pages: int, chance: random.Random) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The kinds of list, each with its queries."""
    symbols = [{"symbol": symbol(chance.randrange(SYMBOLS))} for _ in range(pages)]
    yield "list.symbol", symbols
    yield "list.status", [{"status": "COMPLETED"}] * pages
    oldest, newest = started.made.sql("SELECT MIN(created_at), MAX(created_at) FROM events")[0]
    yield "list.time", [_hour(oldest + chance.random() * (newest - oldest)) for _ in range(pages)]
    for name, query in (("symbol", symbols[0]), ("status", {"status": "COMPLETED"}), ("time", {"to": _text(newest)})):
        yield f"list.{name}.deep", [query | {"cursor": _deep(client, query)}] * pages


def _hour(begin: datetime) -> dict[str, str]:
    return {"from": _text(begin), "to": _text(begin + timedelta(hours=1))}


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat()


def _deep(client: HTTPConnection, query: dict[str, str]) -> str:
    """The cursor thousands of rows into a list, or at its last page."""
    cursor = _get(client, query | {"limit": "1"})["next_cursor"]
    for _ in range(_DEEP_PAGES):
        further = _get(client, query | {"limit": str(_LARGEST_PAGE), "cursor": cursor})["next_cursor"]
        if further is None:
            break
        cursor = further
    return str(cursor)


def _timed(client: HTTPConnection, queries: list[dict[str, str]], groups: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Ask one after the other; an event of ``cpu_us_per_event`` is one list."""
    seconds, rows = [], 0
    meter, usage = Meter({name: groups[name] for name in ("mysqld", "gateway")}), Usage()
    opened = meter.read()
    for query in queries:
        began = perf_counter()
        answer = _get(client, query | {"limit": str(_PAGE)})
        seconds.append(perf_counter() - began)
        rows += len(answer["items"])
    usage.add(opened, meter.read(), len(queries))
    cuts = quantiles(seconds, n=100)
    times = {"p50_ms": round(cuts[49] * 1e3, 2), "p99_ms": round(cuts[98] * 1e3, 2)}
    return {**times, "rows_per_list": round(rows / len(queries), 1), **usage.keys()}


def _get(client: HTTPConnection, query: dict[str, str]) -> dict[str, Any]:
    client.request("GET", f"/api/v1/events?{urlencode(query)}")
    response = client.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"a list answers {response.status}: {body.decode()}")
    return dict(json.loads(body))
