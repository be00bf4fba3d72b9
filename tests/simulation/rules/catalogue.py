"""All rules, in the order in which a record meets them."""

from __future__ import annotations

from typing import Final

from tests.simulation.rules import failing, identity, keys, once, parking, position
from tests.simulation.rules.rule import Rule

PARTS: Final[dict[str, tuple[Rule, ...]]] = {
    "Order": identity.ORDER,
    "Identity": identity.IDENTITY,
    "One announcement, one event": identity.ANNOUNCEMENTS,
    "Idempotency keys": keys.RULES,
    "Start position and fence": position.RULES,
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
