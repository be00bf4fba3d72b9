"""How far a feed has come, on standard error: a bar where a person watches, a line now and then where a log is written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from corpactions.ports import Clock
from producers.feed.feeder import Counts

LOG_SECONDS: Final = 5.0
Tell = Callable[[Counts, int], None]
"""Called with the counts and the bytes read so far."""


@contextmanager
def progress(file: str, total_bytes: int | None, clock: Clock) -> Iterator[Tell]:
    """Show the progress of one file. ``total_bytes`` None means that the end is not known, as with standard input."""
    if not sys.stderr.isatty():
        yield _log(file, clock)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(file, total=total_bytes, told="")

        def tell(counts: Counts, done: int) -> None:
            bars.update(bar, completed=done, told=f"{counts.sent:,} sent, {counts.rejected:,} rejected")

        yield tell


def _log(file: str, clock: Clock) -> Tell:
    last = clock.monotonic()

    def tell(counts: Counts, _done: int) -> None:
        nonlocal last
        if clock.monotonic() - last >= LOG_SECONDS:
            last = clock.monotonic()
            print(f"{file}: {counts.lines:,} lines read, {counts.sent:,} sent, {counts.rejected:,} rejected", file=sys.stderr, flush=True)

    return tell
