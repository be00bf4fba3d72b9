"""The project's own source files, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PRODUCT = ("corpactions", "gateway", "producers", "consumers", "schemas", "infra")
SERVICES = ("gateway", "producers", "consumers")
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """One file: its path from the project's root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def calls(self, attribute: str) -> Iterator[str]:
        """Whom a method of that name is called on, as written."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute:
                yield ast.unparse(node.func.value)

    def imports(self) -> Iterator[str]:
        """Every module that is imported, in full."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """All Python files under these folders, by path."""
    return tuple(_parsed(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


def _parsed(path: Path) -> Source:
    text = path.read_text()
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text))
