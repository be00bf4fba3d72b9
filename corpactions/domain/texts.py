"""Texts of files to values, strictly: one spelling for each kind, nothing guessed, no float on the way."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_AMOUNT = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?", re.ASCII)


class Unreadable(ValueError):
    """A text does not spell the value it should.

    Args:
        detail: what is wrong, as the continuation of "the field …".
        mend: what would be right.
    """

    def __init__(self, detail: str, mend: str) -> None:
        super().__init__(f"{detail}; {mend}")
        self.detail = detail
        self.mend = mend


def date_of(text: str) -> date:
    """A date spelled YYYY-MM-DD. Raises Unreadable."""
    if len(text) != 10 or not text[4] == text[7] == "-" or not text.isascii():  # fromisoformat alone also reads weeks and 20261110
        raise Unreadable("is not a date", "give it as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Unreadable(f"is not a day of the calendar: {error}", "give a date as YYYY-MM-DD") from None


def amount_of(text: str) -> Decimal:
    """A decimal in plain digits, without exponent or grouping. Raises Unreadable."""
    if not _AMOUNT.fullmatch(text):
        raise Unreadable("is not a decimal amount", "give plain digits with a decimal point, for example 0.25")
    return Decimal(text)


def whole_of(text: str) -> int:
    """A whole number in digits. Raises Unreadable."""
    if not _WHOLE.fullmatch(text):
        raise Unreadable("is not a whole number", "give it in digits alone, for example 4")
    return int(text)
