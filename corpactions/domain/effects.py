"""What an event does, computed exactly from its terms and from what is known of the security, and the warnings raised on the way.

Invariant: nothing is rounded here. Rates stay per share and exact, factors stay fractions; rounding happens once per account, later, by the currency's
exponent (ISO 4217). What was known of the security is kept inside the effect as its ``basis``, so that a replay computes the same from stored data alone.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Context, Decimal
from enum import StrEnum
from math import gcd

from corpactions.domain.currencies import EXPONENTS
from corpactions.domain.errors import Rejected
from corpactions.domain.securities import Security
from corpactions.domain.terms import Dividend, Merger, StockSplit, Terms, decimal_text

LARGE_DISTRIBUTION = Decimal("0.25")
"""From a quarter of the security's value on, the ex date follows the pay date (FINRA rule 11140(b)(2))."""
_EXACT = Context(prec=80)
"""A quarter of a price of 38 digits has 40: the default context's 28 would round it."""
NOTICE = timedelta(days=10)
"""Notice of a distribution is due ten days before the record date (SEC rule 10b-17)."""

EffectFields = dict[str, object]


class Flag(StrEnum):
    """Warnings: the event is applied, and a person may want to look."""

    LATE_ANNOUNCEMENT = "LATE_ANNOUNCEMENT"
    MISSING_RECORD_DATE = "MISSING_RECORD_DATE"
    EX_AFTER_PAY = "EX_AFTER_PAY"
    YIELD_OVER_25 = "YIELD_OVER_25"
    UNVERIFIED_DUE_BILL = "UNVERIFIED_DUE_BILL"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    INACTIVE_SECURITY = "INACTIVE_SECURITY"
    CURRENCY_DIFFERS = "CURRENCY_DIFFERS"
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    VERSION_GAP = "VERSION_GAP"


def compute(terms: Terms, isin: str | None, security: Security | None) -> tuple[EffectFields, list[str]]:
    """The effect of the terms on one share, and the flags.

    Args:
        terms: terms that keep every rule of ``domain.rules``.
        isin: the ISIN that the message names, if any.
        security: what the security master knows on the key date; None for an unknown symbol.

    Returns:
        JSON-ready fields (amounts as decimal text, fractions as [numerator, denominator]) and the flags in the order raised.

    Raises:
        Rejected: the terms contradict what is known: another ISIN, or an ex date that only a distribution of 25 % or more could have.
    """
    flags: list[str] = []
    if security is None:
        flags.append(Flag.UNKNOWN_SYMBOL)
    else:
        _check_identity(isin, security, flags)
    if terms.record_date is None:
        flags.append(Flag.MISSING_RECORD_DATE)
    elif terms.announcement_date is not None and terms.record_date - terms.announcement_date < NOTICE:
        flags.append(Flag.LATE_ANNOUNCEMENT)
    if isinstance(terms, Dividend):
        effect = _dividend(terms, security, flags)
    elif isinstance(terms, StockSplit):
        effect = _split(terms, flags)
    else:
        effect = _merger(terms)
    effect["basis"] = None if security is None else _basis(security)
    return effect, flags


def _check_identity(isin: str | None, security: Security, flags: list[str]) -> None:
    if isin is not None and security.isin is not None and isin != security.isin:
        raise Rejected(
            "isin_mismatch",
            f"isin={isin!r} is not the ISIN of {security.symbol}, which is {security.isin}; correct the ISIN or the symbol",
        )
    if security.status != "ACTIVE":
        flags.append(Flag.INACTIVE_SECURITY)


def _dividend(terms: Dividend, security: Security | None, flags: list[str]) -> EffectFields:
    price = None if security is None or security.currency != terms.currency else security.reference_price
    if security is not None and security.currency != terms.currency:
        flags.append(Flag.CURRENCY_DIFFERS)
    large = None if not price else terms.amount_per_share >= _EXACT.multiply(LARGE_DISTRIBUTION, price)
    if large:
        flags.append(Flag.YIELD_OVER_25)
    after_pay = terms.pay_date is not None and terms.ex_date > terms.pay_date
    if after_pay:
        flags.append(Flag.EX_AFTER_PAY)
    if after_pay or (terms.record_date is not None and terms.ex_date > terms.record_date):
        if large is None:
            flags.append(Flag.UNVERIFIED_DUE_BILL)
        elif not large:
            raise Rejected(
                "contradicting_dates",
                f"ex_date={terms.ex_date} lies after the record or pay date, which only a distribution of 25 % or more of the price has;"
                f" {decimal_text(terms.amount_per_share)} {terms.currency} is less than a quarter of {decimal_text(price or Decimal(0))};"
                " correct the ex date or the amount",
            )
    return {
        "event_code": "DVCA",
        "cash_per_share": decimal_text(terms.amount_per_share),
        "currency": terms.currency,
        "currency_exponent": EXPONENTS[terms.currency],
    }


def _split(terms: StockSplit, flags: list[str]) -> EffectFields:
    if terms.pay_date is not None and terms.ex_date > terms.pay_date:
        flags.append(Flag.EX_AFTER_PAY)
    divisor = gcd(terms.ratio_new, terms.ratio_old)
    new, old = terms.ratio_new // divisor, terms.ratio_old // divisor
    return {"event_code": "SPLF" if new > old else "SPLR", "share_factor": [new, old], "price_factor": [old, new]}


def _merger(terms: Merger) -> EffectFields:
    effect: EffectFields = {"event_code": "MRGR", "successor": terms.acquirer_symbol, "symbol_ends_on": terms.effective_date.isoformat()}
    if terms.cash_per_share is not None and terms.currency is not None:
        effect["cash_per_share"] = decimal_text(terms.cash_per_share)
        effect["currency"] = terms.currency
        effect["currency_exponent"] = EXPONENTS[terms.currency]
    if terms.shares_new is not None and terms.shares_old is not None:
        divisor = gcd(terms.shares_new, terms.shares_old)
        effect["share_factor"] = [terms.shares_new // divisor, terms.shares_old // divisor]
    return effect


def _basis(security: Security) -> dict[str, object]:
    return {
        "isin": security.isin,
        "currency": security.currency,
        "status": security.status,
        "successor": security.successor,
        "reference_price": None if security.reference_price is None else decimal_text(security.reference_price),
    }
