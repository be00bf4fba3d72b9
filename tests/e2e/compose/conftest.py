"""The product in containers, brought up and fed once for all tests of this folder; the tests run in the order of their files."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.ports import Ports
from tests.e2e.compose.composition import Composition


@pytest.fixture(scope="session")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """The running product; it and its data are gone afterwards."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "ls"], capture_output=True, check=False, timeout=30).returncode != 0:
        pytest.fail("this needs a running Docker engine and the compose plugin: `docker compose ls` does not work")
    env_file = tmp_path_factory.mktemp("compose") / "env"
    composition = Composition(f"ca-test-{uuid.uuid4().hex[:8]}", env_file, Ports.free().gateway)
    composition.generate_passwords()
    composition.build()
    try:
        composition.up()
        yield composition
    finally:
        composition.remove()


@pytest.fixture(scope="session")
def report(composition: Composition) -> dict[str, Any]:
    """What the demonstration found, fed once for all tests."""
    found: dict[str, Any] = json.loads(composition.corpactions("demo", "--json"))
    return found
