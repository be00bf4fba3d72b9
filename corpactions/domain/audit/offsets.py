"""Which records of the audit topic a log's entries stand for, as runs of offsets, and which offsets are missing among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """The offsets ``first`` to ``end`` - 1."""

    first: int
    end: int


Place = tuple[str, int]
"""A topic and one of its partitions."""
Runs = dict[Place, list[Span]]
"""For each partition the spans that entries stand for, in the order of the log."""


def runs_of(offsets: Sequence[int]) -> list[Span]:
    """Offsets in the order of the log as spans; a span ends wherever the next offset is not the one behind."""
    runs: list[Span] = []
    first = end = -1
    for offset in offsets:
        if offset != end:
            if end > first:
                runs.append(Span(first, end))
            first = offset
        end = offset + 1
    if offsets:
        runs.append(Span(first, end))
    return runs


def join_runs(runs: Runs, more: Mapping[Place, Sequence[Span]]) -> list[tuple[Place, Span]]:
    """Append a later part of the log's runs; gives the spans that step back, which no log has that takes each record once."""
    back: list[tuple[Place, Span]] = []
    for place, spans in more.items():
        known = runs.setdefault(place, [])
        for span in spans:
            if known and span.first < known[-1].end:
                back.append((place, span))
            elif known and span.first == known[-1].end:
                known[-1] = Span(known[-1].first, span.end)
            else:
                known.append(span)
    return back


def gaps(spans: Iterable[Span], begin: int, end: int) -> list[Span]:
    """What is missing of the offsets ``begin`` to ``end`` - 1."""
    missing: list[Span] = []
    at = begin
    for span in sorted(spans):
        if span.first > at:
            missing.append(Span(at, min(span.first, end)))
        at = max(at, span.end)
        if at >= end:
            return missing
    if at < end:
        missing.append(Span(at, end))
    return missing
