"""Events as tables for people. Programs use ``--json``; nothing here decides anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpactions.commands.gateway_client import Json

_STYLES: Final = {"COMPLETED": "green", "FAILED": "red", "CANCELLED": "yellow"}


def print_events(answer: Json) -> None:
    """A list of events, one a line."""
    table = Table("event id", "type", "symbol", "status", "version", "terms", "flags", "created", box=None)
    for event in answer["items"]:
        table.add_row(
            event["event_id"],
            event["event_type"],
            event["symbol"],
            _status(event["status"]),
            _version(event),
            escape(terms_text(event.get("payload") or {})),
            ", ".join(event.get("flags") or ()),
            _time(event.get("created_at")),
        )
    console = Console()
    console.print(table)
    if answer.get("next_cursor") is not None:
        console.print(f"{len(answer['items'])} shown, there are more: raise --limit")


def print_event(event: Json) -> None:
    """One event, or the gateway's answer to a submission, as a list of its fields."""
    table = Table(box=None, show_header=False)
    for name, value in event.items():
        if value not in (None, [], {}, ""):
            table.add_row(name, _status(value) if name == "status" else escape(_text(value)))
    Console().print(table)


def print_history(answer: Json) -> None:
    """What happened to an event, part by part."""
    console = Console()
    for part, value in answer.items():
        if isinstance(value, list):
            console.print(f"[bold]{escape(part)}[/bold]")
            console.print(_rows(value) if value else "  none")
        elif value is not None:
            console.print(f"[bold]{escape(part)}[/bold] {escape(_text(value))}")


def terms_text(payload: Json) -> str:
    """The terms that matter, in a few words: an amount, a ratio, the acquirer and what it gives, and the key date."""
    parts = []
    amount = payload.get("amount_per_share") or payload.get("cash_per_share")
    if amount is not None:
        parts.append(f"{amount} {payload.get('currency', '')}".rstrip())
    new, old = payload.get("ratio_new") or payload.get("shares_new"), payload.get("ratio_old") or payload.get("shares_old")
    if new is not None:
        parts.append(f"{new}:{old}")
    if payload.get("acquirer_symbol"):
        parts.append(f"by {payload['acquirer_symbol']}")
    if day := payload.get("ex_date") or payload.get("effective_date"):
        parts.append(f"on {day}")
    return " ".join(parts)


def _rows(items: Sequence[Json]) -> Table:
    names = [name for name in items[0] if any(item.get(name) not in (None, [], {}, "") for item in items)]
    table = Table(*names, box=None)
    for item in items:
        table.add_row(*(escape(_text(item.get(name))) for name in names))
    return table


def _status(value: Any) -> str:
    style = _STYLES.get(value)
    return f"[{style}]{value}[/{style}]" if style else str(value)


def _version(event: Json) -> str:
    version = event.get("version")
    return "" if version is None else f"{event.get('origin')}.{version}"


def _time(value: Any) -> str:
    return "" if value is None else str(value)[:19].replace("T", " ")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
