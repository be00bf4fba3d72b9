"""Fields around the terms: what the gateway, the feed and the worker refuse alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from corpactions.domain import fields
from corpactions.domain.rules import Problem

Check = Callable[[str], Problem | None]


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (fields.symbol_problem, "BRK.B"),
        (fields.symbol_problem, "0700-HK"),
        (fields.isin_problem, "US0378331005"),
        (fields.source_problem, "vendor.eu:1/a_b-c"),
        (fields.source_reference_problem, "DIV 2026 – Q4"),
        (fields.actor_problem, "user:ann"),
        (fields.reason_problem, "typing error\nsecond line"),
    ],
)
def test_a_good_value_has_no_problem(check: Check, value: str) -> None:
    assert check(value) is None


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (fields.symbol_problem, ""),
        (fields.symbol_problem, "aapl"),
        (fields.symbol_problem, ".A"),
        (fields.symbol_problem, "A" * 17),
        (fields.symbol_problem, "AAPL\n"),
        (fields.isin_problem, "US0378331006"),
        (fields.isin_problem, "us0378331005"),
        (fields.source_problem, ""),
        (fields.source_problem, "a b"),
        (fields.source_problem, "a" * 65),
        (fields.source_reference_problem, ""),
        (fields.source_reference_problem, "two\nlines"),
        (fields.source_reference_problem, "a" * 129),
        (fields.actor_problem, "a" * 129),
        (fields.reason_problem, "a" * 2_000),
        (fields.reason_problem, "bell\x07"),
        (fields.reason_problem, " \n"),
        (fields.actor_problem, " ann"),
    ],
)
def test_a_bad_value_is_told_with_its_mend(check: Check, value: str) -> None:
    problem = check(value)
    assert problem is not None
    assert problem.detail
    assert problem.mend


@pytest.mark.parametrize("check", [fields.isin_problem, fields.source_reference_problem, fields.reason_problem])
def test_what_is_optional_may_be_absent(check: Callable[[str | None], Problem | None]) -> None:
    assert check(None) is None
