"""One suite for both books: in memory and in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.witness.book import Book
from consumers.witness.handler import Witness
from consumers.witness.store import SqliteBook
from consumers.witness.trust import Trust
from corpactions.security.signing import verify
from tests.support.fakes import FakeClock
from tests.support.signing import WITNESS, MemorySigner
from tests.support.witnessing import MemoryBook


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    if request.param == "memory":
        yield MemoryBook()
        return
    opened = SqliteBook(tmp_path / "witness.db")
    yield opened
    opened.close()


@pytest.fixture
def witness(book: Book, clock: FakeClock) -> Witness:
    return Witness(book, Trust([MemorySigner().key], book, verify), MemorySigner(WITNESS, 9), clock, verify)
