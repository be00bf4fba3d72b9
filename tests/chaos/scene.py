"""What a fault may lay its hands on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.fleet import Fleet
from tests.chaos.proxied import ProxiedStack
from tests.chaos.toxiproxy import Toxiproxy
from tests.support.bank import Bank

SESSION_SECONDS: Final = 2.0
"""How soon the group gives up a silent worker here."""
TRANSACTION_SECONDS: Final = 10.0
"""How soon MySQL ends the transaction of a worker that stands still."""
DELIVERY_SECONDS: Final = 3.0
"""How soon a produce without an answer counts as unknown here."""


@dataclass(frozen=True)
class Scene:
    """The processes, the servers, and the dice; every choice and every wait of a fault comes from ``chance``."""

    fleet: Fleet
    stack: ProxiedStack
    bank: Bank
    chance: random.Random

    @property
    def proxies(self) -> Toxiproxy:
        """The ways between services and servers."""
        assert self.stack.proxies is not None, "faults that cut connections are only dealt where there are proxies"
        return self.stack.proxies

    def pause(self, least: float, most: float) -> None:
        """Wait a random time."""
        time.sleep(self.chance.uniform(least, most))

    def choose(self, options: Sequence[float]) -> float:
        """One of them."""
        return self.chance.choice(options)


@dataclass(frozen=True)
class Fault:
    """One way to break things. When ``strike`` returns, everything runs again, though it need not have recovered.

    ``hits`` names the dependency or process that is hit; ``slow`` ones are left out where time is short; ``cut`` ones need the proxies.
    """

    strike: Callable[[Scene], None]
    hits: str
    slow: bool = False
    cut: bool = False

    @property
    def name(self) -> str:
        """The function's name."""
        return self.strike.__name__
