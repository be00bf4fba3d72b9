"""The handler's decisions on ports that fail and die at will: one key is one event, and no key stays stuck."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.messages import Function, VersionRef
from corpactions.domain.terms import EventType, Terms
from corpactions.ports.events import EventView
from corpactions.ports.reservations import KeyedRequest, Reservation, Subject
from gateway import examples
from gateway.handler import LEASE_MARGIN_SECONDS, Caller, Change, Handler, Ports, Precondition
from gateway.problems import Code, Refused
from gateway.validation import Document, announcement
from tests.support.gateway_ports import Died, Fault, ManualClock, MemoryReservations, MemoryTopic, NumberedIds, OneEvent

LEASE = 10.0
CALLER = Caller("p", "gateway:p", "00000000-0000-4000-8000-000000000000")
REQUEST = KeyedRequest("p", "00000000-0000-4000-8000-00000000000a", b"\1" * 32)
SUBJECT = Subject("AAPL", EventType.DIVIDEND, "US0378331005", "desk", "R-1")
EVENT_ID = "019a8a3e-5c00-7000-8000-00000000aaaa"
ITEM = announcement(Document(orjson.dumps(examples.SUBMISSIONS["dividend"])))


class House:
    """A handler and everything around it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reservations = MemoryReservations(self.clock, LEASE)
        self.topic = MemoryTopic()
        self.reader = OneEvent()
        self.handler = Handler(Ports(self.reservations, self.reader, self.topic, NumberedIds(), self.clock))

    def announce(self, fault: Fault = Fault.NONE, request: KeyedRequest = REQUEST) -> Reservation | Refused | None:
        """One attempt; None when the process died in it."""
        self.reservations.fault = self.topic.fault = fault
        try:
            return asyncio.run(self.handler.announce(CALLER, request, ITEM))
        except Refused as refused:
            return refused
        except Died:
            return None

    def change(self, change: Change, request: KeyedRequest = REQUEST) -> Reservation | Refused:
        try:
            return asyncio.run(self.handler.change(CALLER, request, EVENT_ID, change))
        except Refused as refused:
            return refused


def _event(status: str = "COMPLETED", subject: Subject | None = SUBJECT) -> EventView:
    now = datetime(2026, 11, 10, tzinfo=UTC)
    return EventView(EVENT_ID, subject, VersionRef("feed", 3), 1, status, None, None, None, (), 0, None, now, None, None, pending=False)


def _code(outcome: object) -> Code:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def _repl(precondition: Precondition | None = None) -> Change:
    return Change(Function.REPL, "corrected", precondition, lambda _type: ITEM.terms)


@given(st.lists(st.tuples(st.sampled_from(Fault), st.sampled_from([0.0, 1.0, LEASE])), max_size=8))
def test_whatever_happens_a_key_is_one_event_and_is_never_stuck(attempts: list[tuple[Fault, float]]) -> None:
    house = House()
    accepted = 0
    for fault, pause in attempts:
        accepted += isinstance(house.announce(fault), Reservation)
        house.clock.sleep(pause)
    house.clock.sleep(LEASE)
    last = house.announce()
    accepted += isinstance(last, Reservation)
    assert isinstance(last, Reservation) or (last is not None and _code(last) is Code.DUPLICATE_REQUEST)
    assert accepted == 1
    said = {(message.event_id, message.version, message.accepted_at, message.terms) for message in house.topic.messages}
    assert len(said) == 1


def test_a_lease_that_runs_refuses_a_repetition_and_says_how_long() -> None:
    house = House()
    house.announce(Fault.DIES_AFTER_RESERVE)
    house.clock.sleep(2.5)
    refused = house.announce()
    assert _code(refused) is Code.REQUEST_IN_PROGRESS
    assert isinstance(refused, Refused)
    assert refused.retry_after == 8


def test_an_unknown_outcome_names_the_key_and_ends_the_lease() -> None:
    house = House()
    refused = house.announce(Fault.NO_ACK_BUT_WRITTEN)
    assert _code(refused) is Code.OUTCOME_UNKNOWN
    assert isinstance(refused, Refused)
    assert REQUEST.key in refused.detail
    assert isinstance(house.announce(), Reservation)


def test_another_body_under_the_key_is_refused_at_any_time() -> None:
    house = House()
    house.announce()
    assert _code(house.announce(request=REQUEST._replace(sha256=b"\2" * 32))) is Code.IDEMPOTENCY_KEY_REUSED
    assert isinstance(house.announce(request=REQUEST._replace(principal="q")), Reservation)


def test_a_reservation_that_took_too_long_is_not_published() -> None:
    house = House()
    house.reservations.reserve_seconds = LEASE_MARGIN_SECONDS + 1
    assert _code(house.announce()) is Code.OUTCOME_UNKNOWN
    assert house.topic.messages == []


def test_a_bulk_request_is_unknown_when_one_ack_is_missing() -> None:
    house = House()
    house.topic.fault = Fault.NO_ACK_BUT_WRITTEN
    with pytest.raises(Refused) as refused:
        asyncio.run(house.handler.announce_many(CALLER, REQUEST, [ITEM, None, ITEM]))
    assert refused.value.code is Code.OUTCOME_UNKNOWN
    house.topic.fault = Fault.NONE
    asyncio.run(house.handler.announce_many(CALLER, REQUEST, [ITEM, None, ITEM]))
    assert len({message.event_id for message in house.topic.messages}) == 2


def test_an_amendment_copies_what_never_changes_and_carries_what_was_seen() -> None:
    house = House()
    house.reader.view = _event()
    assert isinstance(house.change(_repl(Precondition(VersionRef("feed", 3)))), Reservation)
    (message,) = house.topic.messages
    assert (message.symbol, message.isin, message.source, message.source_reference) == ("AAPL", "US0378331005", "desk", "R-1")
    assert (message.origin, message.version, message.based_on, message.terms) == ("gateway", 2, VersionRef("feed", 3), ITEM.terms)


@pytest.mark.parametrize(
    ("view", "precondition", "code"),
    [
        (None, None, Code.EVENT_NOT_FOUND),
        (_event("CANCELLED"), None, Code.WRONG_STATE),
        (_event(subject=None), None, Code.EVENT_NOT_READY),
        (_event(), Precondition(VersionRef("feed", 2)), Code.STALE_VERSION),
        (_event(), Precondition(VersionRef("gateway", 3)), Code.STALE_VERSION),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_reserves_nothing(
    view: EventView | None, precondition: Precondition | None, code: Code
) -> None:
    house = House()
    house.reader.view = view
    assert _code(house.change(_repl(precondition))) is code
    assert house.topic.messages == []
    assert house.reservations.versions == {}


def test_a_wrong_payload_reserves_no_version() -> None:
    house = House()
    house.reader.view = _event()

    def wrong(_type: EventType) -> Terms:
        raise Refused(Code.INVALID_REQUEST, "wrong")

    assert _code(house.change(Change(Function.REPL, "x", None, wrong))) is Code.INVALID_REQUEST
    assert house.reservations.versions == {}


def test_a_change_that_was_accepted_is_told_so_although_the_event_has_moved_on() -> None:
    house = House()
    house.reader.view = _event()
    change = _repl(Precondition(VersionRef("feed", 3)))
    house.change(change)
    house.reader.view = _event("CANCELLED")._replace(ref=VersionRef("gateway", 2))
    assert _code(house.change(change)) is Code.DUPLICATE_REQUEST
    assert len(house.topic.messages) == 1
