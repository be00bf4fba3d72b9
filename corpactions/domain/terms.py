"""The terms of a corporate action, one immutable record per event type, and their canonical JSON.

Invariant: ``to_json`` gives the same text for the same terms for ever; hashes and commitments are taken over it. Amounts are Decimal, ratios two
integers, dates are dates (ISO 15022: ANOU, XDTE, RDTE, PAYD, EFFD). No float ever enters.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from enum import StrEnum
from json.encoder import encode_basestring as quoted
from typing import NamedTuple


class EventType(StrEnum):
    """The event types of the API; ISO 15022 codes DVCA, SPLF/SPLR and MRGR stand behind them."""

    DIVIDEND = "DIVIDEND"
    STOCK_SPLIT = "STOCK_SPLIT"
    MERGER = "MERGER"


class DividendType(StrEnum):
    """How often or why a cash dividend is paid; it changes no computation."""

    CASH = "CASH"
    SPECIAL = "SPECIAL"
    INTERIM = "INTERIM"
    FINAL = "FINAL"


class Dividend(NamedTuple):
    """A cash dividend (DVCA): an exact amount per share, never rounded here."""

    amount_per_share: Decimal
    currency: str
    ex_date: date
    dividend_type: str = "CASH"
    announcement_date: date | None = None
    record_date: date | None = None
    pay_date: date | None = None
    attributes: str | None = None

    @property
    def event_type(self) -> EventType:
        return EventType.DIVIDEND

    @property
    def key_date(self) -> date:
        """The date that identifies the action on its symbol: the ex date."""
        return self.ex_date


class StockSplit(NamedTuple):
    """A subdivision (SPLF) or consolidation (SPLR): ``ratio_new`` shares for ``ratio_old`` (ISO order, new:old)."""

    ratio_new: int
    ratio_old: int
    ex_date: date
    announcement_date: date | None = None
    record_date: date | None = None
    pay_date: date | None = None
    attributes: str | None = None

    @property
    def event_type(self) -> EventType:
        return EventType.STOCK_SPLIT

    @property
    def key_date(self) -> date:
        """The date that identifies the action on its symbol: the ex date."""
        return self.ex_date


class Merger(NamedTuple):
    """A mandatory merger (MRGR): cash, shares of the acquirer (``shares_new`` for ``shares_old``), or both, per share held."""

    acquirer_symbol: str
    effective_date: date
    cash_per_share: Decimal | None = None
    currency: str | None = None
    shares_new: int | None = None
    shares_old: int | None = None
    announcement_date: date | None = None
    record_date: date | None = None
    pay_date: date | None = None
    attributes: str | None = None

    @property
    def event_type(self) -> EventType:
        return EventType.MERGER

    @property
    def key_date(self) -> date:
        """The date that identifies the action on its symbol: the effective date."""
        return self.effective_date


Terms = Dividend | StockSplit | Merger

TERMS_BY_TYPE: dict[EventType, type[Dividend | StockSplit | Merger]] = {
    EventType.DIVIDEND: Dividend,
    EventType.STOCK_SPLIT: StockSplit,
    EventType.MERGER: Merger,
}
_KEYS = {terms: [(f'"{name}":', terms._fields.index(name)) for name in sorted(terms._fields)] for terms in TERMS_BY_TYPE.values()}
"""Each type's keys in canonical order, with the place of their value."""


def decimal_text(value: Decimal) -> str:
    """The one spelling of an amount: plain digits, no exponent, no trailing zeros (``0.250`` and ``0.25`` are the same announcement)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def to_json(terms: Terms) -> str:
    """Canonical JSON of the terms: sorted ASCII keys, amounts and dates as strings, absent optional fields left out.

    ``attributes`` stays the text that was announced, as a JSON string, so that no parser in between can change a digit of it.
    """
    return "{" + ",".join([key + _literal(value) for key, place in _KEYS[type(terms)] if (value := terms[place]) is not None]) + "}"


def _literal(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, date):
        return f'"{value}"'
    return f'"{decimal_text(value)}"' if isinstance(value, Decimal) else str(value)


def from_json(event_type: EventType, text: str | bytes) -> Terms:
    """The inverse of :func:`to_json`, for terms that were validated before they were stored."""
    fields = json.loads(text)
    for name, value in fields.items():
        if name.endswith("_date"):
            fields[name] = date.fromisoformat(value)
        elif name in {"amount_per_share", "cash_per_share"}:
            fields[name] = Decimal(value)
    return TERMS_BY_TYPE[event_type](**fields)
