"""Lines to messages: nothing guessed, nothing rounded, every fault named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from corpactions.domain.messages import Function, Message
from corpactions.domain.rules import Problem
from corpactions.domain.terms import Dividend, Merger, StockSplit
from producers.feed.lines import Stamp, to_message
from producers.feed.reader import Line

STAMP = Stamp(datetime(2026, 11, 24, tzinfo=UTC), "4258847e-06a7-4de8-80ef-4b04eb058d15")
FIELDS: dict[str, object] = {"event_type": "DIVIDEND", "symbol": "AAPL", "source": "feed", "source_reference": "R-1"}
DIVIDEND: dict[str, object] = {"amount_per_share": "0.250", "currency": "USD", "ex_date": "2026-11-10"}
SPLIT: dict[str, object] = {"ratio_new": "4", "ratio_old": "1", "ex_date": "2026-11-10"}
MERGER: dict[str, object] = {"acquirer_symbol": "CI", "effective_date": "2018-12-20", "cash_per_share": "48.75", "currency": "USD"}


def made(fields: dict[str, object], payload: dict[str, object], default_source: str | None = None) -> Message:
    message = to_message(Line(7, fields, payload), STAMP, default_source)
    assert isinstance(message, Message), message
    return message


def faults(fields: dict[str, object], payload: dict[str, object]) -> dict[str, str]:
    problems = to_message(Line(7, fields, payload), STAMP)
    assert isinstance(problems, list), problems
    return {problem.field: problem.detail for problem in problems}


def without(fields: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in fields.items() if key != name}


def test_a_dividend_is_announced_exactly() -> None:
    message = made({**FIELDS, "isin": "US0378331005"}, DIVIDEND)
    assert message.terms == Dividend(Decimal("0.250"), "USD", date(2026, 11, 10))
    assert message.terms_json == '{"amount_per_share":"0.25","currency":"USD","dividend_type":"CASH","ex_date":"2026-11-10"}'
    assert (message.function, message.version, message.origin, message.actor) == (Function.NEWM, 1, "feed", "feed")
    assert (message.isin, message.accepted_at, message.correlation_id) == ("US0378331005", *STAMP)


def test_splits_and_mergers_are_announced_exactly() -> None:
    assert made({**FIELDS, "event_type": "STOCK_SPLIT"}, SPLIT).terms == StockSplit(4, 1, date(2026, 11, 10))
    merger = made({**FIELDS, "event_type": "MERGER"}, {**MERGER, "shares_new": 2434, "shares_old": 10000}).terms
    assert merger == Merger("CI", date(2018, 12, 20), Decimal("48.75"), "USD", 2434, 10000)


def test_the_source_of_the_command_stands_in_for_a_missing_one_only() -> None:
    assert made(without(FIELDS, "source"), DIVIDEND, "desk").source == "desk"
    assert made(FIELDS, DIVIDEND, "desk").source == "feed"
    assert "source" in faults(without(FIELDS, "source"), DIVIDEND)


def test_the_id_depends_on_symbol_source_and_reference_and_on_no_term() -> None:
    first = made(FIELDS, DIVIDEND)
    moved = made({**FIELDS, "function": "REPL", "version": "2"}, {**DIVIDEND, "ex_date": "2027-02-01", "amount_per_share": "9"})
    ended = made({**FIELDS, "function": "CANC", "version": "3"}, {})
    assert first.event_id == moved.event_id == ended.event_id
    for name, value in (("symbol", "MSFT"), ("source", "other"), ("source_reference", "R-2")):
        assert made({**FIELDS, name: value}, DIVIDEND).event_id != first.event_id


def test_without_a_reference_the_id_depends_on_symbol_type_and_key_date() -> None:
    fields = without(FIELDS, "source_reference")
    first = made(fields, DIVIDEND)
    assert made({**fields, "function": "REPL", "version": "2"}, {**DIVIDEND, "amount_per_share": "9"}).event_id == first.event_id
    assert made({**fields, "function": "WITH", "version": "2"}, {"ex_date": "2026-11-10"}).event_id == first.event_id
    assert made(fields, {**DIVIDEND, "ex_date": "2026-11-11"}).event_id != first.event_id


@pytest.mark.parametrize("function", ["CANC", "WITH"])
def test_a_cancellation_carries_no_terms_whatever_its_line_repeats(function: str) -> None:
    message = made({**FIELDS, "function": function, "version": "2", "reason": "mistake"}, {**DIVIDEND, "currency": "nonsense"})
    assert (message.terms, message.terms_json, message.reason) == (None, None, "mistake")


def test_a_cancellation_must_name_its_event() -> None:
    fields = {**without(FIELDS, "source_reference"), "function": "CANC", "version": "2"}
    assert faults(fields, {}) == {"ex_date": "is missing, and so is source_reference"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"function": "REPL"}, "version"),
        ({"function": "REPL", "version": "0"}, "version"),
        ({"function": "REPL", "version": "2147483648"}, "version"),
        ({"function": "NEWM", "version": "2"}, "version"),
        ({"version": "2"}, "version"),
        ({"version": True}, "version"),
        ({"version": "1.0"}, "version"),
        ({"function": "REPROCESS"}, "function"),
        ({"function": "newm"}, "function"),
        ({"event_type": "SPIN_OFF"}, "event_type"),
        ({"event_type": None}, "event_type"),
        ({"symbol": "aapl"}, "symbol"),
        ({"symbol": 5}, "symbol"),
        ({"isin": "US0378331006"}, "isin"),
        ({"source": "no spaces please"}, "source"),
        ({"source_reference": " R"}, "source_reference"),
        ({"reason": "\x00"}, "reason"),
    ],
)
def test_a_wrong_field_is_named(given: dict[str, object], field: str) -> None:
    fields = {name: value for name, value in {**FIELDS, **given}.items() if value is not None}
    assert list(faults(fields, DIVIDEND)) == [field]


@pytest.mark.parametrize(
    ("event_type", "payload", "field"),
    [
        ("DIVIDEND", without(DIVIDEND, "currency"), "currency"),
        ("DIVIDEND", {**DIVIDEND, "amount_per_share": "1e3"}, "amount_per_share"),
        ("DIVIDEND", {**DIVIDEND, "amount_per_share": "0,25"}, "amount_per_share"),
        ("DIVIDEND", {**DIVIDEND, "amount_per_share": "٣"}, "amount_per_share"),
        ("DIVIDEND", {**DIVIDEND, "amount_per_share": 1}, "amount_per_share"),
        ("DIVIDEND", {**DIVIDEND, "amount_per_share": "0." + "0" * 12 + "1"}, "amount_per_share"),
        ("DIVIDEND", {**DIVIDEND, "ex_date": "20261110"}, "ex_date"),
        ("DIVIDEND", {**DIVIDEND, "ex_date": "2026-W01-1"}, "ex_date"),
        ("DIVIDEND", {**DIVIDEND, "ex_date": "2026-02-30"}, "ex_date"),
        ("DIVIDEND", {**DIVIDEND, "ratio_new": "4"}, "ratio_new"),
        ("DIVIDEND", {**DIVIDEND, "attributes": "[]"}, "attributes"),
        ("STOCK_SPLIT", {**SPLIT, "ratio_new": "4.0"}, "ratio_new"),
        ("STOCK_SPLIT", {**SPLIT, "ratio_old": "-1"}, "ratio_old"),
        ("STOCK_SPLIT", without(SPLIT, "ex_date"), "ex_date"),
        ("MERGER", without(MERGER, "acquirer_symbol"), "acquirer_symbol"),
        ("MERGER", {**MERGER, "shares_new": "1"}, "shares_old"),
    ],
)
def test_a_wrong_term_is_named(event_type: str, payload: dict[str, object], field: str) -> None:
    assert list(faults({**FIELDS, "event_type": event_type}, payload)) == [field]


def test_all_faults_of_a_line_are_told_at_once() -> None:
    assert set(faults({**FIELDS, "symbol": "aapl", "isin": "x"}, {**DIVIDEND, "ex_date": "soon", "currency": "US"})) == {
        "symbol",
        "isin",
        "ex_date",
    }


def test_an_unreadable_line_passes_its_problem_on() -> None:
    problem = Problem("line", "x", "is not CSV", "mend it")
    assert to_message(Line(3, {}, {}, problem), STAMP) == [problem]


def test_attributes_stay_the_text_that_was_announced() -> None:
    given = '{"note": "kept",  "n": 1.10}'
    assert made(FIELDS, {**DIVIDEND, "attributes": given}).terms == Dividend(Decimal("0.250"), "USD", date(2026, 11, 10), attributes=given)
    assert made(FIELDS, {**DIVIDEND, "attributes": {"desk": "LDN"}}).terms == Dividend(
        Decimal("0.250"), "USD", date(2026, 11, 10), attributes='{"desk":"LDN"}'
    )
