"""All rules, in the order in which a record meets them."""

from __future__ import annotations

from typing import Final

from tests.simulation.rules import failing, identity, keys, once, parking, position, servers
from tests.simulation.rules.rule import Rule

PARTS: Final[dict[str, tuple[Rule, ...]]] = {
    "Order": identity.ORDER,
    "Order, at the broker": servers.BROKER,
    "Identity": identity.IDENTITY,
    "One announcement, one event": identity.ANNOUNCEMENTS,
    "Idempotency keys": keys.RULES,
    "Idempotency keys, in MySQL": servers.RESERVATIONS,
    "Start position and fence": position.RULES,
    "Sessions and rows, in MySQL": servers.SESSIONS,
    "Effectively once": once.RULES,
    "Decisions": identity.DECISIONS,
    "Replay": identity.REPLAY,
    "Rejected": failing.REJECTED,
    "Retryable: a symbol waits": parking.RULES,
    "Unavailable": failing.UNAVAILABLE,
    "Floods": failing.FLOODS,
    "Dead letters": failing.LETTERS,
}
RULES: Final[dict[str, Rule]] = {rule.name: rule for rules in PARTS.values() for rule in rules}
