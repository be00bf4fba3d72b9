"""Scenarios: tests that run with their rule on, and with it off."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation.rules.catalogue import RULES

Scenario = Callable[..., None]


def shows(name: str, *, breaks: str | None = None, slow: bool = False) -> Callable[[Scenario], Scenario]:
    """Marks a test as the scenario of a rule: it runs twice, and the second time, without the rule, it must fail as the catalogue says.

    Args:
        name: the rule.
        breaks: what the failure says, where a second scenario of the rule fails in other words.
        slow: the second time waits for seconds, and runs with the long tests only.
    """
    rule = RULES[name]
    expected = rule.breaks if breaks is None else breaks
    off = pytest.param("off", marks=pytest.mark.long) if slow else "off"

    def decorate(scenario: Scenario) -> Scenario:
        @functools.wraps(scenario)
        def run(*, rule_is: str, **fixtures: Any) -> None:
            if rule_is == "on":
                scenario(**fixtures)
                return
            with pytest.raises(Exception, match=expected), rule.off():
                scenario(**fixtures)

        parameters = inspect.signature(scenario).parameters.values()
        switch = inspect.Parameter("rule_is", inspect.Parameter.KEYWORD_ONLY)
        run.__signature__ = inspect.Signature([*parameters, switch])  # type: ignore[attr-defined] # what pytest reads the fixtures from
        decorated: Scenario = pytest.mark.parametrize("rule_is", ["on", off])(run)
        return decorated

    return decorate
