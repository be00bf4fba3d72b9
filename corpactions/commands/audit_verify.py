"""`corpactions audit verify`: the whole log, or what came since a checkpoint, against everybody who knows anything of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from corpactions.commands.audit_options import AsJson, KeyOption, chosen_log, progress, trusted_key
from corpactions.domain.errors import Fatal

if TYPE_CHECKING:
    from corpactions.auditing.report import Keeper, Report, Request
    from corpactions.settings import Settings

FOUND: Final = 1
INCOMPLETE: Final = 3
"""A source that was to be asked did not answer."""
INTERRUPTED: Final = 130


def verify(
    key: KeyOption = "",
    since: Annotated[
        str,
        typer.Option(
            "--since-checkpoint", metavar="SIZE|FILE", help="Begin at a checkpoint: one that the log keeps, or a file that you kept."
        ),
    ] = "",
    first: Annotated[int, typer.Option("--from", min=0, help="First entry; begins with its segment of 65,536.")] = 0,
    end: Annotated[int | None, typer.Option("--to", min=1, help="Stop before this entry, at the end of a segment.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave out signatures, checkpoints, topic, witness or guards; may be repeated.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="How many work side by side.")] = os.cpu_count() or 1,
    state: Annotated[Path | None, typer.Option(help="Keep in this file how far it is, and go on from there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the log. Ends with status 0 when all is verified, 1 with findings, 3 when a source does not answer, 130 when interrupted."""
    from corpactions.auditing.report import SOURCES, Request
    from corpactions.auditing.verification import verify_log
    from corpactions.settings import load

    settings, left_out = load(), frozenset(without or ())
    if unknown := left_out - set(SOURCES):
        raise typer.BadParameter(f"--without {', '.join(sorted(unknown))}: there are {', '.join(SOURCES)}")
    request = Request(trusted_key(settings, key), chosen_log.get(), first, end, _since(since), processes, left_out)
    keeper = None if state is None else _keeper(state, settings, request)
    try:
        with progress("verifying", shown=not as_json) as told:
            report = verify_log(settings, request, told, keeper)
    except KeyboardInterrupt:
        print("interrupted" + (f"; the same command goes on from what {state} holds" if state else ""), file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print(json.dumps(report.document())) if as_json else _print(report)
    raise typer.Exit(FOUND if report.counts else INCOMPLETE if report.missing else 0)


def _since(text: str) -> int | bytes | None:
    if not text:
        return None
    if text.isdigit():
        return int(text)
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise Fatal(f"--since-checkpoint: {text} is no size, and no file that can be read: {error.strerror}") from error


def _keeper(path: Path, settings: Settings, request: Request) -> Keeper:
    from corpactions.auditing.report import Keeper
    from corpactions.commands.audit_state import StateFile

    question = {
        "mysql": f"{settings.mysql_host}:{settings.mysql_port}/{settings.mysql_database}",
        "log": request.log_id,
        "key": None if request.trusted is None else request.trusted.vkey,
        "from": request.first,
        "since": request.since.decode(errors="replace") if isinstance(request.since, bytes) else request.since,
        "without": sorted(request.without),
    }
    file = StateFile(path, question)
    return Keeper(file.load(), file.keep)


def _print(report: Report) -> None:
    print(headline(report))
    if report.size and (report.first, report.end) != (0, report.size):
        print(f"only entries {report.first} to {report.end - 1} of {report.size}")
    if report.removed:
        print(f"{report.removed} entries were removed at the end of their retention; their hashes are in the tree")
    if report.not_logged:
        print(f"not yet logged: {report.not_logged} records of the audit topic")
    for name, what in report.sources.items():
        print(f"  {name:<12}{what}")
    if report.findings:
        print()
    for finding in report.findings:
        print(f"{finding.check:<11}{finding.place:<26}found by {finding.found_by}: {finding.detail}")
    if (untold := sum(report.counts.values()) - len(report.findings)) > 0:
        print(f"and {untold} more findings: {', '.join(f'{count} {check}' for check, count in report.counts.items())}")


def headline(report: Report) -> str:
    """What a verification says in one line."""
    if report.counts:
        return f"audit log NOT verified: {sum(report.counts.values())} findings in {report.entries} entries of {report.origin}"
    if report.missing:
        return f"audit log not fully verified: no findings in {report.entries} entries, but no answer from: {', '.join(report.missing)}"
    return f"audit log verified: {report.entries} entries, {_signed(report)}"


def _signed(report: Report) -> str:
    """Whose word the log's end is."""
    if report.sources.get("signatures") == "left out":
        return "signatures not checked"
    if not report.checkpoints:
        return "no checkpoint"
    if not report.witnessed:
        return "checkpoint signed"
    return "checkpoint signed and witnessed" + (f" up to entry {report.witnessed - 1}" if report.witnessed < report.size else "")
