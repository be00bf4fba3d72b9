"""Which entries an unfiltered page of the audit log must hold, so that one that is missing is missed and none is missed wrongly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from corpactions.auditing.access import ShownEntry, ShownPage
from corpactions.domain.audit.page import EntryVerdict, PageVerdict
from corpactions.persistence.audit_reading import EntryQuery
from corpactions.ports.audit import LogRow
from gateway.answers_audit import decode_cursor, encode_cursor
from gateway.auditing import _span
from gateway.problems import Refused

TIME = datetime(2026, 11, 24, tzinfo=UTC)


def _shown(numbers: list[int], *, more: bool) -> ShownPage:
    entries = tuple(ShownEntry(seq, None, b"", EntryVerdict(seq, True, (), True)) for seq in numbers)
    return ShownPage(LogRow(1, "log", None), entries, PageVerdict((), 0, None, ()), more, pinned=True)


@pytest.mark.parametrize(
    ("asked", "numbers", "more", "span"),
    [
        ({}, [9, 8, 7], True, (7, 10)),
        ({}, [9, 8, 7], False, (0, 10)),
        ({}, [12, 11], True, (11, 13)),  # grown since the checkpoint
        ({}, [], False, (0, 10)),
        ({"after": 7}, [6, 5], True, (5, 7)),
        ({"after": 7}, [5], True, (5, 7)),
        ({"after": 7}, [], False, (0, 7)),
        ({"after": 7, "recorded_from": TIME}, [], False, (7, 7)),
        ({"after": 7, "recorded_from": TIME}, [6, 5], False, (5, 7)),
        ({"recorded_to": TIME}, [6, 5], True, (5, 7)),
        ({"recorded_to": TIME}, [], False, (0, 0)),
        ({"recorded_from": TIME}, [9, 8], False, (8, 10)),
        ({"recorded_from": TIME}, [], False, (10, 10)),
        ({"recorded_from": TIME, "recorded_to": TIME}, [], False, (0, 0)),
        ({"oldest_first": True}, [0, 1], True, (0, 2)),
        ({"oldest_first": True}, [1], True, (0, 2)),
        ({"oldest_first": True}, [0, 1], False, (0, 10)),
        ({"oldest_first": True, "after": 3}, [5, 6], True, (4, 7)),
        ({"oldest_first": True, "after": 3}, [], False, (4, 10)),
        ({"oldest_first": True, "after": 3, "recorded_to": TIME}, [], False, (4, 4)),
        ({"oldest_first": True, "recorded_from": TIME}, [5, 6], True, (5, 7)),
        ({"oldest_first": True, "recorded_from": TIME}, [5, 6], False, (5, 10)),
    ],
)
def test_an_unfiltered_page_reaches_from_neighbour_to_neighbour(
    asked: dict[str, Any], numbers: list[int], more: bool, span: tuple[int, int]
) -> None:
    assert _span(EntryQuery(1, 2, **asked), _shown(numbers, more=more), 10) == span


def test_a_cursor_is_of_one_search_and_one_place() -> None:
    query = EntryQuery(0, 100, symbol="AAPL", recorded_from=TIME)
    cursor = encode_cursor(query, 1_234)
    assert decode_cursor(cursor, query) == 1_234
    assert decode_cursor(cursor, query._replace(limit=7, log_id=3)) == 1_234
    for other in (
        query._replace(symbol=None),
        query._replace(oldest_first=True),
        query._replace(recorded_from=None),
        query._replace(actor="x"),
    ):
        with pytest.raises(Refused):
            decode_cursor(cursor, other)
