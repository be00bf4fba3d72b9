"""An entry's body: one form for one content, read back as it was, and nothing else is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import LARGEST_INTEGER, ZERO_LINK, Content, Draft, Entry, Source, body, canonical, parse_time, time_text
from corpactions.serde.canonical import encode
from tests.support.strategies import text, times

NOW = datetime(2026, 11, 24, 17, 55, 0, 123456, tzinfo=UTC)
CONTENT = Content("e:1", "APPLIED", "feed", "event:e", "DIVIDEND", "AAPL", {"reason": "ex date", "revision": 1, "flags": [], "after": None})
BODY = body(Draft(CONTENT, Source("audit", 3, 17)), "corporate-actions/audit", 5, "ab" * 32, time_text(NOW))

names = st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
some = text.filter(bool)
codes = st.none() | st.text(st.characters(max_codepoint=127), max_size=16)
ids = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)
contents = st.builds(
    Content, ids, ids.map(lambda action: action[:32]), some, some, codes, codes, st.dictionaries(names, values, max_size=5)
)


@given(values)
@example({"": '\u2028\x7f"\\\b\f\n\r\t\x00\x1f/é€\U0001f600', "B": 1, "a": -0, "A": LARGEST_INTEGER})
def test_both_encoders_write_what_rfc_8785_says(value: Any) -> None:
    expected = rfc8785.dumps(value)
    assert canonical(value) == expected
    assert encode(value) == expected


@given(contents, st.none() | st.builds(Source, text, st.integers(0, 11), st.integers(0, LARGEST_INTEGER)), st.integers(0, 2**40), times)
def test_what_is_written_is_read_back(content: Content, source: Source | None, seq: int, at: datetime) -> None:
    data = body(Draft(content, source), "log", seq, ZERO_LINK, time_text(at))
    assert parse(data) == Entry("log", seq, ZERO_LINK, at, content, source)
    assert data == body(Draft(content, source), "log", seq, ZERO_LINK, time_text(at), encode)


@given(st.data())
def test_no_byte_can_change_without_being_another_entry_or_none(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(BODY) - 1))
    changed = BODY[:at] + bytes([BODY[at] ^ data.draw(st.integers(1, 255))]) + BODY[at + 1 :]
    try:
        found = parse(changed)
    except ValueError:
        return
    assert found != parse(BODY)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda fields: fields | {"seq": 1.0}, "no integer"),
        (lambda fields: fields | {"seq": 2**53}, "beyond"),
        (lambda fields: fields | {"seq": -1}, "no number of an entry"),
        (lambda fields: fields | {"seq": True}, "wrong type"),
        (lambda fields: fields | {"format": 2}, "format"),
        (lambda fields: fields | {"more": 1}, "exactly the fields"),
        (lambda fields: fields | {"source": {"topic": "t", "partition": 1}}, "source is not"),
        (lambda fields: fields | {"source": 7}, "wrong type"),
        (lambda fields: fields | {"recorded_at": "2026-11-24 17:55"}, "is not written as"),
        (lambda fields: fields | {"recorded_at": 5}, "wrong type"),
        (lambda fields: {name: value for name, value in fields.items() if name != "prev"}, "exactly the fields"),
        (lambda fields: [fields], "exactly the fields"),
    ],
)
def test_what_is_no_entry_is_refused_and_says_why(change: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(json.dumps(change(json.loads(BODY)), sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"null", BODY + b" ", BODY.replace(b'"seq":5', b'"seq":5,"seq":5'), BODY.replace(b",", b", ", 1), b"[" * 100_000],
    ids=["nothing", "no UTF-8", "null", "a space behind it", "a name twice", "a space inside", "nested without end"],
)
def test_bytes_in_another_form_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse(data)


@given(times)
def test_times_have_one_form(at: datetime) -> None:
    assert parse_time(time_text(at)) == at
    assert len(time_text(at)) == len("2026-11-24T17:55:00.123456Z")
    with pytest.raises(ValueError, match="is not written as"):
        parse_time(time_text(at).replace("Z", "+00:00"))


@pytest.mark.parametrize(
    "written", ["0001-01-01T00:00:00.000000+23:59", "9999-12-31T23:59:59.999999-23:59", "", "now", "2026-11-24T17:55:00Z"]
)
def test_other_times_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not written as"):
        parse_time(written)
