"""The command line's root: finds its commands by entry point and loads a module only when its command is called.

Any package may add a command by an entry point in the group ``corpactions.commands``; nothing here knows them by name. Whatever a command raises of our
own errors becomes one line on stderr and an exit status, never a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from corpactions.domain.errors import CorporateActionsError, Fatal, Unavailable

GROUP: Final = "corpactions.commands"
EXIT_REFUSED: Final = 1
"""The input, or something that the command examined, is wrong. 2 is a wrong command line."""
EXIT_UNAVAILABLE: Final = 3
"""A server does not answer; the same command may work later."""
EXIT_FATAL: Final = 4
"""Configuration or state is wrong; a person must mend it first."""


class _LazyGroup(TyperGroup):
    """Commands by entry point. One whose package is not installed (an image of one service, say) is not there; the others work."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's signature
        return sorted(entry_points(group=GROUP).names)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class's signature
        for point in entry_points(group=GROUP, name=cmd_name):
            command = _load(point)
            if command is not None:
                command.name = cmd_name
            return command
        return None


app = typer.Typer(
    cls=_LazyGroup,
    name="corpactions",
    help="Corporate actions: set up the topics, schemas and database, feed announcements, look at events and decide on them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Makes the root a group although no command is declared here."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 refused, 2 wrong usage, 3 a server is away, 4 something must be mended first, 130 interrupted."""
    try:
        get_command(app)(args=arguments, prog_name="corpactions")
    except CorporateActionsError as error:
        print(f"corpactions: {error}", file=sys.stderr)
        sys.exit(_status(error))


def _status(error: CorporateActionsError) -> int:
    if isinstance(error, Unavailable):
        return EXIT_UNAVAILABLE
    return EXIT_FATAL if isinstance(error, Fatal) else EXIT_REFUSED


def _load(point: EntryPoint) -> Any:
    try:
        command = get_command(point.load())
    except ModuleNotFoundError as error:
        if error.name is not None and f"{point.module}.".startswith(f"{error.name}."):
            return None
        raise
    # Typer offers shell completion on each app by itself; here it could only work on the root.
    command.params = [param for param in command.params if param.name not in {"install_completion", "show_completion"}]
    return command
