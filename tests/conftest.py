"""What all tests share: the servers, and names of their own on them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from corpactions.kafka import topics as kafka_topics
from corpactions.kafka.registry import Registry
from corpactions.serde.schemas import schema_text
from corpactions.system import SystemClock
from tests.support import traced
from tests.support.stack import servers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="Run the long versions too (marker: long).")
    parser.addoption("--compose", action="store_true", help="Run the tests of the containers (marker: compose) and nothing else.")


def pytest_configure(config: pytest.Config) -> None:
    traced.register(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    compose, long = config.getoption("--compose"), config.getoption("--long")
    for item in items:
        if (item.get_closest_marker("compose") is not None) != compose:
            item.add_marker(pytest.mark.skip(reason="needs --compose" if not compose else "not a test of the containers"))
        if item.get_closest_marker("long") and not long:
            item.add_marker(pytest.mark.skip(reason="needs --long"))


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[dict[str, Any]]:
    """Addresses of running servers: keys ``kafka``, ``registry`` and ``mysql`` (the administrator's account), as in ``.run/endpoints.json``."""
    base = tmp_path_factory.getbasetemp()
    with servers((base if worker_id == "master" else base.parent) / "stack") as found:
        yield found


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and subjects that no other test uses."""
    return f"t-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def topics(endpoints: dict[str, Any], topic_prefix: str) -> Iterator[str]:
    """All topics of the catalogue and their schemas under a prefix of this test's own, which is the fixture's value; gone afterwards."""
    registry = Registry(endpoints["registry"], SystemClock())
    specs = kafka_topics.catalogue()
    names = [applied.topic for applied in kafka_topics.apply(endpoints["kafka"], specs, topic_prefix)]
    for spec in specs:
        if spec.schema is not None:
            registry.register(kafka_topics.subject_of(topic_prefix + spec.name), schema_text(spec.schema))
    yield topic_prefix
    admin = AdminClient({"bootstrap.servers": endpoints["kafka"]})  # a name of its own: without one it would be gone before its answers
    for deleted in admin.delete_topics(names).values():
        deleted.result()
