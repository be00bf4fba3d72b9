"""The table of rules for docs/reliability.md, from the catalogue and from the tests that name its rules."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.simulation.rules.catalogue import PARTS
from tests.simulation.rules.rule import Rule

TESTS = Path(__file__).parents[1]
HEAD = "| rule | interleaving | what goes wrong without it | test |\n|---|---|---|---|"


def scenarios() -> dict[str, list[tuple[str, str]]]:
    """File and name of every test that shows a rule, by rule."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(TESTS.glob("test_rules_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for rule in _shown(node):
                    found[rule].append((path.name, node.name))
    return found


def _shown(test: ast.FunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "shows":
            name = decorator.args[0]
            assert isinstance(name, ast.Constant), "a scenario names its rule"
            yield str(name.value)


def table() -> str:
    """All rules, part by part, as Markdown."""
    tests = scenarios()
    return "\n\n".join(
        f"### {part}\n\n{HEAD}\n" + "\n".join(_row(rule, tests[rule.name]) for rule in rules) for part, rules in PARTS.items()
    )


def _row(rule: Rule, tests: list[tuple[str, str]]) -> str:
    named = "<br>".join(f"[{_words(name)}](../tests/simulation/{file})" for file, name in tests)
    return f"| **{rule.name}**: {rule.says} | {rule.interleaving} | {rule.without} | {named} |"


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")
