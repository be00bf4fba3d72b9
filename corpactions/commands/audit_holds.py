"""`corpactions audit holds`: legal holds, which keep parts of the audit log beyond the end of their retention."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from corpactions.domain.audit.retention import Hold
    from corpactions.settings import Settings

app = typer.Typer(help="Legal holds on the audit log: while one is in force, no entry of its time is removed.", no_args_is_help=True)


def _moment(text: str) -> datetime:
    """A time of RFC 3339, as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is no time with its zone; write it like 2026-11-24T15:00:00Z")
    return moment.astimezone(UTC)


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise typer.BadParameter(f"{text[:80]!r} is no name; take 1 to 64 ASCII letters, digits, dots, hyphens and underscores")
    return text


def _reason(text: str) -> str:
    return _one_line(text, 512)


def _actor(text: str) -> str:
    return _one_line(text, 128)


def _one_line(text: str, most: int) -> str:
    if not text.strip() or len(text) > most or not text.isprintable():
        raise typer.BadParameter(f"{text[:80]!r} is not 1 to {most} characters on one line")
    return text


Name = Annotated[str, typer.Argument(parser=_name, metavar="NAME", help="The hold's name, for example a case number.")]
Reason = Annotated[str, typer.Option(parser=_reason, metavar="TEXT", help="Why, for the record.")]
Actor = Annotated[str, typer.Option(parser=_actor, metavar="WHO", help="Who answers for it, for the record.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def place(
    name: Name,
    reason: Reason,
    actor: Actor,
    begin: Annotated[
        datetime | None, typer.Option("--from", parser=_moment, metavar="TIME", help="First time it covers; open without.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", parser=_moment, metavar="TIME", help="Last time it covers; open without.")] = None,
    as_json: Json = False,
) -> None:
    """Place a hold on all that was recorded in a time, or on everything (as ca_retention). It is in force at once. Times like 2026-11-24T15:00:00Z."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence.audit_holds import LegalHolds
    from corpactions.settings import load

    settings = load()
    _show(settings, LegalHolds(build_engine(settings), actor).place(name, reason, begin, end), as_json)


@app.command()
def release(name: Name, reason: Reason, actor: Actor, as_json: Json = False) -> None:
    """End a hold (as ca_retention). What is past its time is removed by the next run of the job audit-retention."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence.audit_holds import LegalHolds
    from corpactions.settings import load

    settings = load()
    _show(settings, LegalHolds(build_engine(settings), actor).release(name, reason), as_json)


@app.command("list")
def show(
    everything: Annotated[bool, typer.Option("--all", help="Every placing and releasing, not just what is in force.")] = False,
    as_json: Json = False,
) -> None:
    """Show the holds in force."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence.audit_holds import LegalHolds
    from corpactions.settings import load

    settings = load()
    holds = LegalHolds(build_engine(settings), settings.mysql_user)
    found = holds.history() if everything else holds.in_force()
    if as_json:
        print(json.dumps([_fields(hold) for hold in found]))
        return
    for hold in found:
        print(_line(hold))
    if not found:
        print("no hold was ever placed" if everything else "no hold is in force")


def _show(settings: Settings, hold: Hold, as_json: bool) -> None:
    told = _tell(settings)
    if as_json:
        print(json.dumps(_fields(hold) | {"told": told is None}))
    else:
        print(_line(hold))
    if told is not None:
        print(f"corpactions: the log could not be told yet ({told}); the next run of the job audit-retention does it", file=sys.stderr)


def _tell(settings: Settings) -> str | None:
    """Tell the log what was done; the reason when that cannot be now. The hold is in force all the same."""
    from corpactions.auditing.retention import build_publish, build_retention
    from corpactions.domain.errors import CorporateActionsError
    from corpactions.system import SystemClock

    try:
        build_publish(settings, SystemClock())(build_retention(settings).untold())
    except CorporateActionsError as error:
        return str(error)
    return None


def _line(hold: Hold) -> str:
    state = "placed" if hold.placed else "released"
    return f"{hold.name}: {state} on {_rfc3339(hold.at)} by {hold.actor}, covers {hold.period}: {hold.reason}"


def _fields(hold: Hold) -> dict[str, object]:
    times = {"from": hold.from_time, "to": hold.to_time, "at": hold.at}
    told = {name: None if moment is None else _rfc3339(moment) for name, moment in times.items()}
    return {"number": hold.number, "name": hold.name, "placed": hold.placed, "reason": hold.reason, "actor": hold.actor, **told}


def _rfc3339(moment: datetime) -> str:
    from corpactions.domain.audit.entry import time_text

    return time_text(moment)
