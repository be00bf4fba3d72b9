"""The document of requirements is held to its word."""

from __future__ import annotations

from tests.support.traced import DOCUMENT, named_tests, unproved


def test_names_are_read_once_each() -> None:
    assert named_tests("| `tests/a.py::test_x` `tests/a.py::test_x` `make test` | `tests/b` |") == ["tests/a.py::test_x", "tests/b"]


def test_a_test_a_file_or_a_folder_is_proved_by_what_passed_in_it() -> None:
    passed = {"tests/a.py::test_x[1]", "tests/b/c.py::test_y"}
    assert unproved(["tests/a.py::test_x", "tests/a.py", "tests/b", "tests/b/c.py::test_y"], passed) == []


def test_what_did_not_run_is_named() -> None:
    assert unproved(["tests/a.py::test_x", "tests/a.py::test"], {"tests/a.py::test_xy"}) == ["tests/a.py::test_x", "tests/a.py::test"]


def test_every_named_test_is_there() -> None:
    root = DOCUMENT.parents[1]
    for name in named_tests(DOCUMENT.read_text()):
        path, _, test = name.partition("::")
        assert (root / path).exists(), name
        assert not test or f"def {test}(" in (root / path).read_text(), name
