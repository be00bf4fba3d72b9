"""A market of made-up securities and dividends announced in it: what the workers are given to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from corpactions.domain.identity import isin_is_valid
from corpactions.domain.securities import Security
from corpactions.persistence import securities
from corpactions.persistence.engine import connect
from corpactions.persistence.securities import SecurityFact
from corpactions.system import SystemIdSource
from tests.support.product import Product
from tests.support.upstream import Upstream, announcement, dividend

SYMBOLS = 2_400
KNOWN = 2_280
"""The first so many are in the security master; one event in twenty is about a symbol that nobody knows."""

_UNACKNOWLEDGED = 50_000
"""At most so many on their way at once: half of what the client's queue holds."""


class Announced(NamedTuple):
    """A record, ready to be sent."""

    key: bytes
    value: bytes


def symbol(number: int) -> str:
    """The number-th security's symbol."""
    return f"BM{number:04}"


def isin(number: int) -> str:
    """Its ISIN."""
    return next(made for digit in range(10) if isin_is_valid(made := f"US{number:09}{digit}"))


class Market:
    """Dividends without end: round robin over the symbols, each with an ex date and a source reference of its own."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._ids = SystemIdSource()
        self._upstream = Upstream(product)
        self._isins = [isin(number) for number in range(SYMBOLS)]
        self._today = datetime.now(UTC).date()
        self.announced = 0

    def open(self) -> None:
        """Load the known securities into the built-in security master."""
        engine = connect(self._product.backing.mysql_config())
        known = [Security(symbol(number), self._isins[number], "USD", "ACTIVE", None, Decimal(100)) for number in range(KNOWN)]
        securities.load(engine, [SecurityFact(date(2000, 1, 1), item) for item in known])
        engine.dispose()

    def dividends(self, count: int) -> Iterator[Announced]:
        """The next announcements, encoded as an upstream system would."""
        encode = self._product.codec.encode
        for number in range(self.announced, self.announced + count):
            turn, security = divmod(number, SYMBOLS)
            ex_date = self._today + timedelta(days=30 + turn)
            terms = dividend(
                f"0.{number % 9_999 + 1:04}",
                ex_date,
                announcement_date=self._today,
                record_date=ex_date,
                pay_date=ex_date + timedelta(days=14),
            )
            message = announcement(
                symbol(security),
                terms,
                event_id=self._ids.event_id(),
                isin=self._isins[security],
                source_reference=f"DIV-{number:08}",
            )
            yield Announced(message.symbol.encode(), encode(message))
        self.announced += count

    def send(self, announcements: Iterable[Announced]) -> None:
        """Put announcements on the topic, all acknowledged."""
        for number, (key, value) in enumerate(announcements):
            if number % _UNACKNOWLEDGED == 0:
                self._upstream.flush()
            self._upstream.post(key, value)
        self._upstream.flush()
