"""Amendments, cancellations and withdrawals on the real servers: early, twice, late, and after completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corpactions.domain.messages import Function, Message
from tests.support.checker import judge
from tests.support.product import Product
from tests.support.upstream import Upstream, amendment, announcement, cancellation, day, dividend

Course = Callable[[Message], list[Message]]


def _row(product: Product, event: Message, *columns: str) -> Any:
    return product.sql(f"SELECT {', '.join(columns)} FROM events WHERE event_id = UNHEX(%s)", event.event_id.replace("-", ""))[0]


COURSES: dict[str, tuple[Course, tuple[object, ...]]] = {
    "announced alone": (lambda new: [new], ("COMPLETED", None, 1)),
    "announced twice": (lambda new: [new, new], ("COMPLETED", None, 1)),
    "amended": (lambda new: [new, amendment(new, 2)], ("COMPLETED", None, 2)),
    "amended twice the same": (lambda new: [new, amendment(new, 2), amendment(new, 2)], ("COMPLETED", None, 2)),
    "amended before it is announced": (lambda new: [amendment(new, 2), new], ("COMPLETED", None, 2)),
    "amended out of order": (lambda new: [new, amendment(new, 3, dividend("0.4")), amendment(new, 2)], ("COMPLETED", None, 3)),
    "cancelled": (lambda new: [new, cancellation(new, 2)], ("CANCELLED", "CANC", 2)),
    "withdrawn": (lambda new: [new, cancellation(new, 2, Function.WITH)], ("CANCELLED", "WITH", 2)),
    "cancelled before it is announced": (lambda new: [cancellation(new, 2), new], ("CANCELLED", "CANC", 2)),
    "cancelled twice": (
        lambda new: [new, cancellation(new, 3), cancellation(new, 2, Function.WITH)],
        ("CANCELLED", "WITH", 2),
    ),
    "amended after its cancellation": (lambda new: [new, cancellation(new, 2), amendment(new, 3)], ("CANCELLED", "CANC", 2)),
    "amended by two origins": (lambda new: [new, amendment(new, 1, origin="gateway")], ("COMPLETED", None, 1)),
}


def test_every_course_ends_where_its_messages_say(shared: Product) -> None:
    upstream = Upstream(shared)
    courses = {name: course(announcement("AAPL", dividend(ex_date=day(n)))) for n, (name, (course, _)) in enumerate(COURSES.items())}
    upstream.send(*[message for messages in courses.values() for message in messages])
    shared.settle()
    for name, messages in courses.items():
        assert _row(shared, messages[0], "status", "cancel_function", "version") == COURSES[name][1], name
    judge(shared, acked=upstream.acked)


def test_an_effect_is_never_edited_but_reversed_by_a_linked_row(shared: Product) -> None:
    upstream = Upstream(shared)
    event = announcement("MSFT")
    upstream.send(event)
    shared.wait_for(event.event_id, "COMPLETED")
    upstream.send(amendment(event, 2))
    shared.wait("the amendment is completed", lambda: _row(shared, event, "version", "status") == (2, "COMPLETED"))
    upstream.send(cancellation(event, 3))
    shared.wait_for(event.event_id, "CANCELLED")
    rows = shared.sql(
        "SELECT effect_no, kind, reverses_no, JSON_UNQUOTE(JSON_EXTRACT(effect, '$.cash_per_share')) FROM event_effects"
        " WHERE event_id = UNHEX(%s) ORDER BY 1",
        event.event_id.replace("-", ""),
    )
    assert rows == [(1, "POST", None, "0.25"), (2, "REVERSAL", 1, "0.25"), (3, "POST", None, "0.3"), (4, "REVERSAL", 3, "0.3")]
    shared.settle()
    judge(shared, acked=upstream.acked)


@pytest.mark.parametrize("first_function", ["NEWM", "REPL"])
def test_the_same_reference_under_another_id_is_rejected_and_names_the_holder(shared: Product, first_function: str) -> None:
    upstream = Upstream(shared)
    reference = f"REF-{first_function}"
    holder = announcement("NVDA", dividend(ex_date=day(100)), source_reference=reference)
    if first_function == "REPL":
        holder = amendment(holder, 2, dividend(ex_date=day(101)))
    second = announcement("NVDA", dividend(ex_date=day(200)), source_reference=reference)
    upstream.send(holder, second)
    shared.wait_for(second.event_id, "FAILED")
    assert holder.event_id in _row(shared, second, "error")[0]
    shared.settle()
    judge(shared, acked=upstream.acked)


def test_a_like_announcement_under_another_reference_is_flagged_and_linked(shared: Product) -> None:
    upstream = Upstream(shared)
    first = announcement("NVDA", dividend(ex_date=day(300)), source_reference="LIKE-1")
    second = announcement("NVDA", dividend(ex_date=day(300)), source_reference="LIKE-2")
    upstream.send(first, second)
    shared.wait_for(second.event_id, "COMPLETED")
    flags, link = _row(shared, second, "flags", "JSON_UNQUOTE(JSON_EXTRACT(effect, '$.possible_duplicate_of'))")
    assert "POSSIBLE_DUPLICATE" in flags
    assert link == first.event_id
