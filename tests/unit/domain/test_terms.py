"""Terms and their canonical JSON."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.terms import Merger, Terms, decimal_text, from_json, to_json
from corpactions.domain.texts import Unreadable, amount_of, date_of, whole_of
from tests.support.announcing import dividend, split
from tests.support.strategies import terms as any_terms


@pytest.mark.parametrize(
    ("value", "text"), [("0.250", "0.25"), ("100", "100"), ("1E+3", "1000"), ("1E-7", "0.0000001"), ("-0", "0"), ("0.0", "0")]
)
def test_an_amount_has_one_spelling(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


def test_canonical_json_is_sorted_compact_and_leaves_absent_fields_out() -> None:
    assert to_json(split(4, 1, announcement_date=None, record_date=None)) == '{"ex_date":"2026-11-10","ratio_new":4,"ratio_old":1}'


def test_attributes_stay_the_text_that_was_announced() -> None:
    text = '{"rate": 1.10, "b":1, "a": "é"}'
    assert json.loads(to_json(dividend(attributes=text)))["attributes"] == text


@given(st.sampled_from(list(any_terms)).flatmap(any_terms.__getitem__))
def test_canonical_json_reads_back_as_the_same_terms(terms: Terms) -> None:
    assert from_json(terms.event_type, to_json(terms)) == terms


def test_each_kind_of_terms_has_a_key_date() -> None:
    day = date(2026, 11, 10)
    assert {dividend().key_date, split().key_date, Merger("X", day).key_date} == {day}


def test_texts_of_files_are_read_strictly() -> None:
    assert (date_of("2026-11-10"), amount_of("0.250"), whole_of("-4")) == (date(2026, 11, 10), Decimal("0.250"), -4)


@pytest.mark.parametrize("text", ["20261110", "2026-W46-2", "2026-02-30", "2026-1-1", "", "２０２６-11-10"])
def test_what_is_no_date_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable, match="YYYY-MM-DD"):
        date_of(text)


@pytest.mark.parametrize("text", ["", "1e5", "NaN", "1,000", ".5", "5.", " 1", "1\n", "١"])
def test_what_is_no_amount_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable, match="plain digits"):
        amount_of(text)


@pytest.mark.parametrize("text", ["", "4.0", "1_000", "9" * 19, "4\n"])
def test_what_is_no_whole_number_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable, match="digits alone"):
        whole_of(text)
