"""What contract suites share: a real MySQL with empty tables of this run's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from corpactions.persistence import schema
from corpactions.persistence.engine import MysqlConfig, connect


@pytest.fixture(scope="session")
def mysql(endpoints: dict[str, Any]) -> Iterator[Engine]:
    """A database of this run's own, with all tables."""
    server, name = endpoints["mysql"], f"t_store_{uuid.uuid4().hex[:8]}"
    root = connect(MysqlConfig(server["host"], server["port"], "", server["user"], server["password"]))
    with root.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
    engine = connect(MysqlConfig(server["host"], server["port"], name, server["user"], server["password"], pool_size=4))
    schema.upgrade(engine)
    yield engine
    engine.dispose()
    with root.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    root.dispose()
