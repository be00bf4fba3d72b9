from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.terms import Dividend, EventType, Merger, StockSplit
from gateway import examples
from gateway.problems import Refused, shown
from gateway.validation import Announcement, Document, amendment, announcement, bulk_items, cancellation

DIVIDEND = examples.SUBMISSIONS["dividend"]


def _document(content: object) -> Document:
    return Document(orjson.dumps(content))


def _pointers(content: object) -> list[str]:
    with pytest.raises(Refused) as refused:
        announcement(_document(content))
    return [error.pointer for error in refused.value.errors]


def _dividend(**changes: object) -> dict[str, Any]:
    return DIVIDEND | {"payload": DIVIDEND["payload"] | changes}


def test_each_event_type_becomes_its_terms() -> None:
    kinds = {name: type(announcement(_document(body)).terms) for name, body in examples.SUBMISSIONS.items()}
    assert kinds == {"dividend": Dividend, "split": StockSplit, "merger": Merger}


def test_amounts_are_exact_and_the_source_has_a_default() -> None:
    found = announcement(_document(_dividend(amount_per_share="0.123456789012") | {"source": "manual"}))
    assert isinstance(found.terms, Dividend)
    assert found.terms.amount_per_share == Decimal("0.123456789012")
    without = {name: value for name, value in DIVIDEND.items() if name != "source"}
    assert announcement(_document(without)).subject.source == "manual"


@pytest.mark.parametrize(
    "amount", [0.25, 1, True, None, "", "1e3", " 1", "1 ", "+1", ".5", "1.", "0x1", "NaN", "Infinity", "1,5", "١", "-1", "0"]
)
def test_only_plain_positive_decimal_text_is_an_amount(amount: object) -> None:
    assert _pointers(_dividend(amount_per_share=amount)) == ["/payload/amount_per_share"]


@pytest.mark.parametrize(
    "day", [20261110, "20261110", "2026-W45-1", "2026-11-10T00:00:00", "2026-02-30", "1700000000", "", "0000-01-01", "2026-1-1"]
)
def test_only_iso_text_is_a_date(day: object) -> None:
    assert _pointers(_dividend(ex_date=day)) == ["/payload/ex_date"]


@pytest.mark.parametrize("ratio", ["10", 10.0, 1.5, True, None, 0, -1, 2**31])
def test_only_positive_integers_are_ratios(ratio: object) -> None:
    split = examples.SUBMISSIONS["split"]
    assert _pointers(split | {"payload": split["payload"] | {"ratio_new": ratio}}) == ["/payload/ratio_new"]


def test_a_typo_is_never_lost() -> None:
    assert _pointers(DIVIDEND | {"sybmol": "AAPL"}) == ["/sybmol"]
    assert _pointers(_dividend(pay_dat="2026-11-17")) == ["/payload/pay_dat"]
    assert _pointers(DIVIDEND | {"a/b~c": 1}) == ["/a~1b~0c"]


def test_every_broken_rule_is_reported_at_once() -> None:
    body = _dividend(currency="usd", pay_date="2026-11-01") | {
        "symbol": "aapl",
        "isin": "US0378331006",
        "source": "-",
        "source_reference": " x",
    }
    assert _pointers(body) == ["/symbol", "/isin", "/source", "/source_reference", "/payload/currency", "/payload/pay_date"]


def test_in_a_bulk_body_each_item_is_judged_alone() -> None:
    good, wrong, odd = bulk_items(_document({"events": [DIVIDEND, {"event_type": "BOND"}, 7]}))
    assert not isinstance(good, Refused)
    assert isinstance(wrong, Refused)
    assert isinstance(odd, Refused)
    assert [error.pointer for error in (*wrong.errors, *odd.errors)] == ["/events/1/event_type", "/events/2"]


def test_attributes_are_kept_digit_for_digit() -> None:
    text = '{"a":1.10,"b":-0.0,"c":123456789012345678901234567890,"d":[1E+2,{"e":"\\u00e9"}]}'
    body = orjson.dumps(DIVIDEND)[:-2] + b',"attributes":' + text.encode() + b"}}"
    assert announcement(Document(body)).terms.attributes == text.replace("\\u00e9", "é")
    (item,) = bulk_items(Document(b'{"events":[' + body + b"]}"))
    assert not isinstance(item, Refused)
    assert item.terms.attributes == text.replace("\\u00e9", "é")


def test_attributes_nested_too_deeply_are_refused() -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    with pytest.raises(Refused) as refused:
        announcement(Document(orjson.dumps(DIVIDEND)[:-2] + b',"attributes":' + deep + b"}}"))
    assert refused.value.code.status in {400, 422}


def test_the_hash_sees_the_value_of_the_body_and_nothing_else() -> None:
    body = orjson.dumps(DIVIDEND)
    spaced = orjson.dumps(dict(reversed(DIVIDEND.items())), option=orjson.OPT_INDENT_2)
    assert Document(body).sha256("POST", "/a") == Document(spaced).sha256("POST", "/a")
    assert Document(body).sha256("POST", "/a") != Document(body).sha256("POST", "/b")
    one, other = (body[:-2] + b',"attributes":{"a":' + number + b"}}}" for number in (b"1.1", b"1.10"))
    assert Document(one).sha256() != Document(other).sha256()


def test_an_amendment_is_read_as_the_events_type() -> None:
    found = amendment(_document(examples.AMENDMENT))
    assert isinstance(found.terms_as(EventType.DIVIDEND), Dividend)
    with pytest.raises(Refused):
        found.terms_as(EventType.MERGER)


@pytest.mark.parametrize(
    "content",
    [None, {}, {"payload": {}}, {"payload": {}, "reason": ""}, {"payload": {}, "reason": 1}, {"payload": {}, "reason": "x", "symbol": "A"},
     {"payload": {}, "reason": "x" * 1001}, {"payload": {}, "reason": "bell\x07"}],
)  # fmt: skip
def test_a_wrong_amendment_is_refused(content: object) -> None:
    with pytest.raises(Refused):
        amendment(_document(content))


@pytest.mark.parametrize("content", [[], {"function": "NEWM", "reason": "x"}, {"function": "CANC"}, {"function": "CANC", "reason": " "}])
def test_a_wrong_cancellation_is_refused(content: object) -> None:
    with pytest.raises(Refused):
        cancellation(_document(content))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, st.sampled_from(["event_type", "symbol", "isin", "source", "source_reference", "payload"]))
def test_any_json_anywhere_is_accepted_or_refused_with_bounded_words(value: object, name: str) -> None:
    found: Announcement | Refused
    try:
        found = announcement(_document(DIVIDEND | {name: value}))
    except Refused as refused:
        found = refused
    if isinstance(found, Refused):
        assert found.code.status in {400, 422}
        assert len(orjson.dumps(found.document())) < 30_000


@given(st.text() | st.integers() | st.floats() | st.lists(st.text()) | st.none())
def test_an_echoed_value_is_short_and_printable(value: object) -> None:
    echoed = shown(value)
    assert echoed is None or isinstance(echoed, int) or (isinstance(echoed, str) and len(echoed) <= 100 and echoed.isprintable())
