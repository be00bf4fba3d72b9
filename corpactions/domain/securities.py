"""What the security master knows about a symbol on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple


class SecurityKey(NamedTuple):
    """A question to the security master: this symbol, as of this day."""

    symbol: str
    day: date


@dataclass(frozen=True, slots=True)
class Security:
    """What is known.

    ``status`` is ACTIVE or what ended the security; ``successor`` the symbol that followed it; ``reference_price`` the last known close per share in
    ``currency``, None when there is none.
    """

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


Lookup = Security | LookupFailure | None
