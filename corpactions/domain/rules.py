"""Rules that terms must keep on their own, before anything is known about the security (ISO 15022 dates, FINRA rule 11140 for large distributions).

The gateway turns the problems into a 422 answer, the feed into a line of its report, the worker into a dead letter: one home for the rules, so a record
that the gateway refuses cannot slip in through the topic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from corpactions.domain.currencies import EXPONENTS
from corpactions.domain.identity import SYMBOL
from corpactions.domain.terms import Dividend, DividendType, Merger, StockSplit, Terms

MAX_SCALE = 12
"""Decimal places that the wire carries (avro decimal(38, 12)): real rates go to nine."""
MAX_INTEGER_DIGITS = 26
MAX_RATIO = 2**31 - 1
MAX_ATTRIBUTES = 65_536
"""Characters of ``attributes``: ample for notes, small beside the topic's largest message."""
_DIVIDEND_TYPES = frozenset(DividendType)
_CURRENCY = re.compile("[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: which field, what was found, what is wrong with it and what would mend it."""

    field: str
    value: object
    detail: str
    mend: str

    def __str__(self) -> str:
        value = self.value if self.value is None or isinstance(self.value, str | int) else str(self.value)  # a date as it was announced
        return f"{self.field}={value!r}: {self.detail}; {self.mend}"


def problems_of(terms: Terms) -> list[Problem]:
    """Every rule that the terms break, in the order of their fields; empty when they may be accepted."""
    if isinstance(terms, Dividend):
        found = _dividend(terms)
    elif isinstance(terms, StockSplit):
        found = list(_split(terms))
    else:
        found = list(_merger(terms))
    if terms.attributes is not None:
        found.extend(_attributes(terms.attributes))
    return found


def _dividend(terms: Dividend) -> list[Problem]:
    """Most events are dividends without a problem, so this one makes no generators."""
    found = [*_amount("amount_per_share", terms.amount_per_share), *_currency("currency", terms.currency)]
    if terms.dividend_type not in _DIVIDEND_TYPES:
        known = ", ".join(sorted(_DIVIDEND_TYPES))
        found.append(Problem("dividend_type", terms.dividend_type, "is not a known dividend type", f"use one of {known}"))
    ex_date, record, pay = terms.ex_date, terms.record_date, terms.pay_date
    found.extend(_dates("ex_date", ex_date, terms.announcement_date, record, pay))
    if record and pay and record < ex_date <= pay:
        found.append(
            Problem(
                "ex_date",
                ex_date,
                f"lies after the record date {record}, yet not after the pay date {pay}",
                "an ex date is on or before the record date, or after the pay date when the distribution is 25 % or more (due bills)",
            )
        )
    return found


def _split(terms: StockSplit) -> Iterator[Problem]:
    yield from _ratio("ratio_new", terms.ratio_new)
    yield from _ratio("ratio_old", terms.ratio_old)
    if terms.ratio_new == terms.ratio_old:
        yield Problem(
            "ratio_new",
            terms.ratio_new,
            "equals ratio_old, so nothing would change",
            "give the shares held after and before, for example 10 and 1",
        )
    yield from _dates("ex_date", terms.ex_date, terms.announcement_date, terms.record_date, terms.pay_date)
    small = terms.ratio_old < terms.ratio_new and 4 * (terms.ratio_new - terms.ratio_old) < terms.ratio_old
    if small and terms.record_date and terms.ex_date > terms.record_date:
        yield Problem(
            "ex_date",
            terms.ex_date,
            f"lies after the record date {terms.record_date}",
            "only a split of 25 % or more goes ex after its record date; give an ex date on or before the record date",
        )


def _merger(terms: Merger) -> Iterator[Problem]:
    if not SYMBOL.fullmatch(terms.acquirer_symbol):
        yield Problem(
            "acquirer_symbol",
            terms.acquirer_symbol,
            "is not a symbol",
            "use 1 to 16 of A-Z, 0-9, dot and hyphen, starting with a letter or digit",
        )
    if terms.cash_per_share is None and terms.shares_new is None and terms.shares_old is None:
        yield Problem(
            "cash_per_share",
            None,
            "a merger needs at least one leg",
            "give cash_per_share with currency, or shares_new with shares_old, or both",
        )
    if terms.cash_per_share is not None:
        yield from _amount("cash_per_share", terms.cash_per_share)
        yield from _currency("currency", terms.currency)
    elif terms.currency is not None:
        yield Problem("currency", terms.currency, "stands without cash_per_share", "leave it out, or give the cash leg")
    if (terms.shares_new is None) != (terms.shares_old is None):
        missing = "shares_new" if terms.shares_new is None else "shares_old"
        yield Problem(missing, None, "one half of the exchange ratio is missing", "give both shares_new and shares_old, or neither")
    for name in ("shares_new", "shares_old"):
        value = getattr(terms, name)
        if value is not None:
            yield from _ratio(name, value)
    yield from _dates("effective_date", terms.effective_date, terms.announcement_date, terms.record_date, terms.pay_date)
    if terms.record_date and terms.effective_date < terms.record_date:
        yield Problem(
            "effective_date",
            terms.effective_date,
            f"lies before the record date {terms.record_date}",
            "a reorganisation takes effect on or after its record date",
        )


def _dates(key_name: str, key_date: date, announced: date | None, record: date | None, pay: date | None) -> list[Problem]:
    found = []
    if announced and announced > key_date:
        found.append(
            Problem("announcement_date", announced, f"lies after the {key_name} {key_date}", "an action is announced on or before that day")
        )
    if announced and record and announced > record:
        found.append(
            Problem(
                "announcement_date",
                announced,
                f"lies after the record date {record}",
                "an action is announced on or before its record date",
            )
        )
    if record and pay and pay < record:
        found.append(Problem("pay_date", pay, f"lies before the record date {record}", "payment follows the record date"))
    return found


def _amount(name: str, value: Decimal) -> tuple[Problem, ...]:
    if not value.is_finite() or value <= 0:
        return (Problem(name, str(value), "is not a positive amount", 'give a positive decimal as a string, for example "0.25"'),)
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "a finite number has a numeric exponent"
    if -exponent > MAX_SCALE:
        mend = f"announce it with at most {MAX_SCALE} decimal places"
        return (Problem(name, str(value), f"has more than {MAX_SCALE} decimal places", mend),)
    if len(digits) + exponent > MAX_INTEGER_DIGITS:
        return (Problem(name, str(value), f"has more than {MAX_INTEGER_DIGITS} digits before the point", "check the unit of the amount"),)
    return ()


def _currency(name: str, value: str | None) -> tuple[Problem, ...]:
    if value is not None and value in EXPONENTS:
        return ()
    hint = (
        f"{value.upper()!r} would be"
        if value and _CURRENCY.fullmatch(value.upper()) and value.upper() in EXPONENTS
        else "for example USD is"
    )
    return (Problem(name, value, "is not an ISO 4217 currency code", f"use a three-letter code in capitals; {hint} one"),)


def _ratio(name: str, value: int) -> Iterator[Problem]:
    if not 0 < value <= MAX_RATIO:
        yield Problem(
            name, value, "is not a positive integer within the ratio's range", f"give a whole number of shares from 1 to {MAX_RATIO}"
        )


def _attributes(text: str) -> Iterator[Problem]:
    if len(text) > MAX_ATTRIBUTES:
        yield Problem(
            "attributes",
            f"{len(text)} characters",
            f"is longer than {MAX_ATTRIBUTES} characters",
            "keep documents elsewhere and name them here",
        )
        return
    try:
        value = json.loads(text, parse_constant=_no_constants)
    except (ValueError, RecursionError):
        yield Problem("attributes", text[:64], "is not JSON", "give the text of one JSON object")
        return
    if not isinstance(value, dict):
        yield Problem("attributes", text[:64], "is not a JSON object", 'give an object, for example {"desk": "LDN"}')


def _no_constants(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
