"""Products for the worker's tests: one for a whole module, or one for a single test where settings matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import Product, product

Make = Callable[..., Product]


@pytest.fixture(scope="module")
def shared(endpoints: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with one worker, for tests that only send and look."""
    with product(endpoints, tmp_path_factory.mktemp("services")) as made:
        made.load_securities("AAPL", "MSFT", "NVDA")
        made.start_worker()
        yield made


@pytest.fixture
def make(endpoints: dict[str, Any], tmp_path: Path) -> Iterator[Make]:
    """Makes products with settings of their own (``CA_…``), without processes."""
    with ExitStack() as stack:

        def made(**settings: str) -> Product:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            return stack.enter_context(product(endpoints, folder, **settings))

        yield made
