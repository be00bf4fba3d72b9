"""The stores that the suite holds to one contract."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Engine

from corpactions.persistence.lifecycle import MysqlLifecycleStore
from corpactions.persistence.tables import Base
from corpactions.ports.lifecycle import LifecycleStore
from tests.simulation.database import Database
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.store import PROGRESS, SimLifecycleStore
from tests.support.fakes import FakeClock
from tests.support.memory_store import MemoryDatabase, MemoryLifecycleStore
from tests.support.storing import Backend


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


@pytest.fixture
def simulated_backend() -> Backend:
    """The store of the simulation, with nothing going wrong and nobody else at work."""
    scheduler = Scheduler(random.Random(0))
    database = Database(scheduler)

    def resume(partition: int) -> None:
        rows = database.tables[PROGRESS]
        rows[partition] = rows[partition]._replace(paused=False)

    return Backend(lambda owner, _statement_bytes=0: SimLifecycleStore(database, Process(scheduler, owner), owner), resume)


@pytest.fixture(params=["memory", "simulated", "mysql"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of the three in turn."""
    found: Backend = request.getfixturevalue(f"{request.param}_backend")
    return found
