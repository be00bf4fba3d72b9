"""`corpactions audit`: the audit log from the command line."""

from __future__ import annotations

import typer

from corpactions.commands.audit_holds import app as holds
from corpactions.commands.audit_new_key import new_key
from corpactions.commands.audit_options import LogOption, chosen_log
from corpactions.commands.audit_verify import verify

app = typer.Typer(help="The audit log: its keys, its proofs, its verification.", no_args_is_help=True)
app.command()(verify)
app.command("new-key")(new_key)
app.add_typer(holds, name="holds")


@app.callback()
def _root(log: LogOption = None) -> None:
    """Keeps which log is meant for the command that follows."""
    chosen_log.set(log)
