"""Dates, times and amounts at their edges: exact, or refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from corpactions.serde.values import amount_of, date_of, days_of, micros_of, time_of, unscaled_of


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date(1970, 1, 1), date.max])
def test_dates_to_the_edges_of_the_calendar(day: date) -> None:
    assert date_of(days_of(day)) == day


@pytest.mark.parametrize("days", [days_of(date.max) + 1, days_of(date.min) - 1, 2**31 - 1, -(2**63)])
def test_a_day_outside_the_calendar_is_refused(days: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        date_of(days)


@pytest.mark.parametrize("micros", [0, -1, 1, 1_761_825_600_000_123, micros_of(datetime.max.replace(tzinfo=UTC))])
def test_every_microsecond_counts(micros: int) -> None:
    assert micros_of(time_of(micros)) == micros
    assert time_of(micros).utcoffset() == timedelta(0)


def test_a_time_outside_the_calendar_is_refused() -> None:
    with pytest.raises(OverflowError):
        time_of(2**62)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        micros_of(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("text", "unscaled"),
    [
        ("0", "00"),
        ("0.000000000001", "01"),
        ("-0.000000000001", "ff"),
        ("0.25", "3a35294400"),
        ("99999999999999999999999999.999999999999", None),
    ],
)
def test_amounts_are_exact(text: str, unscaled: str | None) -> None:
    amount = Decimal(text)
    assert amount_of(unscaled_of(amount)) == amount
    if unscaled is not None:
        assert unscaled_of(amount).hex() in {unscaled, f"ff{unscaled}"}


def test_padded_bytes_are_the_same_amount() -> None:
    assert amount_of(bytes(40) + bytes.fromhex("3a35294400")) == Decimal("0.25")
    assert amount_of(b"") == 0


@pytest.mark.parametrize("text", ["0.0000000000001", "1e26", "NaN", "Infinity", "-Infinity"])
def test_an_amount_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"digits|decimal places|finite"):
        unscaled_of(Decimal(text))


def test_more_digits_than_the_precision_are_refused_quickly() -> None:
    with pytest.raises(ValueError, match="38 digits"):
        amount_of(b"\x7f" * 1_000_000)
