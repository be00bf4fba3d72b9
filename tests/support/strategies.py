"""Hypothesis strategies for everything that travels on our topics."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import strategies as st

from corpactions.domain.audit.records import Action, AuditRecord, BatchSummary, Delta, Transition
from corpactions.domain.messages import CARRIES_TERMS, DECISIONS, Decision, Function, Message, Position, VersionRef
from corpactions.domain.terms import Dividend, EventType, Merger, StockSplit, Terms, to_json

INT = 2**31 - 1
LONG = 2**63 - 1

text = st.text(st.characters(codec="utf-8"), max_size=40)
line = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=40)
uuids = st.uuids().map(str)
symbols = st.from_regex(r"[A-Z0-9][A-Z0-9.-]{0,15}", fullmatch=True)
sources = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", fullmatch=True)
isins = st.sampled_from(["US0378331005", "US67066G1040", "GB0002634946", "DE0007164600"])
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC))
dates = st.dates(date.min, date.max)
amounts = st.integers(-(10**38) + 1, 10**38 - 1).map(lambda number: Decimal(f"{number}E-12")) | st.decimals(
    Decimal("-1e25"), Decimal("1e25"), places=6, allow_nan=False
)
ratios = st.integers(-LONG - 1, LONG)
positive = st.integers(1, INT)
optional_dates = {
    "announcement_date": st.none() | dates,
    "record_date": st.none() | dates,
    "pay_date": st.none() | dates,
    "attributes": st.none() | text,
}

terms: dict[EventType, st.SearchStrategy[Terms]] = {
    EventType.DIVIDEND: st.builds(Dividend, amount_per_share=amounts, currency=text, ex_date=dates, dividend_type=text, **optional_dates),
    EventType.STOCK_SPLIT: st.builds(StockSplit, ratio_new=ratios, ratio_old=ratios, ex_date=dates, **optional_dates),
    EventType.MERGER: st.builds(
        Merger,
        acquirer_symbol=text,
        effective_date=dates,
        cash_per_share=st.none() | amounts,
        currency=st.none() | text,
        shares_new=st.none() | ratios,
        shares_old=st.none() | ratios,
        **optional_dates,
    ),
}
version_refs = st.builds(VersionRef, sources, positive)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any message whose structure is right; its terms may break every rule of the domain."""
    function = draw(st.sampled_from(Function))
    event_type = draw(st.sampled_from(EventType))
    carried = draw(terms[event_type]) if function in CARRIES_TERMS else None
    return Message(
        event_id=draw(uuids),
        origin=draw(sources),
        version=1 if function is Function.NEWM else draw(positive),
        function=function,
        event_type=event_type,
        symbol=draw(symbols),
        source=draw(sources),
        accepted_at=draw(times),
        actor=draw(line),
        correlation_id=draw(uuids),
        isin=draw(st.none() | isins),
        source_reference=draw(st.none() | line),
        terms=carried,
        terms_json=None if carried is None else to_json(carried),
        reason=draw(st.none() | line),
        based_on=draw(st.none() | version_refs),
        decision=draw(st.builds(Decision, uuids, st.none() | version_refs, st.integers(0, INT))) if function in DECISIONS else None,
    )


audit_records = st.builds(
    AuditRecord,
    record_id=text,
    recorded_at=times,
    actor=text,
    action=st.sampled_from(Action),
    resource=text,
    event_type=st.none() | text,
    symbol=st.none() | text,
    function=st.none() | text,
    origin=st.none() | text,
    version=st.none() | st.integers(-INT - 1, INT),
    revision=st.none() | st.integers(-INT - 1, INT),
    before=st.none() | text,
    after=st.none() | text,
    transitions=st.lists(st.builds(Transition, st.none() | text, text, times), max_size=80).map(tuple),
    position=st.none() | st.builds(Position, text, st.integers(0, INT), st.integers(0, LONG)),
    correlation_id=st.none() | uuids,
    payload_commitment=st.none() | st.binary(max_size=40),
    flags=st.lists(text, max_size=4).map(tuple),
    code=st.none() | text,
    reason=st.none() | st.text(st.characters(codec="utf-8"), max_size=400),
)

summaries = st.builds(
    BatchSummary,
    topic=text,
    partition=st.integers(0, INT),
    summary_seq=st.integers(0, LONG),
    committed_at=times,
    deltas=st.lists(st.builds(Delta, times, text, text, st.integers(-INT - 1, INT)), max_size=80).map(tuple),
    records=st.integers(0, INT),
    rejected=st.integers(0, INT),
)
