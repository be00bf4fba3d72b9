from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import Backing, Gateway, backing, gateway


@pytest.fixture(scope="module")
def made(endpoints: dict[str, Any]) -> Iterator[Backing]:
    """A database and topics for the tests of one module."""
    with backing(endpoints) as found:
        yield found


@pytest.fixture(scope="module")
def served(made: Backing) -> Iterator[Gateway]:
    """A gateway for the tests of one module."""
    with gateway(made) as found:
        yield found


@pytest.fixture
def client(served: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=20, trust_env=False) as found:
        yield found
