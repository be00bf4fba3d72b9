"""The security master behind a guard that tells one bad symbol from a service that is away.

A look-up that fails altogether is Unavailable: the worker holds and asks again. When it fails a second time, the guard tries parts of it: a symbol that fails
alone while another one is answered becomes that symbol's own failure, so that it cannot hold everybody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corpactions.domain.errors import Unavailable
from corpactions.domain.securities import Lookup, LookupFailure, SecurityKey
from corpactions.ports import SecurityMaster


class GuardedSecurities:
    """See ``ports.SecurityMaster``."""

    def __init__(self, inner: SecurityMaster) -> None:
        self._inner = inner
        self._failed_before = False

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        """Answers for all keys; isolates the ones that make the service fail."""
        try:
            answers = self._inner.lookup(keys)
        except Unavailable as error:
            if self._failed_before and len(keys) > 1 and self._answers_some(keys):
                return self._halve(keys, error)
            self._failed_before = True
            raise
        self._failed_before = False
        return answers

    def _answers_some(self, keys: Sequence[SecurityKey]) -> bool:
        """Two single calls decide whether halving is worth its time: when both ends fail, the service is away."""
        for key in (keys[0], keys[-1]):
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
