"""The two stores that the suite holds to one contract."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from corpactions.persistence import schema
from corpactions.persistence.engine import MysqlConfig, connect
from corpactions.persistence.lifecycle import MysqlLifecycleStore
from corpactions.persistence.tables import Base
from corpactions.ports.lifecycle import LifecycleStore
from tests.support.fakes import FakeClock
from tests.support.memory_store import MemoryDatabase, MemoryLifecycleStore
from tests.support.storing import Backend


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


@pytest.fixture
def mysql_backend(mysql: Engine) -> Backend:
    """MySQL with empty tables."""
    with mysql.begin() as connection:
        for table in Base.metadata.tables:
            connection.exec_driver_sql(f"DELETE FROM {table}")
    clock = FakeClock()

    def store(owner: str, statement_bytes: int = 16 << 20) -> LifecycleStore:
        return MysqlLifecycleStore(mysql, "group", owner, clock, statement_bytes)

    def resume(partition: int) -> None:
        with mysql.begin() as connection:
            connection.exec_driver_sql("UPDATE partition_progress SET paused_at = NULL WHERE `partition` = %s", (partition,))

    return Backend(store, resume)


@pytest.fixture
def memory_backend() -> Backend:
    """The fake that the worker's tests run on."""
    database = MemoryDatabase()

    def resume(partition: int) -> None:
        database.tables.progress[partition].paused = False

    return Backend(lambda owner, _statement_bytes=0: MemoryLifecycleStore(database, owner), resume)


@pytest.fixture(params=["memory", "mysql"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of the two in turn."""
    found: Backend = request.getfixturevalue(f"{request.param}_backend")
    return found
