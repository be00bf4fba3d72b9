"""Servers that may be killed: a private stack, shared by the tests of one process, on which services use their own MySQL accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.guard import Guard
from infra.local.ports import Ports
from infra.local.secrets import passwords
from tests.chaos.proxied import ProxiedStack


@pytest.fixture(scope="session")
def private_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedStack]:
    """Kafka, registry and MySQL that nobody else uses, and proxies in front of them."""
    stack = ProxiedStack(tmp_path_factory.mktemp("stack") / "run", Ports.free())
    with Guard(), stack:
        yield stack


@pytest.fixture
def private_endpoints(private_stack: ProxiedStack) -> dict[str, Any]:
    """Their addresses, with the passwords of the services' accounts. Whatever a failed test left dead or frozen is brought back first."""
    for server in private_stack.servers:
        server.resume()
    private_stack.start()
    return private_stack.endpoints() | {"accounts": passwords(private_stack.run)}
