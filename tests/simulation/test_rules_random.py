"""The random simulation has teeth: with a rule switched off, it comes upon a run that breaks a promise, without being told where to look."""

from __future__ import annotations

import pytest

from tests.simulation.plan import make_plan
from tests.simulation.player import Player
from tests.simulation.rules import servers
from tests.simulation.rules.catalogue import RULES

FIRST_SEED, RUNS = 1000, 300
ON_SERVERS = frozenset(rule.name for rules in (servers.BROKER, servers.SESSIONS, servers.RESERVATIONS) for rule in rules)
"""Not simulated, or simulated as the servers do it: there is nothing of ours to switch off."""
UNNOTICED: dict[str, tuple[str, ...]] = {
    "the random world does not do what it takes": (
        *("a-late-reservation-is-not-published", "a-request-is-what-it-says", "bulk-ids-count-every-item"),
        *("a-lost-position-is-fatal", "start-from-mysql", "fenced-by-epoch", "fetched-is-filtered", "a-member-claims-again"),
        *("silence-is-no-answer", "a-claim-s-own-progress", "a-decision-belongs-to-one-event", "a-reference-is-held-for-ever"),
        *(
            "feed-ids-never-come-from-terms",
            "the-feed-guesses-nothing",
            "letters-leave-out-what-no-topic-carries",
            "error-texts-are-bounded",
        ),
        *("all-of-its-own-records", "a-new-holder-takes-its-own-records", "redrives-do-not-count", "created-is-the-acceptance-time"),
    ),
    "a person mends it before the end is judged": (
        *("three-attempts", "a-failed-event-keeps-its-symbol", "an-outage-spends-no-attempt", "half-rejected-pauses"),
        *("paused-is-paused-for-every-owner", "rejections-are-counted-across-restarts", "a-decision-names-what-was-seen"),
        *("a-decision-counts-once", "a-failure-goes-back-to-its-announcement", "attempts-end"),
    ),
    "it costs time, memory or trouble, and the end is the same": (
        *("a-breaker-paces-the-probes", "held-partitions-are-paused", "polling-goes-on", "a-drain-writes-the-last-position"),
        *("references-count-within-a-batch", "identity-before-parking", "a-queue-drains-in-portions", "a-stranger-lets-go"),
        *("an-unknown-outcome-ends-the-lease", "nobody-else-waits", "a-poisonous-symbol-is-isolated", "a-probe-waits-for-company"),
        *("if-match-is-checked", "based-on-travels", "a-gap-is-flagged", "a-like-announcement-is-linked", "a-repetition-has-the-same-time"),
    ),
}
"""Rules that only their scenarios show, and why."""
_LEFT_OUT = frozenset(name for names in UNNOTICED.values() for name in names)
NOTICED = sorted(RULES.keys() - ON_SERVERS - _LEFT_OUT)


def test_the_rules_that_are_left_out_are_rules() -> None:
    assert not _LEFT_OUT - (RULES.keys() - ON_SERVERS)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NOTICED)
def test_random_disasters_come_upon_a_rule_that_is_off(name: str) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + RUNS):
        with RULES[name].off():
            violation = Player(make_plan(seed)).play().violation
        if violation is not None:
            assert not violation.startswith("simulation:"), violation
            return
    raise AssertionError(f"{RUNS} runs without the rule {name}, and none the worse")
