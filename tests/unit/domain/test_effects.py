"""Effects are exact, and say what was known; what contradicts what is known is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.effects import Flag, compute
from corpactions.domain.errors import Rejected
from corpactions.domain.securities import Security
from corpactions.domain.terms import Merger
from tests.support.announcing import AAPL, EX_DATE, dividend, split

DUE_BILL: dict[str, Any] = {"ex_date": date(2026, 11, 18), "record_date": date(2026, 11, 10), "pay_date": date(2026, 11, 17)}


def priced(price: str | None, currency: str = "USD") -> Security:
    return Security("AAPL", "US0378331005", currency, "ACTIVE", None, None if price is None else Decimal(price))


def test_a_dividend_is_its_exact_rate_with_the_currency_s_exponent() -> None:
    fields, flags = compute(dividend("0.123456789012"), "US0378331005", AAPL)
    assert (fields["event_code"], fields["cash_per_share"]) == ("DVCA", "0.123456789012")
    assert (fields["currency"], fields["currency_exponent"], flags) == ("USD", 2, [])
    yen, _ = compute(dividend("12", currency="JPY"), None, priced("1000", "JPY"))
    assert yen["currency_exponent"] == 0


def test_what_was_known_is_kept_as_the_basis() -> None:
    fields, _ = compute(dividend(), None, priced("200.500"))
    assert fields["basis"] == {"isin": "US0378331005", "currency": "USD", "status": "ACTIVE", "successor": None, "reference_price": "200.5"}
    unknown, flags = compute(dividend(), None, None)
    assert unknown["basis"] is None
    assert flags == [Flag.UNKNOWN_SYMBOL]


@pytest.mark.parametrize(("new", "old", "code", "factor"), [(4, 1, "SPLF", [4, 1]), (6, 4, "SPLF", [3, 2]), (2, 20, "SPLR", [1, 10])])
def test_a_split_is_two_fractions_in_lowest_terms(new: int, old: int, code: str, factor: list[int]) -> None:
    fields, _ = compute(split(new, old), None, AAPL)
    assert (fields["event_code"], fields["share_factor"], fields["price_factor"]) == (code, factor, factor[::-1])


def test_a_merger_pays_each_of_its_legs_and_ends_the_symbol() -> None:
    both = Merger("X", EX_DATE, Decimal("54.20"), "USD", 6, 4, date(2026, 1, 1), EX_DATE)
    fields, _ = compute(both, None, AAPL)
    assert (fields["successor"], fields["symbol_ends_on"], fields["cash_per_share"]) == ("X", "2026-11-10", "54.2")
    assert fields["share_factor"] == [3, 2]
    assert "share_factor" not in compute(both._replace(shares_new=None, shares_old=None), None, AAPL)[0]
    assert "cash_per_share" not in compute(both._replace(cash_per_share=None, currency=None), None, AAPL)[0]


@pytest.mark.parametrize(
    ("terms", "security", "flag"),
    [
        (dividend(announcement_date=date(2026, 11, 1)), AAPL, Flag.LATE_ANNOUNCEMENT),
        (dividend(record_date=None), AAPL, Flag.MISSING_RECORD_DATE),
        (dividend("50"), AAPL, Flag.YIELD_OVER_25),
        (dividend(), priced("200", "EUR"), Flag.CURRENCY_DIFFERS),
        (dividend(), Security("AAPL", None, "USD", "DELISTED"), Flag.INACTIVE_SECURITY),
        (dividend(**DUE_BILL), priced(None), Flag.UNVERIFIED_DUE_BILL),
        (dividend(**DUE_BILL), priced("0"), Flag.UNVERIFIED_DUE_BILL),
        (split(pay_date=date(2026, 11, 9), record_date=None), AAPL, Flag.EX_AFTER_PAY),
    ],
)
def test_a_warning_is_raised_for(terms: Any, security: Security, flag: Flag) -> None:
    assert flag in compute(terms, None, security)[1]


def test_notice_of_exactly_ten_days_is_in_time() -> None:
    assert compute(dividend(announcement_date=date(2026, 10, 31)), None, AAPL)[1] == []


def test_exactly_a_quarter_of_the_price_goes_ex_after_the_pay_date() -> None:
    _, flags = compute(dividend("50", **DUE_BILL), None, priced("200"))
    assert flags == [Flag.YIELD_OVER_25, Flag.EX_AFTER_PAY]


def test_less_than_a_quarter_of_the_price_does_not() -> None:
    with pytest.raises(Rejected, match="less than a quarter of 200") as caught:
        compute(dividend("49.999999999999", **DUE_BILL), None, priced("200"))
    assert caught.value.code == "contradicting_dates"


def test_another_isin_than_the_security_s_is_refused_and_none_is_not() -> None:
    with pytest.raises(Rejected, match="US67066G1040") as caught:
        compute(dividend(), "US67066G1040", AAPL)
    assert caught.value.code == "isin_mismatch"
    compute(dividend(), "US67066G1040", Security("AAPL", None, "USD", "ACTIVE"))


@given(st.integers(1, 10**38 - 1), st.integers(1, 10**38 - 1), st.integers(2, 40))
def test_the_quarter_is_compared_exactly_whatever_the_context_rounds(amount: int, price: int, precision: int) -> None:
    paid, worth = Decimal(f"{amount}e-12"), Decimal(f"{price}e-12")
    with localcontext(prec=precision):
        _, flags = compute(dividend()._replace(amount_per_share=paid), None, Security("AAPL", None, "USD", "ACTIVE", None, worth))
    assert (Flag.YIELD_OVER_25 in flags) == (4 * Fraction(paid) >= Fraction(worth))


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_a_split_s_factors_are_the_ratio_and_its_inverse(new: int, old: int) -> None:
    fields, _ = compute(split(new, old), None, AAPL)
    share, price = fields["share_factor"], fields["price_factor"]
    assert isinstance(share, list)
    assert isinstance(price, list)
    assert Fraction(share[0], share[1]) == Fraction(new, old) == 1 / Fraction(price[0], price[1])
