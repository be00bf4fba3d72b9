"""Plain Avro values of the standard logical types to Python's and back: dates, times and exact amounts.

Invariant: nothing is rounded. A value that does not fit is an error, never a near one. Dates and amounts repeat from announcement to announcement, so the
latest ones are remembered.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Final

from corpactions.domain.audit.entry import time_text

SCALE: Final = 12
"""Decimal places of an amount on the wire (decimal(38, 12))."""
PRECISION: Final = 38
MAX_INT: Final = 2**31 - 1
"""Largest Avro int. The encoding itself would carry more, and other languages' readers would then fail."""

_LIMIT: Final = 10**PRECISION
_EXACT: Final = Context(prec=PRECISION + SCALE, traps=[Inexact, InvalidOperation])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=8_192)
def date_of(days: int) -> date:
    """The date so many days after 1970-01-01. Raises ValueError or OverflowError outside the years 1 to 9999."""
    return date.fromordinal(_EPOCH_DAY + days)


def days_of(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH_DAY


def time_of(micros: int) -> datetime:
    """The UTC time so many microseconds after the epoch. Raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(0, 0, micros)


@lru_cache(maxsize=1_024)
def time_text_of(micros: int) -> str:
    """The UTC time so many microseconds after the epoch as audit entries write it. Raises OverflowError outside the years 1 to 9999.

    The changes of one batch share their times, and a record names each several times.
    """
    return time_text(time_of(micros))


def micros_of(at: datetime) -> int:
    """Microseconds since the epoch of an aware time. Raises TypeError for a naive one."""
    span = at - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


@lru_cache(maxsize=8_192)
def amount_of(unscaled: bytes) -> Decimal:
    """The amount behind its two's complement bytes. Raises ValueError over 38 digits."""
    number = int.from_bytes(unscaled, "big", signed=True)
    if not -_LIMIT < number < _LIMIT:
        raise ValueError(f"more than {PRECISION} digits")
    return Decimal(number).scaleb(-SCALE, _EXACT)


def unscaled_of(amount: Decimal) -> bytes:
    """The two's complement bytes of an amount. Raises ValueError when it needs more than 12 decimal places or 38 digits."""
    if not amount.is_finite():
        raise ValueError("not a finite amount")
    try:
        number = int(amount.quantize(Decimal(1).scaleb(-SCALE), context=_EXACT).scaleb(SCALE, _EXACT))
    except (Inexact, InvalidOperation):
        raise ValueError(f"more than {SCALE} decimal places or {PRECISION} digits") from None
    if not -_LIMIT < number < _LIMIT:
        raise ValueError(f"more than {PRECISION} digits")
    return number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True)
