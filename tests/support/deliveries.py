"""Hypothesis strategies for what may be said about one event: any versions, in any order, any number of times."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from corpactions.domain.messages import Function, Message
from corpactions.domain.terms import Terms
from tests.support.announcing import canc, dividend, newm, repl, split, withdrawn

amounts = st.decimals(Decimal("0.01"), Decimal(40), places=4)
Kind = tuple[st.SearchStrategy[Terms], st.SearchStrategy[Terms]]
good: st.SearchStrategy[Terms] = st.builds(lambda amount: dividend(str(amount)), amounts)
bad: st.SearchStrategy[Terms] = st.sampled_from([dividend("0"), dividend(record_date=date(2026, 11, 9), pay_date=date(2026, 11, 12))])
good_splits: st.SearchStrategy[Terms] = st.builds(split, st.integers(2, 9), st.just(1))
bad_splits: st.SearchStrategy[Terms] = st.just(split(3, 3))


@st.composite
def message_sets(draw: st.DrawFn) -> list[Message]:
    """Up to six versions of one event by one origin, each saying one thing; some of them wrong, some of them missing."""
    kinds: list[Kind] = [(good, bad), (good_splits, bad_splits)]
    fine, wrong = draw(st.sampled_from(kinds))
    terms: st.SearchStrategy[Terms] = st.one_of(fine, fine, fine, wrong)
    example: Terms = draw(fine)
    messages = [newm(draw(terms))] if draw(st.booleans()) else []
    for version in draw(st.lists(st.integers(2, 7), max_size=5, unique=True)):
        kind = draw(st.sampled_from([Function.REPL, Function.REPL, Function.CANC, Function.WITH]))
        if kind is Function.REPL:
            messages.append(repl(version, draw(terms)))
        else:
            messages.append((canc if kind is Function.CANC else withdrawn)(version, event_type=example.event_type))
    return messages


@st.composite
def deliveries(draw: st.DrawFn) -> list[Message]:
    """A set of messages in any order, any of them any number of times."""
    messages = draw(message_sets())
    again = draw(st.lists(st.sampled_from(messages), max_size=6)) if messages else []
    return draw(st.permutations([*messages, *again]))
