"""The page that traces requirements to tests names only tests that exist."""

from __future__ import annotations

import ast
import re

from tests.architecture.sources import ROOT

_NAMED = re.compile(r"`(tests/[^`\s]+)`")


def test_every_test_that_the_requirements_name_exists() -> None:
    page = ROOT / "docs" / "requirements.md"
    named = _NAMED.findall(page.read_text()) if page.exists() else []
    assert [name for name in named if not _exists(name)] == []


def _exists(name: str) -> bool:
    file, _, test = name.partition("::")
    path = ROOT / file
    if path.is_dir():
        return not test and any(path.rglob("test_*.py"))
    if not path.is_file():
        return False
    functions = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return not test or test.partition("[")[0] in functions
