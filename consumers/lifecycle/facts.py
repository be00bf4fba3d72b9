"""What a batch knows of securities: asked for at once before the transaction, one by one only for what turns up inside it."""

from __future__ import annotations

from collections.abc import Iterable

from corpactions.domain.securities import Lookup, SecurityKey
from corpactions.ports import SecurityMaster


class Facts:
    """Answers of the security master, kept for one batch."""

    def __init__(self, securities: SecurityMaster) -> None:
        self._securities = securities
        self._known: dict[SecurityKey, Lookup] = {}

    def ask(self, keys: Iterable[SecurityKey]) -> None:
        """Look up whatever is not known yet, in one call. Raises Unavailable when the security master is away."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if missing:
            self._known.update(self._securities.lookup(missing))

    def of(self, key: SecurityKey) -> Lookup:
        """The answer for one key."""
        if key not in self._known:
            self.ask([key])
        return self._known[key]
