"""Files, functions and parameter lists stay small enough to be read at once, and every module says what it is for."""

from __future__ import annotations

import ast

from tests.architecture.sources import PRODUCT, Function, Source, sources

FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 40, 8
EVERYTHING = sources(*PRODUCT, "tests")
MIGRATIONS = "corpactions/persistence/migrations/"
"""Alembic's steps are written down table by table, once, and never read as a program."""
LONG_FUNCTIONS = {"corpactions/persistence/lifecycle_rows.py:event_state": "one line for each column"}


def _lines(function: Function) -> int:
    """Its lines without the docstring: saying more about a function must not count against it."""
    end = function.end_lineno
    assert end is not None
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return end - function.lineno + 1 - docstring


def _parameters(function: Function) -> int:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def _named(source: Source, function: Function) -> str:
    return f"{source.path}:{function.name}"


def test_no_file_is_longer_than_400_lines() -> None:
    assert {source.path: lines for source in EVERYTHING if (lines := source.text.count("\n")) > FILE_LINES} == {}


def test_no_function_is_longer_than_40_lines_but_those_named_with_a_reason() -> None:
    long = {
        _named(source, function)
        for source in EVERYTHING
        for function in source.functions()
        if _lines(function) > FUNCTION_LINES and not source.path.startswith(MIGRATIONS)
    }
    assert long == set(LONG_FUNCTIONS)


def test_no_function_has_more_than_8_parameters() -> None:
    wide = {
        _named(source, function): count
        for source in EVERYTHING
        for function in source.functions()
        if (count := _parameters(function)) > PARAMETERS
    }
    assert wide == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [source.path for source in sources(*PRODUCT) if source.text.strip() and ast.get_docstring(source.tree) is None]
    assert silent == []
