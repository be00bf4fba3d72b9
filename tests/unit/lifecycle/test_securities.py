"""One bad symbol is told from a service that is away, whatever is remembered."""

from __future__ import annotations

import pytest

from consumers.lifecycle.facts import Facts
from consumers.lifecycle.securities import CACHE_SECONDS, GuardedSecurities, RememberedSecurities
from corpactions.domain.errors import Unavailable
from corpactions.domain.securities import LookupFailure, SecurityKey
from tests.support.announcing import AAPL, EX_DATE
from tests.support.fakes import FakeClock, FakeSecurities


def keys(*symbols: str) -> list[SecurityKey]:
    return [SecurityKey(symbol, EX_DATE) for symbol in symbols]


@pytest.fixture
def service() -> FakeSecurities:
    return FakeSecurities()


def fails(guard: GuardedSecurities | RememberedSecurities, asked: list[SecurityKey]) -> bool:
    try:
        guard.lookup(asked)
    except Unavailable:
        return True
    return False


def test_the_first_failure_is_the_service_s(service: FakeSecurities) -> None:
    service.poison.add("B")
    assert fails(GuardedSecurities(service), keys("A", "B"))


@pytest.mark.parametrize("symbols", ["AB", "BA", "ABC", "BACDE", "ACDBE"])
def test_a_second_failure_isolates_the_symbol_that_causes_it(service: FakeSecurities, symbols: str) -> None:
    service.poison.add("B")
    guard = GuardedSecurities(service)
    assert fails(guard, keys(*symbols))
    answers = guard.lookup(keys(*symbols))
    failed = {key.symbol for key, answer in answers.items() if isinstance(answer, LookupFailure)}
    assert failed == {"B"}
    assert set(answers) == set(keys(*symbols))


def test_a_service_that_is_away_never_costs_a_symbol_an_attempt(service: FakeSecurities) -> None:
    guard = GuardedSecurities(service)
    guard.lookup(keys("A"))
    service.away = True
    for _ in range(3):
        assert fails(guard, keys("B", "C", "D"))
    service.away = False
    assert guard.lookup(keys("B"))[keys("B")[0]] == AAPL


def test_a_symbol_that_comes_alone_is_told_apart_by_one_that_was_answered_before(service: FakeSecurities) -> None:
    guard = GuardedSecurities(service)
    guard.lookup(keys("A"))
    service.poison.add("B")
    assert fails(guard, keys("B"))
    assert isinstance(guard.lookup(keys("B"))[keys("B")[0]], LookupFailure)


def test_a_symbol_that_comes_alone_to_a_service_never_heard_of_is_told_apart_by_one_that_nobody_has(service: FakeSecurities) -> None:
    """Else a process that starts on a batch of nothing but that symbol would hold all its partitions for ever."""
    service.poison.add("B")
    guard = GuardedSecurities(service)
    assert fails(guard, keys("B"))
    assert isinstance(guard.lookup(keys("B"))[keys("B")[0]], LookupFailure)


def test_symbols_of_which_all_fail_by_now_are_told_apart_by_one_that_nobody_has(service: FakeSecurities) -> None:
    """Also the one that was answered before: it may have gone bad since."""
    guard = GuardedSecurities(service)
    guard.lookup(keys("A"))
    service.poison |= {"A", "B", "C"}
    assert fails(guard, keys("B", "D", "C"))
    answers = guard.lookup(keys("B", "D", "C"))
    assert {key.symbol for key, answer in answers.items() if isinstance(answer, LookupFailure)} == {"B", "C"}


def test_a_symbol_that_fails_alone_is_found_although_others_are_answered_before_it_every_time(service: FakeSecurities) -> None:
    """A batch asks for its announcements first, and for the events of its decisions inside the transaction."""
    service.poison |= {"B", "C"}
    guard = GuardedSecurities(service)
    found = set[str]()
    for _ in range(3):
        guard.lookup(keys("A"))
        for symbol in ("B", "C"):
            if fails(guard, keys(symbol)):
                break
            found.add(symbol)
    assert found == {"B", "C"}


def test_a_service_never_heard_of_that_is_away_costs_no_symbol_an_attempt(service: FakeSecurities) -> None:
    service.away = True
    guard = GuardedSecurities(service)
    assert all(fails(guard, keys("B")) for _ in range(3))


def test_what_is_remembered_does_not_pass_for_a_service_that_is_there(service: FakeSecurities) -> None:
    securities = RememberedSecurities(GuardedSecurities(service), FakeClock())
    securities.lookup(keys("A"))
    service.away = True
    assert all(fails(securities, keys("A", "B", "A")) for _ in range(3))
    assert securities.lookup(keys("A")) == {keys("A")[0]: AAPL}


def test_known_securities_are_remembered_for_a_while_and_others_never(service: FakeSecurities) -> None:
    clock = FakeClock()
    securities = RememberedSecurities(service, clock)
    service.unknown.add("U")
    service.failing.add("F")
    for _ in range(2):
        securities.lookup(keys("A", "U", "F", "A"))
    assert [[key.symbol for key in call] for call in service.calls] == [["A", "U", "F"], ["U", "F"]]
    clock.advance(CACHE_SECONDS)
    securities.lookup(keys("A"))
    assert len(service.calls) == 3


def test_a_batch_asks_once_and_only_for_what_it_does_not_know(service: FakeSecurities) -> None:
    facts = Facts(service)
    facts.ask(keys("A", "B", "A"))
    facts.ask(keys("A"))
    assert facts.of(keys("B")[0]) == AAPL
    assert facts.of(keys("C")[0]) == AAPL
    assert [[key.symbol for key in call] for call in service.calls] == [["A", "B"], ["C"]]


def test_a_symbol_that_was_answered_while_another_was_isolated_did_not_fail(service: FakeSecurities) -> None:
    """Its next failure is the first one again, which is the service's; the symbol that failed alone is known already."""
    guard = GuardedSecurities(service)
    service.poison = {"X"}
    assert fails(guard, keys("A", "X"))
    assert isinstance(guard.lookup(keys("A", "X"))[keys("X")[0]], LookupFailure)
    service.poison = {"A"}
    assert fails(guard, keys("A"))
