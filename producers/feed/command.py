"""`corpactions feed FILE…`: corporate actions from files to the events topic, as an upstream system would write them.

Exit status: 0 everything was sent; 1 some lines were rejected, all others sent; 2 a file or an argument is unusable; 3 Kafka or the registry does not answer.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Final, TextIO

import typer

from corpactions.domain.errors import Unavailable
from corpactions.system import SystemClock, SystemIdSource
from producers.feed.feeder import Counts, Feeder, TopicWriter
from producers.feed.progress import progress
from producers.feed.reader import Format, UnusableFile, read
from producers.feed.report import Ending, FileResult, RejectReport, summary_json, summary_text

app = typer.Typer(help="Publish files of corporate actions.")

SOME_REJECTED: Final = 1
UNUSABLE: Final = 2
AWAY: Final = 3
STDIN: Final = "-"


@app.command(no_args_is_help=True)
def feed(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="CSV or NDJSON files; - reads standard input.", show_default=False)],
    *,
    file_format: Annotated[Format | None, typer.Option("--format", help="Format of the files; by default their extension tells.")] = None,
    source: Annotated[str | None, typer.Option(help="Source of lines that name none.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Also write rejected lines to this file, one JSON object a line.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the lines and send nothing; needs no server.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Publish corporate actions, one from each line, with ids that depend on the announcement alone: feeding a file twice changes nothing.

    Lines that break a rule are reported on standard error with field, value, reason and mend; all other lines are sent.
    """
    logging.getLogger("corpactions").addHandler(logging.NullHandler())  # what matters of the client library's log comes back as an error
    formats = {file: file_format or _format_of(file) for file in files}
    with ExitStack() as stack:
        report = RejectReport(sys.stderr, None if rejects is None else stack.enter_context(_created(rejects)))
        try:
            writer = None if dry_run else _writer()
        except Unavailable as error:
            print(f"{error}; nothing was sent", file=sys.stderr)
            raise typer.Exit(AWAY) from None
        results: list[FileResult] = []
        for file, its_format in formats.items():
            results.append(feed_file(file, its_format, writer, report, source))
            if results[-1].ending is Ending.AWAY:
                print("feed the same files again when it is back: what was already sent changes nothing", file=sys.stderr)
                break
    print(summary_json(results, dry_run=dry_run) if as_json else summary_text(results, dry_run=dry_run))
    raise typer.Exit(exit_status(results))


def feed_file(file: str, its_format: Format, writer: TopicWriter | None, report: RejectReport, default_source: str | None) -> FileResult:
    """Feed one file to its end, or as far as it goes; trouble that ends it is part of the result."""
    clock, counts = SystemClock(), Counts()
    started = clock.monotonic()
    report.start(file)
    ending, error = Ending.COMPLETE, None
    try:
        with _opened(file) as stream, progress(file, _size(stream), clock) as tell:

            def on_window(so_far: Counts) -> None:
                tell(so_far, stream.tell() if stream.seekable() else 0)

            Feeder(writer, clock, SystemIdSource(), report.rejected, on_window).feed(read(stream, its_format), counts, default_source)
    except (UnusableFile, OSError) as trouble:
        ending, error = Ending.UNUSABLE, str(trouble)
    except Unavailable as trouble:
        ending, error = Ending.AWAY, str(trouble)
    return FileResult(file, counts, clock.monotonic() - started, ending, error)


def exit_status(results: Iterable[FileResult]) -> int:
    """The command's exit status: the gravest of the files' endings decides."""
    endings = {result.ending for result in results}
    if Ending.AWAY in endings:
        return AWAY
    if Ending.UNUSABLE in endings:
        return UNUSABLE
    return SOME_REJECTED if any(result.counts.rejected for result in results) else 0


def _format_of(file: str) -> Format:
    extension = Path(file).suffix.lower()
    if extension == ".csv":
        return Format.CSV
    if extension in {".ndjson", ".jsonl"}:
        return Format.NDJSON
    print(f"{file}: the name does not tell the format; give --format csv or --format ndjson", file=sys.stderr)
    raise typer.Exit(UNUSABLE)


def _created(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        print(f"{path}: {error.strerror}; choose another place for --rejects", file=sys.stderr)
        raise typer.Exit(UNUSABLE) from None


def _writer() -> TopicWriter:
    from corpactions.settings import load
    from producers.feed.wiring import open_writer

    return open_writer(load(), SystemClock())


def _opened(file: str) -> IO[bytes]:
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb") if file == STDIN else Path(file).open("rb")


def _size(stream: IO[bytes]) -> int | None:
    return os.fstat(stream.fileno()).st_size if stream.seekable() else None
