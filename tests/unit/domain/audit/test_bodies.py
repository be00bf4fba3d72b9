"""The two readers of bodies, the standard library's and the fast one, accept the same bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpactions.domain.audit import bodies
from corpactions.domain.audit.entry import Content, Draft, Source, body
from corpactions.serde import canonical
from tests.support.signing import LOG

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abé", max_size=3), inner, max_size=3),
    max_leaves=8,
)


def entry(detail: dict[str, Any], **fields: Any) -> bytes:
    content = Content("id", "APPLIED", "feed", "event:1", "DIVIDEND", "MSFT", detail)
    return body(Draft(content._replace(**fields), Source("audit", 0, 1)), LOG, 5, "0" * 64, "2026-11-24T09:00:00.000000Z")


def read(data: bytes, decode: bodies.Decode) -> Any:
    try:
        return bodies.fields_of(data, decode)
    except ValueError:
        return "refused"


@given(st.dictionaries(st.sampled_from(["after", "before", "cause"]), VALUES, max_size=3))
@example({"after": 2**53 - 1})
@example({"after": 2**53})
@example({"after": 1.5})
@example({"after": [[1.0]]})
@example({"after": 2**64})
def test_both_accept_and_refuse_the_same_details(detail: dict[str, Any]) -> None:
    data = entry(detail)
    assert read(data, bodies.decode) == read(data, canonical.decode)


@given(st.integers(0, 400), st.integers(0, 255))
def test_both_accept_and_refuse_the_same_changes(at: int, value: int) -> None:
    data = entry({"after": "COMPLETED", "reason": 'quote " and ä', "n": [1, 2, {"m": -3}]})
    changed = data[: at % len(data)] + bytes([value]) + data[at % len(data) + 1 :]
    assert read(changed, bodies.decode) == read(changed, canonical.decode)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"1", b"\xff", b"{" * 10_000, entry({}) + b" ", b" " + entry({}), json.dumps(json.loads(entry({}))).encode()],
    ids=range(9),
)
def test_what_is_no_entry_is_refused(data: bytes) -> None:
    for decode in (bodies.decode, canonical.decode):
        with pytest.raises(ValueError, match=r"[a-z]"):
            bodies.fields_of(data, decode)


@pytest.mark.parametrize(
    "fields",
    [
        {"record_id": ""},
        {"record_id": "ä"},
        {"record_id": "x" * 321},
        {"actor": "a" * 129},
        {"symbol": "S" * 17},
        {"symbol": "é"},
        {"action": 1},
    ],
    ids=str,
)
def test_fields_out_of_bounds_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        bodies.fields_of(entry({}, **fields), canonical.decode)
