"""Holds `docs/requirements.md` to its word: in a run of everything, each test that it names was there and passed.

A pytest plugin, active when the whole of `tests` is run; parts of it are not judged.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "requirements.md"
_NAMED = re.compile(r"`(tests/[^`\s]+)`")


def named_tests(text: str) -> list[str]:
    """The tests, files and folders of tests that the document names, each once."""
    return list(dict.fromkeys(_NAMED.findall(text)))


def unproved(named: list[str], passed: set[str]) -> list[str]:
    """Which of the names no passed test stands behind. A name is a test (with or without parameters), a file or a folder."""
    return [name for name in named if not any(test == name or test.startswith((f"{name}[", f"{name}::", f"{name}/")) for test in passed)]


class Traced:
    """Collects what passed and compares it with the document at the end."""

    def __init__(self) -> None:
        self._passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that passed, wherever it ran."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid.removesuffix(f"@{report.nodeid.rpartition('@')[2]}") if "@" in report.nodeid else report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the run when the document claims more than it showed."""
        missing = unproved(named_tests(DOCUMENT.read_text()), self._passed)
        if missing and exitstatus == 0:
            reporter = session.config.pluginmanager.get_plugin("terminalreporter")
            if reporter is not None:
                reporter.write_line(f"docs/requirements.md names tests that did not run and pass: {', '.join(missing)}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def register(config: pytest.Config) -> None:
    """Take part in a run of the whole folder, on the process that sees all reports."""
    whole = [Path(argument).resolve() for argument in config.args] == [DOCUMENT.parents[1] / "tests"]
    if whole and not hasattr(config, "workerinput") and not config.getoption("--compose"):
        config.pluginmanager.register(Traced(), "traced-requirements")
