"""`corpactions events …`: read, submit and cancel events through the gateway.

Exit status: 0 done; 1 the gateway refused; 2 wrong usage; 3 the gateway cannot be reached or left the outcome open (repeat with the same key).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from corpactions.commands.event_views import print_event, print_events, print_history
from corpactions.commands.gateway_client import GatewayClient, Json, Refused, Unreachable, json_text, problem_text
from corpactions.domain.identity import EVENT_ID
from corpactions.settings import load
from corpactions.system import SystemIdSource

app = typer.Typer(help="Events, through the gateway.", no_args_is_help=True)

REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
PAGE: Final = 500
MAX_SUBMISSION_BYTES: Final = 1024 * 1024


def _uuid(text: str) -> str:
    if EVENT_ID.fullmatch(text.lower()) is None:
        raise typer.BadParameter(f"{text!r} is not a UUID")
    return text.lower()


AsJson = Annotated[bool, typer.Option("--json", help="Print the gateway's answer as JSON.")]
EventId = Annotated[str, typer.Argument(metavar="EVENT_ID", parser=_uuid, show_default=False)]
Key = Annotated[str | None, typer.Option("--key", parser=_uuid, help="Idempotency key; a new one is made and printed when none is given.")]


@app.command("list")
def list_events(
    *,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    event_type: Annotated[Literal["DIVIDEND", "STOCK_SPLIT", "MERGER"] | None, typer.Option("--type", help="Only this type.")] = None,
    status: Annotated[
        Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"] | None, typer.Option(help="Only this status.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Created at or after (UTC).")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Created before (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most events to show.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List events, newest first as the gateway gives them."""
    wanted: dict[str, str | int | None] = {
        "symbol": symbol,
        "event_type": event_type,
        "status": status,
        "from": None if since is None else since.isoformat() + "Z",
        "to": None if until is None else until.isoformat() + "Z",
    }
    filters = {name: value for name, value in wanted.items() if value is not None}
    with _gateway() as gateway:
        items: list[Json] = []
        cursor: str | None = None
        while len(items) < limit:
            page: dict[str, str | int] = filters | {"limit": min(PAGE, limit - len(items))}
            if cursor is not None:
                page["cursor"] = cursor
            answer = gateway.get("/api/v1/events", page)
            items += answer["items"]
            cursor = answer.get("next_cursor")
            if cursor is None:
                break
    _show({"items": items, "next_cursor": cursor}, print_events, as_json=as_json)


@app.command()
def show(event_id: EventId, *, as_json: AsJson = False) -> None:
    """Show one event as it stands."""
    with _gateway() as gateway:
        event = gateway.get(f"/api/v1/events/{event_id}")
    _show(event, print_event, as_json=as_json)


@app.command()
def history(event_id: EventId, *, as_json: AsJson = False) -> None:
    """Show everything that happened to one event, in order."""
    with _gateway() as gateway:
        answer = gateway.get(f"/api/v1/events/{event_id}/history")
    _show(answer, print_history, as_json=as_json)


@app.command()
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A submission as JSON; - reads standard input.", show_default=False)],
    *,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Submit one event. The file's bytes are sent as they are, so that no digit of an amount can change on the way."""
    body = _submission(file)
    _mutate("/api/v1/events", body, key, as_json=as_json)


@app.command()
def cancel(
    event_id: EventId,
    *,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="The issuer withdrew the event (WITH), instead of the sender's mistake (CANC).")
    ] = False,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Cancel one event; what was posted is reversed."""
    body = json.dumps({"function": "WITH" if withdraw else "CANC", "reason": reason}, ensure_ascii=False).encode()
    _mutate(f"/api/v1/events/{event_id}/cancel", body, key, as_json=as_json)


def _mutate(path: str, body: bytes, key: str | None, *, as_json: bool) -> None:
    if key is None:
        key = SystemIdSource().correlation_id()
        print(f"idempotency key: {key}", file=sys.stderr)
    with _gateway(f"whether it was accepted is unknown; repeat the command with --key {key}, which never makes a second event") as gateway:
        answer = gateway.post(path, body, key)
    _show(answer, print_event, as_json=as_json)


def _submission(file: str) -> bytes:
    try:
        body = sys.stdin.buffer.read(MAX_SUBMISSION_BYTES + 1) if file == "-" else Path(file).read_bytes()
        json.loads(body)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}") from None
    if len(body) > MAX_SUBMISSION_BYTES:
        raise typer.BadParameter(f"{file} is larger than {MAX_SUBMISSION_BYTES} bytes")
    return body


@contextmanager
def _gateway(when_unreachable: str = "check CA_GATEWAY_URL and that the gateway runs") -> Iterator[GatewayClient]:
    """The gateway; its refusals and its silence end the command with a clear message and status."""
    try:
        with GatewayClient(load().gateway_url) as client:
            yield client
    except Refused as refused:
        print(problem_text(refused), file=sys.stderr)
        raise typer.Exit(REFUSED) from None
    except Unreachable as error:
        print(f"{error}; {when_unreachable}", file=sys.stderr)
        raise typer.Exit(UNREACHABLE) from None


def _show(answer: Json, for_people: Callable[[Json], None], *, as_json: bool) -> None:
    if as_json:
        print(json_text(answer))
    else:
        for_people(answer)
