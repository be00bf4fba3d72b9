"""Ids that never change: the recipe is fixed by examples, since stored events are found by it."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from corpactions.domain.terms import EventType
from producers.feed.identity import id_by_key_date, id_by_reference


def test_the_recipe_is_fixed() -> None:
    assert id_by_reference("AAPL", "lean", "20210205.AAPL.DVCA") == "0000000b-4222-8b33-8e2c-89752bff9882"
    assert id_by_key_date("AAPL", EventType.DIVIDEND, date(2021, 2, 5)) == "0000000b-4222-88f6-b132-661cc2c287b9"


@pytest.mark.parametrize(
    ("reference", "day"),
    [
        ("20261110.AAPL", date(2026, 11, 10)),
        ("DIV/2026-11-30/7", date(2026, 11, 28)),
        ("DIV-2026-Q4", date(2026, 1, 1)),
        ("20261301", date(1, 1, 1)),
        ("120261110", date(1, 1, 1)),
        ("CORP000123", date(1, 1, 1)),
    ],
)
def test_ids_are_ordered_by_the_date_in_the_reference(reference: str, day: date) -> None:
    event_id = UUID(id_by_reference("AAPL", "lean", reference))
    assert event_id.int >> 80 == day.toordinal()
    assert (event_id.version, event_id.variant) == (8, "specified in RFC 4122")


def test_ids_without_a_reference_are_ordered_by_the_key_date() -> None:
    ids = [id_by_key_date("AAPL", EventType.STOCK_SPLIT, date(2026, month, 1)) for month in range(1, 13)]
    assert ids == sorted(ids)
