"""The cache of answers: fresh for its time, bounded, oldest out first."""

from __future__ import annotations

from corpactions.persistence.ttl_cache import TtlCache
from corpactions.system import SystemClock


class SteppingClock(SystemClock):
    """A clock that stands still until a test moves it."""

    reading = 0.0

    def monotonic(self) -> float:
        return self.reading


def test_an_answer_is_kept_for_its_time() -> None:
    clock = SteppingClock()
    cache: TtlCache[str, int] = TtlCache(clock, capacity=10, seconds=30)
    cache.put("a", 1)
    clock.reading = 29.9
    assert cache.fresh(["a", "b"]) == {"a": 1}
    clock.reading = 30.0
    assert cache.fresh(["a"]) == {}


def test_a_full_cache_gives_up_its_oldest_answer() -> None:
    cache: TtlCache[str, int] = TtlCache(SteppingClock(), capacity=2, seconds=30)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    cache.put("c", 4)
    assert cache.fresh(["a", "b", "c"]) == {"a": 3, "c": 4}
    assert len(cache) == 2
