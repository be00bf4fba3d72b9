"""The reference model: what a set of messages of one origin comes to, written down from the rules and without any of the worker's code.

It folds nothing. It looks at the whole set at once, so it cannot share a fault of order with the state machine that it judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import NamedTuple

from corpactions.domain.messages import Message
from corpactions.domain.terms import Dividend, StockSplit, Terms

Net = tuple[tuple[str, object], ...]


class Outcome(NamedTuple):
    """How an event ends. ``net`` is what all effects and reversals together leave in force, empty for nothing."""

    status: str
    cancel_function: str | None
    version: int | None
    terms_json: str | None
    net: Net


def outcome_of(messages: Iterable[Message]) -> Outcome | None:
    """The outcome of NEWM, REPL, CANC and WITH messages of one origin about one event; None when they leave no trace.

    Each version says one thing. The security is active, priced at 200 in dollars and always known.
    """
    by_version = {message.version: message for message in messages}
    announced = {number: message for number, message in by_version.items() if message.terms is not None and sound(message.terms)}
    ended = {number: message for number, message in by_version.items() if message.function in {"CANC", "WITH"}}
    if ended:
        lowest = min(ended)
        before = [number for number in announced if number < lowest]
        shown = announced[max(before)].terms_json if before else None
        return Outcome("CANCELLED", ended[lowest].function, lowest, shown, ())
    if announced:
        newest = announced[max(announced)]
        assert newest.terms is not None
        return Outcome("COMPLETED", None, newest.version, newest.terms_json, net_of(newest.terms))
    refused = next((message for message in by_version.values() if message.function == "NEWM"), None)
    return None if refused is None else Outcome("FAILED", None, None, refused.terms_json, ())


def sound(terms: Terms) -> bool:
    """Whether the terms keep the rules that this model's messages can break."""
    if isinstance(terms, Dividend):
        if terms.amount_per_share <= Decimal(0):
            return False
        late = terms.record_date is not None and terms.ex_date > terms.record_date
        return not late
    if isinstance(terms, StockSplit):
        return terms.ratio_new > 0 and terms.ratio_old > 0 and terms.ratio_new != terms.ratio_old
    raise AssertionError(f"the model knows no {terms}")


def net_of(terms: Terms) -> Net:
    """What the terms do to one share: cash per share, or the factor on the number of shares."""
    if isinstance(terms, Dividend):
        return (("cash", Fraction(terms.amount_per_share)), ("currency", terms.currency))
    assert isinstance(terms, StockSplit)
    divisor = gcd(terms.ratio_new, terms.ratio_old)
    return (("shares", (terms.ratio_new // divisor, terms.ratio_old // divisor)),)


def net_of_fields(fields: dict[str, object]) -> Net:
    """The same, read from the fields of a posted effect."""
    if "cash_per_share" in fields:
        return (("cash", Fraction(str(fields["cash_per_share"]))), ("currency", fields["currency"]))
    factor = fields["share_factor"]
    assert isinstance(factor, list)
    new, old = factor
    return (("shares", (new, old)),)
