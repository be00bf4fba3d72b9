"""The catalogue of rules is whole: each has a scenario, and the page of reliability shows exactly these."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.rules.catalogue import PARTS, RULES
from tests.simulation.rules.rule import Rule
from tests.simulation.rules.table import scenarios, table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
SECTION = "## The rules"


def test_every_rule_has_a_scenario_and_every_scenario_a_rule() -> None:
    assert scenarios().keys() == RULES.keys()


def test_no_two_rules_share_a_name() -> None:
    assert sum(len(rules) for rules in PARTS.values()) == len(RULES)


def test_the_page_shows_the_rules_as_they_are() -> None:
    section = PAGE.read_text().partition(f"\n{SECTION}\n")[2].partition("\n## ")[0]
    assert table() in section, "print the table with `python -m tests.simulation.rules` and put it into docs/reliability.md"


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_switch_takes_its_rule_away_and_gives_it_back(rule: Rule) -> None:
    """A switch that patches what is no longer there, or leaves something behind, would make every scenario after it worthless."""
    with rule.off():
        pass
    with rule.off():
        pass
