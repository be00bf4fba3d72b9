"""The circuit breaker as a table of times."""

from __future__ import annotations

from corpactions.domain.breaker import Breaker, Circuit


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, window=60.0, base=1.0, ceiling=30.0)
    for _ in range(3):
        breaker.failed(now)
    return breaker


def test_it_stays_closed_below_its_number_of_failures() -> None:
    breaker = Breaker(failures=3)
    waits = [breaker.failed(0.0), breaker.failed(0.0)]
    assert breaker.state(0.0) is Circuit.CLOSED
    assert waits == [0.125, 0.25], "the first failures are tried again soon"


def test_it_opens_with_the_last_of_them_and_lets_a_probe_through_after_the_wait() -> None:
    breaker = opened()
    assert [breaker.state(now) for now in (0.0, 0.999, 1.0)] == [Circuit.OPEN, Circuit.OPEN, Circuit.HALF_OPEN]


def test_a_failing_probe_doubles_the_wait_up_to_the_ceiling() -> None:
    breaker = opened()
    waits = []
    now = 1.0
    for _ in range(7):
        waits.append(breaker.failed(now))
        now += waits[-1]
    assert waits == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_it_bears_a_dependency_that_stays_away_for_days() -> None:
    breaker = opened()
    for hour in range(5_000):
        assert breaker.failed(60.0 * hour) <= 30.0


def test_a_success_closes_and_forgets() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.state(0.0) is Circuit.CLOSED
    assert breaker.failed(0.0) == 0.125


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(failures=2, window=10.0)
    breaker.failed(0.0)
    breaker.failed(10.0)
    assert breaker.state(10.0) is Circuit.CLOSED
    breaker.failed(19.9)
    assert breaker.state(19.9) is Circuit.OPEN
