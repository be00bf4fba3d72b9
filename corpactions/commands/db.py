"""`corpactions db`: schema and accounts, the two deployment steps of MySQL. Both may be run again at any time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from corpactions.domain.errors import Fatal

app = typer.Typer(help="MySQL schema and accounts.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Bring the schema to the newest revision (as the account in CA_MYSQL_USER, which must own the schema)."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence import schema
    from corpactions.settings import load

    before, after = schema.upgrade(build_engine(load(), wait_timeout_seconds=3600))
    if as_json:
        print(json.dumps({"before": before, "after": after}))
    else:
        print(f"schema at revision {after}" if before == after else f"schema upgraded from {before or 'nothing'} to {after}")


@app.command()
def accounts(
    passwords: Annotated[Path, typer.Option(exists=True, dir_okay=False, help='JSON file {"account": "password", …}; keep it mode 600.')],
    file: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Accounts and their grants.")] = Path("infra/mysql/accounts.yaml"),
    only: Annotated[list[str] | None, typer.Option(help="Apply only this account; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Create accounts and grant exactly what the file says (as an administrator). Run after `db upgrade`; ca_migrator before it, with --only.

    Without --only, the guards of the audit log are brought up to date too: triggers, procedures and the locked account as which they run.
    """
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence import audit_guards, schema
    from corpactions.settings import load

    settings = load()
    try:
        given: dict[str, str] = json.loads(passwords.read_text())
    except ValueError as error:
        raise Fatal(f"{passwords} is not JSON: {error}") from None
    chosen = {name: secret for name, secret in given.items() if name.startswith("ca_") and (not only or name in only)}
    if not only:
        audit_guards.install(build_engine(settings), settings.mysql_database)
    applied = schema.apply_accounts(build_engine(settings, database=""), settings.mysql_database, file, chosen)
    if as_json:
        print(json.dumps({"database": settings.mysql_database, "accounts": applied}))
    else:
        print(f"{len(applied)} accounts may use {settings.mysql_database}: {', '.join(applied)}")
