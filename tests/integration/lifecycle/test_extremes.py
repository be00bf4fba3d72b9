"""Values at the edge of what is allowed: each is applied or refused with a letter, and none stops the worker."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

from corpactions.domain.messages import Message
from corpactions.domain.terms import Dividend, Merger, StockSplit
from tests.support.checker import judge
from tests.support.product import Product
from tests.support.upstream import Upstream, amendment, announcement, day, dividend

EXTREMES: dict[str, Message] = {
    "first day there is": announcement("MSFT", dividend(ex_date=date(1, 1, 1))),
    "last day there is": announcement("MSFT", dividend(ex_date=date(9999, 12, 31))),
    "accepted in the year 1": announcement("MSFT", dividend(ex_date=day(1)), accepted_at=datetime(1, 1, 1, tzinfo=UTC)),
    "accepted at the end of time": announcement(
        "MSFT", dividend(ex_date=day(2)), accepted_at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    ),
    "smallest amount": announcement("MSFT", dividend("0.000000000001", day(3))),
    "largest amount": announcement("MSFT", Dividend(Decimal("9" * 26 + "." + "9" * 12), "USD", day(4))),
    "largest ratio": announcement("MSFT", StockSplit(2**31 - 1, 1, day(5))),
    "reference of 128 characters beyond the first plane": announcement("MSFT", dividend(ex_date=day(6)), source_reference="🂡" * 128),
    "references that differ by case": announcement("MSFT", dividend(ex_date=day(7)), source_reference="ref"),
    "the same in capitals": announcement("MSFT", dividend(ex_date=day(8)), source_reference="REF"),
    "reference with quotes and backslashes": announcement("MSFT", dividend(ex_date=day(9)), source_reference="a'b\"c\\d%s\\"),
    "reason of quotes": announcement("MSFT", dividend(ex_date=day(10)), reason="'; DROP TABLE events; --\\" * 40),
    "attributes of 65,536 characters": announcement(
        "MSFT", dividend(ex_date=day(11), attributes=json.dumps({"note": "é" * 10_000, "lone": "\ud800"}))
    ),
    "longest symbol": announcement("A234567890.B-CDE", dividend(ex_date=day(12))),
    "longest source and origin": announcement("MSFT", dividend(ex_date=day(13)), source="s" * 64, origin="o" * 64),
    "highest version": amendment(announcement("MSFT", dividend(ex_date=day(14))), 2**31 - 1, dividend(ex_date=day(14))),
    "merger of everything": announcement("MSFT", Merger("AAPL", day(15), Decimal("0.000000000001"), "JPY", 2**31 - 1, 2**31 - 1)),
    "nil id": announcement("MSFT", dividend(ex_date=day(16)), event_id="00000000-0000-0000-0000-000000000000"),
    "last id": announcement("MSFT", dividend(ex_date=day(17)), event_id="ffffffff-ffff-ffff-ffff-ffffffffffff"),
}


def test_each_extreme_is_applied(shared: Product) -> None:
    upstream = Upstream(shared)
    upstream.send(*EXTREMES.values())
    shared.settle()
    refused = {
        name: shared.status(message.event_id) for name, message in EXTREMES.items() if shared.status(message.event_id) != "COMPLETED"
    }
    told = [dict(letter.headers)["kafka_dlt-exception-message"] for letter in shared.letters()]
    assert not refused, told
    judge(shared, acked=upstream.acked)


def test_one_id_on_two_symbols_belongs_to_the_first(shared: Product) -> None:
    upstream = Upstream(shared)
    first = announcement("AAPL", dividend(ex_date=day(50)))
    upstream.send(first)
    shared.wait_for(first.event_id, "COMPLETED")
    upstream.send(announcement("NVDA", dividend(ex_date=day(50)), event_id=first.event_id))
    shared.settle()
    assert b"symbol_mismatch" in [dict(letter.headers)["ca-code"] for letter in shared.letters()]
