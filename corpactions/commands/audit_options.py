"""Options that the commands on the audit log share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from corpactions.domain.audit.notes import Key
    from corpactions.settings import Settings

KeyOption = Annotated[
    str,
    typer.Option(
        "--key", metavar="VKEY|FILE", help="The key that you trust, had from elsewhere than this log. By default CA_AUDIT_TRUSTED_KEY."
    ),
]
LogOption = Annotated[int | None, typer.Option("--log", min=1, help="Which log, after one was closed for damage. By default the newest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


Pinned = Annotated[
    str,
    typer.Option("--key", metavar="VKEY|FILE", help="The log's key that you trust, had from elsewhere than this file.", show_default=False),
]
WitnessOption = Annotated[
    str, typer.Option("--witness", metavar="VKEY|FILE", help="The witness's key; without it only the log's own word counts.")
]

chosen_log: ContextVar[int | None] = ContextVar("chosen_log", default=None)
"""The log that was named before the command; None for the newest."""


def trusted_key(settings: Settings, given: str) -> Key | None:
    """The key that the caller trusts; None when he named none, and then only the log's own is left. Raises Fatal when it cannot be read."""
    from corpactions.security.published import read_key

    return read_key(given or settings.audit_trusted_key, "--key or CA_AUDIT_TRUSTED_KEY")


def given_key(given: str) -> Key:
    """The key of a command that cannot do without. Raises Fatal when it cannot be read."""
    from corpactions.security.published import read_key

    key = read_key(given, "--key")
    if key is None:
        raise typer.BadParameter("--key: the log's public key is needed: a vkey, or a file with it")
    return key


@contextmanager
def progress(doing: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error, nothing elsewhere; to be told how many more are done, and how many there are in all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("entries"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task(doing, total=None)

        def told(count: int, total: int) -> None:
            bar.update(task, advance=count, total=total)

        yield told
