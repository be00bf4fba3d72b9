"""Verifying a log's segments side by side: each in a process of its own that reads its part of the database, the results in order.

Workers hold nothing between segments but their connection, and leave an interrupt to the process that started them.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.offsets import Span
from corpactions.domain.audit.ranges import CheckpointNote, Range, RangeResult, Rules
from corpactions.domain.audit.verification import RangeVerifier
from corpactions.persistence.audit_reading import AuditReader
from corpactions.settings import Settings

Told = Callable[[int], None]
"""Told how many more entries have been read."""
_AHEAD = 2
"""Segments that wait for a process, for each process: results come in order, and the memory stays small."""


class Plan(NamedTuple):
    """What is to be verified of a log, and against what.

    Args:
        log_id: the log's number.
        first: a multiple of 65,536.
        end: the log's size, or a multiple of 65,536 below it.
        size: the log's size.
        notes: checkpoints that others than the database keep.
        removed: segments whose entries may be missing, by their first entry.
        kept_checkpoints: whether those in the database are looked at.
    """

    log_id: int
    first: int
    end: int
    size: int
    notes: Sequence[CheckpointNote]
    removed: Mapping[int, Span]
    kept_checkpoints: bool = True


def verify_ranges(settings: Settings, rules: Rules, plan: Plan, processes: int, told: Told) -> Iterator[RangeResult]:
    """The results of a plan's segments, in order.

    Raises:
        Unavailable: MySQL does not answer.
    """
    starts = range(plan.first, plan.end, SEGMENT)
    if processes == 1 or len(starts) < 2:
        reader = AuditReader(build_engine(settings, pool_size=1))
        yield from (_verify(reader, rules, _part(plan, first), told) for first in starts)
        return
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(processes, len(starts)), context, _begin, (settings, rules))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        waiting: deque[Future[RangeResult]] = deque()
        for first in starts:
            waiting.append(pool.submit(_work, _part(plan, first)))
            if len(waiting) >= processes * _AHEAD:
                yield _told(waiting.popleft().result(), told)
        while waiting:
            yield _told(waiting.popleft().result(), told)


def _told(result: RangeResult, told: Told) -> RangeResult:
    told(result.end - result.first)
    return result


def _part(plan: Plan, first: int) -> Plan:
    """One segment of a plan."""
    end = min(first + SEGMENT, plan.end)
    notes = [note for note in plan.notes if first < note.size <= end]
    removed = {start: span for start, span in plan.removed.items() if start == first}
    return plan._replace(first=first, end=end, notes=notes, removed=removed)


def _verify(reader: AuditReader, rules: Rules, part: Plan, told: Told) -> RangeResult:
    log_id, first, end = part.log_id, part.first, part.end
    kept = reader.checkpoints(log_id, first, end) if part.kept_checkpoints else []
    last = end == part.size
    known = Range(
        first,
        end,
        reader.batches(log_id, first, end),
        reader.stored_tiles(log_id, first, None if last else end),
        [*kept, *part.notes],
        list(part.removed.values()),
    )
    verifier = RangeVerifier(rules, known)
    verifier.feed(_counted(reader.entries(log_id, first, end), told))
    return verifier.finish()


def _counted(rows: Iterator[Sequence[object]], told: Told) -> Iterator[Sequence[object]]:
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        if count % SHOWN == 0:
            told(SHOWN)
    told(count % SHOWN)


SHOWN = 8_192
"""Entries between two moves of a progress bar."""

_reader: AuditReader
_rules: Rules


def _begin(settings: Settings, rules: Rules) -> None:
    """A worker process begins."""
    global _reader, _rules
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reader, _rules = AuditReader(build_engine(settings, pool_size=1)), rules


def _work(part: Plan) -> RangeResult:
    return _verify(_reader, _rules, part, lambda _count: None)
