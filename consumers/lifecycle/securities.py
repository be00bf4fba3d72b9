"""The security master as the worker asks it: answers kept for a short while, and behind them a guard that tells one bad symbol from a service that is away.

A look-up that fails altogether is Unavailable: the worker holds and asks again. When it fails a second time, the guard tries parts of it: a symbol that fails
alone while another one is answered becomes that symbol's own failure, so that it cannot hold everybody else. Whatever was answered before may fail by now,
so the last word has a symbol that nobody has: "unknown" is an answer too. The answers are kept in front of the guard,
never behind it, where a kept answer would look like a service that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corpactions.domain.errors import Unavailable
from corpactions.domain.securities import Lookup, LookupFailure, Security, SecurityKey
from corpactions.persistence.ttl_cache import TtlCache
from corpactions.ports import Clock, SecurityMaster

CACHE_ENTRIES = 50_000
CACHE_SECONDS = 30.0
"""How long a correction in the security master may take to be seen by a running worker."""

NOBODY = "-0"
"""No symbol begins like this, so none is ever announced."""


class RememberedSecurities:
    """Keeps known securities for a short while; absence and failures never, so that a load or a repair is seen at once. See ``ports.SecurityMaster``."""

    def __init__(self, inner: SecurityMaster, clock: Clock) -> None:
        self._inner = inner
        self._cache: TtlCache[SecurityKey, Security] = TtlCache(clock, CACHE_ENTRIES, CACHE_SECONDS)

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        """Answers for all keys; asks only for those that are not remembered."""
        wanted = list(dict.fromkeys(keys))
        answers: dict[SecurityKey, Lookup] = dict(self._cache.fresh(wanted))
        if missing := [key for key in wanted if key not in answers]:
            found = self._inner.lookup(missing)
            answers.update(found)
            for key, answer in found.items():
                if isinstance(answer, Security):
                    self._cache.put(key, answer)
        return answers


class GuardedSecurities:
    """See ``ports.SecurityMaster``. ``inner`` must ask the service at every call."""

    def __init__(self, inner: SecurityMaster) -> None:
        self._inner = inner
        self._failed: set[SecurityKey] = set()
        """Keys of calls that failed and were not answered since. By key, for one batch may ask several times: what is answered must not hide what is not."""
        self._answered: SecurityKey | None = None

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        """Answers for all keys; isolates the ones that make the service fail."""
        try:
            answers = self._inner.lookup(keys)
        except Unavailable as error:
            if not self._failed.isdisjoint(keys) and self._answers_another(keys):
                answers = self._halve(keys, error)
                self._failed.difference_update(key for key, answer in answers.items() if not isinstance(answer, LookupFailure))
                return answers
            self._failed.update(keys)
            raise
        self._failed.difference_update(keys)
        self._answered = keys[-1]
        return answers

    def _answers_another(self, keys: Sequence[SecurityKey]) -> bool:
        """A few single calls decide whether halving is worth its time: when both ends, a key that was answered before and nobody's fail, the service is away."""
        ends = [keys[0], keys[-1]] if len(keys) > 1 else []
        before = [self._answered] if self._answered is not None and self._answered not in keys else []
        for key in (*ends, *before, SecurityKey(NOBODY, keys[0].day)):
            try:
                self._inner.lookup([key])
            except Unavailable:
                continue
            return True
        return False

    def _halve(self, keys: Sequence[SecurityKey], error: Unavailable) -> dict[SecurityKey, Lookup]:
        if len(keys) == 1:
            return {keys[0]: LookupFailure(f"the security master fails for this symbol alone: {error.reason}")}
        answers: dict[SecurityKey, Lookup] = {}
        middle = len(keys) // 2
        for part in (keys[:middle], keys[middle:]):
            try:
                answers.update(self._inner.lookup(part))
            except Unavailable as again:
                answers.update(self._halve(part, again))
        return answers
