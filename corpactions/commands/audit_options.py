"""Options that the commands on the audit log share."""

from __future__ import annotations

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


chosen_log: ContextVar[int | None] = ContextVar("chosen_log", default=None)
"""The log that was named before the command; None for the newest."""


def trusted_key(settings: Settings, given: str) -> Key | None:
    """The key that the caller trusts; None when he named none, and then only the log's own is left. Raises Fatal when it cannot be read."""
    from corpactions.security.published import read_key

    return read_key(given or settings.audit_trusted_key, "--key or CA_AUDIT_TRUSTED_KEY")
