"""The security master: what is known about a symbol on a day. It is the worker's one downstream, and may fail for one symbol or altogether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol


class SecurityKey(NamedTuple):
    """A question to the security master: this symbol, as of this day."""

    symbol: str
    day: date


@dataclass(frozen=True, slots=True)
class Security:
    """What is known. ``status`` is ACTIVE or what ended the security; ``successor`` the symbol that followed it; ``reference_price`` the last known
    close per share in ``currency``, None when there is none."""

    symbol: str
    isin: str | None
    currency: str
    status: str
    successor: str | None = None
    reference_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LookupFailure:
    """The service answered, but not for this symbol: a later attempt may succeed."""

    reason: str


class SecurityMaster(Protocol):
    """Looks securities up, many at once."""

    def lookup(self, keys: Sequence[SecurityKey]) -> Mapping[SecurityKey, Security | LookupFailure | None]:
        """One answer for every key: the security, None when the symbol is unknown on that day, or a LookupFailure for that item alone.

        Raises:
            Unavailable: the service as a whole did not answer (connection, time-out, 5xx, 429). Answers within 5 seconds either way.
        """
