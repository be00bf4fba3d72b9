"""`corpactions audit`: the audit log from the command line."""

from __future__ import annotations

import typer

from corpactions.commands.audit_export import export, verify_bundle
from corpactions.commands.audit_holds import app as holds
from corpactions.commands.audit_new_key import new_key
from corpactions.commands.audit_open_log import open_log
from corpactions.commands.audit_options import LogOption, chosen_log
from corpactions.commands.audit_show import keys, prove, show, verify_proof
from corpactions.commands.audit_verify import verify

app = typer.Typer(help="The audit log: its keys, its proofs, its verification.", no_args_is_help=True)
for command in (verify, show, prove, export, keys):
    app.command()(command)
app.command("verify-bundle")(verify_bundle)
app.command("verify-proof")(verify_proof)
app.command("new-key")(new_key)
app.command("open-log")(open_log)
app.add_typer(holds, name="holds")


@app.callback()
def _root(log: LogOption = None) -> None:
    """Keeps which log is meant for the command that follows."""
    chosen_log.set(log)
