from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.messages import VersionRef
from corpactions.domain.terms import EventType
from corpactions.ports.events import EventView, PageKey
from corpactions.ports.reservations import Subject
from gateway.answers import decode_cursor, encode_cursor, event_document
from gateway.models.answers import Event
from gateway.problems import Code, Refused

WHEN = datetime(2026, 11, 10, 14, 3, 7, 123456, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)), st.uuids())
def test_a_cursor_comes_back_as_it_went(time: datetime, event_id: object) -> None:
    key = PageKey(time, str(event_id))
    assert decode_cursor(encode_cursor(key)) == key


@given(st.text(max_size=64) | st.binary(max_size=40).map(lambda value: value.hex()))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    found: PageKey | Refused
    try:
        found = decode_cursor(text)
    except Refused as refused:
        found = refused
    assert found.code is Code.INVALID_REQUEST if isinstance(found, Refused) else encode_cursor(found) == text


@pytest.mark.parametrize("subject", [None, Subject("AAPL", EventType.DIVIDEND, None, "manual", None)])
def test_attributes_are_shown_as_they_were_announced(subject: Subject | None) -> None:
    payload = {"currency": "USD", "attributes": '{"a":1.10}'}
    view = EventView("019a8a3e-5c00-7000-8000-000000000001", subject, VersionRef("gateway", 1), 1, "COMPLETED", None, payload, None, ("X",), 0, None,
                     WHEN, None, None, pending=False)  # fmt: skip
    shown = orjson.dumps(event_document(view))
    assert b'"attributes":{"a":1.10}' in shown
    assert Event.model_validate_json(shown).flags == ["X"]


def test_every_code_has_a_status_and_a_title_of_its_own() -> None:
    assert len({code.title for code in Code}) == len(Code)
    for code in Code:
        document = Refused(code, "detail").document()
        assert document["status"] == code.status
        assert document["type"].endswith(document["code"])
