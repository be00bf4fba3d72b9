"""The security master is the worker's one downstream. It may fail for one symbol (that symbol is retried) or altogether (the worker holds)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from corpactions.domain.securities import Lookup, LookupFailure, Security, SecurityKey

__all__ = ["Lookup", "LookupFailure", "Security", "SecurityKey", "SecurityMaster"]


class SecurityMaster(Protocol):
    """Looks securities up, many at once."""

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Lookup]:
        """One answer for every key: the security, None when the symbol is unknown on that day, or a LookupFailure for that item alone.

        Raises:
            Unavailable: the service as a whole did not answer (connection, time-out, 5xx, 429). Answers within 5 seconds either way.
        """
