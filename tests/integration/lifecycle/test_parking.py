"""Look-ups that fail, through a real HTTP security master: for one symbol, for all, slowly, and what waits meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from corpactions.domain.messages import Function
from corpactions.kafka.registry import Registry
from corpactions.serde.audit import AuditCodec
from corpactions.system import SystemClock
from tests.integration.lifecycle.conftest import Make
from tests.support.bank import Bank, bank
from tests.support.checker import judge
from tests.support.product import Product, product
from tests.support.upstream import Upstream, amendment, announcement, cancellation, day, decision, dividend


@pytest.fixture(scope="module")
def service() -> Iterator[Bank]:
    with bank() as running:
        yield running


@pytest.fixture(scope="module")
def served(endpoints: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, service: Bank) -> Iterator[Product]:
    """A product whose security master is the service, with one worker."""
    with product(endpoints, tmp_path_factory.mktemp("services"), CA_SECURITY_MASTER_URL=service.url) as made:
        made.start_worker()
        yield made


@pytest.fixture(autouse=True)
def _healthy(request: pytest.FixtureRequest) -> None:
    if "service" in request.fixturenames:
        service: Bank = request.getfixturevalue("service")
        service.status, service.delay = 200, 0.0
        service.failing.clear()
        service.breaking.clear()


def _attempts(product: Product, event_id: str) -> list[str]:
    """What the event's audit records say was done, by revision."""
    registry = Registry(product.endpoints["registry"], SystemClock())
    codec = AuditCodec(registry, registry.latest_id(f"{product.topic('audit')}-value"))
    told = [codec.decode(item.value) for item in product.records("audit") if item.key == f"event:{event_id}".encode()]
    return [action for _, action in sorted({(record.revision or 0, str(record.action)) for record in told})]


def test_a_symbol_that_fails_for_a_while_is_retried_and_its_queue_is_applied_in_order(served: Product, service: Bank) -> None:
    upstream = Upstream(served)
    service.failing["SLOW"] = 2
    event = announcement("SLOW")
    behind = announcement("SLOW", dividend(ex_date=day(1)))
    other = announcement("FINE")
    upstream.send(event, behind, amendment(behind, 2, dividend("0.5", day(1))), other)
    served.wait_for(other.event_id, "COMPLETED")
    served.wait_for(behind.event_id, "COMPLETED")
    attempts = _attempts(served, event.event_id)
    assert (attempts[0], attempts[-1]) == ("RETRY_SCHEDULED", "APPLIED")
    served.settle()
    judge(served, acked=upstream.acked)


def test_after_the_third_attempt_the_event_fails_and_holds_its_symbol_until_it_is_amended(served: Product, service: Bank) -> None:
    upstream = Upstream(served)
    service.failing["BAD"] = -1
    event, behind, other = announcement("BAD"), announcement("BAD", dividend(ex_date=day(1))), announcement("GOOD")
    upstream.send(event, behind, other)
    served.wait_for(event.event_id, "FAILED")
    served.wait_for(other.event_id, "COMPLETED")
    assert served.status(behind.event_id) is None, "it waits behind the failed one"
    letter = next(item for item in served.letters() if item.key == b"BAD")
    assert dict(letter.headers)["ca-revision"] == b"3"
    assert dict(letter.headers)["kafka_dlt-exception-fqcn"] == b"corpactions.domain.errors.Retryable"
    service.failing.clear()
    upstream.send(amendment(event, 2))
    served.wait_for(event.event_id, "COMPLETED")
    served.wait_for(behind.event_id, "COMPLETED")
    served.settle()
    judge(served, acked=upstream.acked)


@pytest.mark.parametrize(("function", "ends"), [(Function.REPROCESS, "COMPLETED"), (Function.DISCARD, "FAILED")])
def test_a_decision_ends_the_waiting_once(served: Product, service: Bank, function: Function, ends: str) -> None:
    symbol = f"D{function[:4]}"
    upstream = Upstream(served)
    service.failing[symbol] = -1
    event, behind = announcement(symbol), announcement(symbol, dividend(ex_date=day(1)))
    upstream.send(event, behind)
    served.wait_for(event.event_id, "FAILED")
    service.failing.clear()
    decided = decision(event, function, 3)
    upstream.send(decided, decided, decision(event, function, 3))
    served.wait_for(behind.event_id, "COMPLETED")
    assert served.status(event.event_id) == ends
    served.settle()
    codes = [dict(item.headers)["ca-code"] for item in served.letters() if item.key == symbol.encode()]
    assert codes.count(b"stale_decision") == 1, "the second decision saw what is no longer there; the repeated first one is a repetition"
    judge(served, acked=upstream.acked, failing={symbol})


def test_a_cancellation_of_the_failed_event_frees_its_symbol(served: Product, service: Bank) -> None:
    upstream = Upstream(served)
    service.failing["ENDED"] = -1
    event, behind = announcement("ENDED"), announcement("ENDED", dividend(ex_date=day(1)))
    upstream.send(event, behind)
    served.wait_for(event.event_id, "FAILED")
    service.failing.clear()
    upstream.send(cancellation(event, 2))
    served.wait_for(event.event_id, "CANCELLED")
    served.wait_for(behind.event_id, "COMPLETED")
    served.settle()
    judge(served, acked=upstream.acked)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_is_away_holds_everything_and_spends_no_attempt(served: Product, service: Bank, status: int) -> None:
    upstream = Upstream(served)
    service.status = status
    events = [announcement(f"AWAY{number}", dividend(ex_date=day(status))) for number in range(5)]
    upstream.send(*events)
    time.sleep(2.0)
    assert {served.status(event.event_id) for event in events} == {None}
    service.status = 200
    for event in events:
        served.wait_for(event.event_id, "COMPLETED", 45)
        assert _attempts(served, event.event_id) == ["APPLIED"]
    served.settle()
    judge(served, acked=upstream.acked)


def test_a_slow_service_delays_and_loses_nothing(served: Product, service: Bank) -> None:
    upstream = Upstream(served)
    service.delay = 1.0
    event = announcement("LAZY")
    upstream.send(event)
    served.wait_for(event.event_id, "COMPLETED")
    served.settle()
    judge(served, acked=upstream.acked)


def test_one_symbol_that_breaks_the_whole_call_holds_nobody_but_itself(served: Product, service: Bank) -> None:
    upstream = Upstream(served)
    service.breaking.add("BREAKS")
    events = [announcement(symbol) for symbol in ("ONE", "BREAKS", "TWO")]
    upstream.send(*events)
    served.wait_for(events[0].event_id, "COMPLETED", 45)
    served.wait_for(events[2].event_id, "COMPLETED", 45)
    served.wait_for(events[1].event_id, "FAILED", 45)
    upstream.send(cancellation(events[1], 2))
    served.wait_for(events[1].event_id, "CANCELLED", 45)
    served.settle()
    judge(served, acked=upstream.acked)


def test_a_breaking_symbol_that_comes_first_and_alone_holds_nobody_who_comes_later(make: Make) -> None:
    """The worker has never had an answer of the service: only company can tell this symbol from a service that is away."""
    with bank() as fresh:
        fresh.breaking.add("BREAKS")
        made = make(CA_SECURITY_MASTER_URL=fresh.url)
        made.start_worker()
        made.wait_for_workers()
        upstream = Upstream(made)
        upstream.send(announcement("BREAKS"))
        time.sleep(1.0)
        later = announcement("LATER")
        upstream.send(later)
        made.wait_for(later.event_id, "COMPLETED", seconds=90)


def test_possible_duplicates_are_held_by_setting_until_a_person_decides(make: Make) -> None:
    made = make(CA_POSSIBLE_DUPLICATE="hold")
    made.load_securities("AAPL")
    made.start_worker()
    upstream = Upstream(made)
    first, second = announcement("AAPL", source_reference="A"), announcement("AAPL", source_reference="B")
    upstream.send(first, second)
    made.wait_for(second.event_id, "FAILED")
    upstream.send(decision(second, Function.REPROCESS, 1))
    made.wait_for(second.event_id, "COMPLETED")
    made.settle()
    judge(made, acked=upstream.acked)


def test_an_unknown_symbol_is_retried_by_setting(make: Make) -> None:
    made = make(CA_UNKNOWN_SYMBOL="retry", CA_RETRY_BASE_SECONDS="1")
    made.start_worker()
    upstream = Upstream(made)
    event = announcement("NEWCO")
    upstream.send(event)
    made.wait_for(event.event_id, "PENDING")
    made.load_securities("NEWCO")
    made.wait_for(event.event_id, "COMPLETED")
    made.settle()
    judge(made, acked=upstream.acked)
