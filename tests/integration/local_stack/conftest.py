"""A private stack for the tests of the local stack itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.ports import Ports
from tests.integration.local_stack.local_command import LocalCommand


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalCommand]:
    """The commands with a fresh run directory; whatever a failed test left running is stopped."""
    command = LocalCommand(tmp_path / "run", Ports.free())
    yield command
    command.run("down")
