"""`corpactions audit`: the audit log from the command line."""

from __future__ import annotations

import typer

from corpactions.commands.audit_new_key import new_key

app = typer.Typer(help="The audit log: its keys, its proofs, its verification.", no_args_is_help=True)
app.command("new-key")(new_key)


@app.callback()
def _root() -> None:
    """Makes this a group whatever the number of its commands."""
