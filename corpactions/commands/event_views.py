"""Events as tables for people. Programs use ``--json``; nothing here decides anything."""

from __future__ import annotations

import sys
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpactions.commands.gateway_client import Json, json_text

_STYLES: Final = {"COMPLETED": "green", "FAILED": "red", "CANCELLED": "yellow"}
LOG_WIDTH: Final = 200
"""Columns where no terminal says how many there are."""
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})


def console() -> Console:
    """Standard output, as wide as the terminal, or wide enough for any table where there is none."""
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


def print_events(answer: Json) -> None:
    """A list of events, one a line."""
    table = _table("event id", "type", "symbol", "status", "version", "created", wrapped=("terms", "flags"))
    for event in answer["items"]:
        table.add_row(
            event["event_id"],
            event["event_type"],
            event["symbol"],
            _status(event["status"]),
            _version(event),
            _time(event["created_at"]),
            escape(terms_text(event["payload"] or {})),
            ", ".join(event["flags"]),
        )
    console().print(table)
    if answer["next_cursor"] is not None:
        console().print(f"{len(answer['items'])} shown, there are more: raise --limit")


def print_event(event: Json) -> None:
    """One event, or the gateway's answer to a submission, as a list of its fields; those without a value are left out."""
    table = Table(box=None, show_header=False)
    for name, value in event.items():
        if value not in _EMPTY:
            table.add_row(name, _status(value) if name == "status" else escape(_text(value)))
    console().print(table)


def print_history(answer: Json) -> None:
    """What happened to an event: its versions, its changes, what was posted and reversed."""
    print_event({name: value for name, value in answer["event"].items() if name not in {"payload", "effect"}})
    versions = _table("version", "function", "accepted", "current", wrapped=("terms",))
    for item in answer["versions"]:
        current = "yes" if item["current"] else ""
        versions.add_row(_version(item), item["function"], _time(item["accepted_at"]), current, escape(terms_text(item["payload"] or {})))
    changes = _table("revision", "at", "action", "status", wrapped=("actor", "flags", "reason"))
    for item in answer["changes"]:
        status = f"{item['before'] or '-'} → {item['after'] or '-'}"
        reason = ": ".join(part for part in (item["code"], item["reason"]) if part)
        changes.add_row(
            str(item["revision"]),
            _time(item["at"]),
            item["action"],
            status,
            escape(item["actor"]),
            ", ".join(item["flags"]),
            escape(reason),
        )
    effects = _table("effect", "kind", "posted", "in force", wrapped=("what",))
    for item in answer["effects"]:
        kind = item["kind"] if item["reverses_no"] is None else f"{item['kind']} of {item['reverses_no']}"
        in_force = "yes" if item["in_force"] else ""
        effects.add_row(str(item["effect_no"]), kind, _time(item["posted_at"]), in_force, escape(effect_text(item["effect"])))
    for title, table in (("versions", versions), ("changes", changes), ("effects", effects)):
        console().print(f"\n[bold]{title}[/bold]")
        console().print(table if table.row_count else "  none")


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


def effect_text(effect: Json) -> str:
    """An effect in a few words: its code, the cash and the shares for one share held."""
    parts = [effect["event_code"]] if "event_code" in effect else []
    if "cash_per_share" in effect:
        parts.append(f"{effect['cash_per_share']} {effect['currency']} a share")
    if "share_factor" in effect:
        new, old = effect["share_factor"]
        parts.append(f"shares × {new}/{old}")
    return ", ".join(parts)


def _table(*columns: str, wrapped: tuple[str, ...]) -> Table:
    """A table whose first columns are shown whole, and whose last share what is left."""
    table = Table(box=None)
    for name in columns:
        table.add_column(name, no_wrap=True)
    for name in wrapped:
        table.add_column(name, overflow="fold")
    return table


def _status(value: Any) -> str:
    style = _STYLES.get(value)
    return f"[{style}]{value}[/{style}]" if style else str(value)


def _version(event: Json) -> str:
    return "" if event["version"] is None else f"{event['origin']}.{event['version']}"


def _time(value: str) -> str:
    return value[:19].replace("T", " ")


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json_text(value)
