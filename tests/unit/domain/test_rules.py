"""Each rule that terms must keep, with the field it names; and the plain terms that break none."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from corpactions.domain.rules import MAX_ATTRIBUTES, problems_of
from corpactions.domain.terms import Merger, Terms
from tests.support.announcing import EX_DATE, dividend, split

BEFORE, AFTER, LATER = date(2026, 11, 9), date(2026, 11, 11), date(2026, 11, 20)
CASH = Merger("X", EX_DATE, Decimal("54.20"), "USD")
SHARES = Merger("X", EX_DATE, shares_new=1, shares_old=2)


@pytest.mark.parametrize(
    "terms",
    [
        dividend(),
        dividend("999999999.123456789012"),
        dividend(record_date=None, announcement_date=None),
        dividend(ex_date=BEFORE),
        dividend(record_date=BEFORE, pay_date=BEFORE),  # ex after both: due bills, which the effect checks against the price
        dividend(dividend_type="SPECIAL", attributes='{"desk": "LDN"}'),
        dividend(announcement_date=EX_DATE),
        split(),
        split(1, 10, record_date=BEFORE),
        split(5, 4, record_date=BEFORE),  # exactly 25 %
        CASH,
        SHARES,
        CASH._replace(shares_new=1, shares_old=2, record_date=EX_DATE, pay_date=LATER),
    ],
)
def test_sound_terms_have_no_problem(terms: Terms) -> None:
    assert problems_of(terms) == []


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (dividend("0"), "amount_per_share"),
        (dividend("-0.25"), "amount_per_share"),
        (dividend("NaN"), "amount_per_share"),
        (dividend("Infinity"), "amount_per_share"),
        (dividend("0.1234567890123"), "amount_per_share"),
        (dividend("1e26"), "amount_per_share"),
        (dividend(currency="usd"), "currency"),
        (dividend(currency="XXX"), "currency"),
        (dividend(currency=""), "currency"),
        (dividend(dividend_type="BONUS"), "dividend_type"),
        (dividend(announcement_date=AFTER, record_date=None), "announcement_date"),
        (dividend(ex_date=LATER, announcement_date=AFTER, pay_date=AFTER), "announcement_date"),
        (dividend(record_date=EX_DATE, pay_date=BEFORE), "pay_date"),
        (dividend(record_date=BEFORE, pay_date=EX_DATE), "ex_date"),
        (dividend(attributes="no json"), "attributes"),
        (dividend(attributes="[1]"), "attributes"),
        (dividend(attributes='{"rate": NaN}'), "attributes"),
        (dividend(attributes="[" * 20_000), "attributes"),
        (dividend(attributes='"' + "a" * MAX_ATTRIBUTES + '"'), "attributes"),
        (split(0, 1), "ratio_new"),
        (split(1, -1), "ratio_old"),
        (split(2**31, 1), "ratio_new"),
        (split(3, 3), "ratio_new"),
        (split(21, 20, record_date=BEFORE), "ex_date"),
        (CASH._replace(acquirer_symbol="x"), "acquirer_symbol"),
        (Merger("X", EX_DATE), "cash_per_share"),
        (CASH._replace(cash_per_share=Decimal(0)), "cash_per_share"),
        (CASH._replace(currency=None), "currency"),
        (SHARES._replace(currency="USD"), "currency"),
        (SHARES._replace(shares_new=None), "shares_new"),
        (SHARES._replace(shares_old=None), "shares_old"),
        (SHARES._replace(shares_new=0), "shares_new"),
        (CASH._replace(record_date=AFTER), "effective_date"),
    ],
)
def test_a_broken_rule_names_its_field_and_the_mend(terms: Terms, field: str) -> None:
    problems = problems_of(terms)
    assert field in {problem.field for problem in problems}
    assert all(problem.detail and problem.mend for problem in problems)


def test_a_currency_in_small_letters_is_told_what_was_meant() -> None:
    (problem,) = problems_of(dividend(currency="usd"))
    assert "'USD' would be one" in str(problem)


def test_several_problems_are_told_at_once_in_the_order_of_the_fields() -> None:
    fields = [problem.field for problem in problems_of(dividend("0", currency="XXX", dividend_type="?", pay_date=BEFORE))]
    assert fields == ["amount_per_share", "currency", "dividend_type", "pay_date"]
