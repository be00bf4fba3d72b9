"""Idempotency keys at the gateway: each rule's interleaving, with the rule and without it."""

from __future__ import annotations

import pytest

from corpactions.domain.messages import Function, VersionRef
from corpactions.domain.terms import EventType, Terms
from corpactions.ports.reservations import Reservation
from gateway.handler import LEASE_MARGIN_SECONDS, Change
from gateway.problems import Code, Refused
from gateway.validation import Document
from tests.simulation.rules.house import ITEM, LEASE, House, event_view, request
from tests.simulation.rules.showing import shows
from tests.support.gateway_ports import Fault


@pytest.fixture
def house() -> House:
    return House()


def _one_event(house: House) -> None:
    assert len(house.events()) == 1, f"one key made {len(house.events())} events"


@shows("a-key-is-never-freed")
def test_a_produce_that_timed_out_and_landed_is_not_doubled_by_its_repetition(house: House) -> None:
    assert house.announce(Fault.NO_ACK_BUT_WRITTEN) is Code.OUTCOME_UNKNOWN
    assert isinstance(house.announce(), Reservation)
    _one_event(house)


@shows("a-repetition-has-the-same-id")
def test_a_request_whose_gateway_died_is_not_doubled_by_its_repetition(house: House) -> None:
    assert house.announce(Fault.DIES_AFTER_PRODUCE) is None
    house.clock.sleep(LEASE)
    assert isinstance(house.announce(), Reservation)
    _one_event(house)


@shows("a-repetition-has-the-same-time")
def test_a_repetition_says_the_same_acceptance_time(house: House) -> None:
    house.announce(Fault.NO_ACK_BUT_WRITTEN)
    house.announce()
    times = {message.accepted_at for message in house.topic.messages}
    assert len(times) == 1, f"one announcement was published with {len(times)} acceptance times"


@shows("a-key-stands-for-one-request")
def test_another_announcement_under_a_used_key_is_refused_as_such(house: House) -> None:
    house.announce()
    answer = house.announce(asked=request(1, body=2))
    assert answer is Code.IDEMPOTENCY_KEY_REUSED, "the second announcement was taken for a repetition"


@shows("a-request-is-what-it-says")
def test_a_repetition_may_spell_its_body_otherwise() -> None:
    first, second = (Document(body).sha256("POST", "/api/v1/events") for body in (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'))
    assert first == second, "the same request in other bytes is another one"


@shows("an-unknown-outcome-ends-the-lease")
def test_a_repetition_right_after_an_unknown_outcome_is_published(house: House) -> None:
    house.announce(Fault.NO_ACK_AND_NOT_WRITTEN)
    assert isinstance(house.announce(), Reservation), "the repetition was refused"
    _one_event(house)


@shows("accepted-means-acknowledged")
def test_what_the_broker_did_not_take_is_not_accepted(house: House) -> None:
    answer = house.announce(Fault.NO_ACK_AND_NOT_WRITTEN)
    if isinstance(answer, Reservation):
        assert answer.event_id in house.events(), f"{answer.event_id} was accepted and is not on the topic"
    assert answer is Code.OUTCOME_UNKNOWN


@shows("all-of-a-bulk-request-is-acknowledged")
def test_a_bulk_request_of_which_one_half_is_missing_is_not_accepted(house: House) -> None:
    answer = house.announce_many([ITEM, ITEM], Fault.NO_ACK_AND_NOT_WRITTEN)
    if isinstance(answer, Reservation):
        assert len(house.events()) == 2, "some of it was accepted and is not on the topic"
    assert answer is Code.OUTCOME_UNKNOWN


@shows("bulk-ids-count-every-item")
def test_an_item_keeps_its_id_whatever_becomes_of_those_before_it(house: House) -> None:
    house.announce_many([None, ITEM], Fault.NO_ACK_BUT_WRITTEN)
    (first,) = house.topic.messages
    house.announce_many([ITEM, ITEM])
    assert house.topic.messages[-1].event_id == first.event_id, "the item moved to another id"


@shows("a-late-reservation-is-not-published")
def test_a_reservation_that_came_late_is_not_published(house: House) -> None:
    house.reservations.reserve_seconds = LEASE_MARGIN_SECONDS + 1
    answer = house.announce()
    assert not house.topic.messages, "it was published under a lease that may be over"
    assert answer is Code.OUTCOME_UNKNOWN


@shows("what-is-invalid-reserves-nothing")
def test_a_wrong_amendment_numbers_no_version(house: House) -> None:
    house.reader.view = event_view("AAPL", VersionRef("gateway", 1))

    def wrong(_type: EventType) -> Terms:
        raise Refused(Code.INVALID_REQUEST, "wrong")

    house.change(Change(Function.REPL, "corrected", None, wrong), request(1))
    assert house.reservations.versions == {}, "a version was numbered"
