"""Scheduled jobs: the lease that lets one instance run each, and the purge of expired idempotency keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from corpactions.domain.messages import Function
from corpactions.persistence.engine import error_number, translated
from corpactions.persistence.tables import Event, EventVersion, IdempotencyKey, JobLease, ParkedEvent, PartitionProgress
from corpactions.ports.ambient import Clock

LEASE_SECONDS = 300
"""How long a job may be silent before another instance takes it over; it renews the lease with every batch."""
PURGE_BATCH = 500
"""Rows of one DELETE: a few milliseconds of locks, whatever the size of the backlog."""
_POLL_SECONDS = 0.5
_DUPLICATE_KEY = 1062


class JobLeases:
    """Who runs which job. ``owner`` names this process; all times are the database's. Every method raises Unavailable when MySQL does not answer."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner

    def claim(self, name: str) -> bool:
        """Take the job's lease, or renew it; False when another process holds it."""
        until = text(f"NOW(6) + INTERVAL {LEASE_SECONDS} SECOND")
        free = or_(JobLease.owner == self._owner, JobLease.lease_until < func.now(6))
        try:
            with translated(), self._engine.begin() as connection:
                known = connection.execute(select(free).where(JobLease.name == name).with_for_update()).scalar_one_or_none()
                if known is None:
                    connection.execute(insert(JobLease).values(name=name, owner=self._owner, lease_until=until))
                elif known:
                    connection.execute(update(JobLease).where(JobLease.name == name).values(owner=self._owner, lease_until=until))
                return known is None or bool(known)
        except DBAPIError as error:
            if error_number(error) == _DUPLICATE_KEY:
                return False  # another process made the row between the look and the insert
            raise

    def finish(self, name: str) -> None:
        """Give the lease back and note the time of the run."""
        done = update(JobLease).where(JobLease.name == name, JobLease.owner == self._owner)
        with translated(), self._engine.begin() as connection:
            connection.execute(done.values(lease_until=func.now(6), last_run_at=func.now(6)))


class Purged(NamedTuple):
    """What a purge did. ``kept``: expired keys whose fate is not proven yet; the next run looks at them again."""

    deleted: int
    kept: int


class ExpiredKeys:
    """Reservations past their expiry. Every method raises Unavailable when MySQL does not answer.

    Args:
        engine: connections of an account that may delete keys.
        group: the lifecycle workers' consumer group.
        topic: the events topic.
    """

    def __init__(self, engine: Engine, group: str, topic: str) -> None:
        self._engine = engine
        self._group = group
        self._topic = topic

    def now(self) -> datetime:
        """The database's time."""
        with translated(), self._engine.connect() as connection:
            found: datetime = connection.execute(select(func.now(6))).scalar_one()
            return found.replace(tzinfo=UTC)

    def decided_up_to(self, ends: Mapping[int, int]) -> bool:
        """Whether the workers have decided every record below ``ends``, the offset at which each partition ended."""
        progress = select(PartitionProgress.partition, PartitionProgress.committed_offset).where(
            PartitionProgress.group_name == self._group, PartitionProgress.topic == self._topic
        )
        with translated(), self._engine.connect() as connection:
            reached = {row.partition: row.committed_offset for row in connection.execute(progress)}
        return all(reached.get(partition, 0) >= end for partition, end in ends.items())

    def delete_batch(self, before: datetime, *, all_decided: bool) -> int:
        """Delete at most one batch of keys that expired, and whose lease ended, before a time; the number deleted.

        Args:
            before: a time of the database.
            all_decided: everything published under them has been decided; otherwise only those are deleted for which a row proves it.
        """
        statement = delete(IdempotencyKey).where(*_expired(before))
        if not all_decided:
            statement = statement.where(_proven())
        statement = statement.with_dialect_options(mysql_limit=PURGE_BATCH)
        with translated(), self._engine.begin() as connection:
            return connection.execute(statement).rowcount

    def count(self, before: datetime) -> int:
        """How many keys expired before a time."""
        with translated(), self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(IdempotencyKey).where(*_expired(before))).scalar_one()


def purge(
    keys: ExpiredKeys, read_ends: Callable[[], Mapping[int, int]], clock: Clock, wait_seconds: float, renew: Callable[[], bool]
) -> Purged:
    """Remove expired keys in bounded batches, none whose message might still be undecided: a freed key could make a second event.

    Everything that was published under a key lies below the ends of the partitions as they are read now, since its lease is over. Once the workers have
    decided that far, every such key may go; when they do not get there in time, only those go whose versions are filed, parked or rejected.

    Args:
        keys: the table.
        read_ends: reads where the partitions of the events topic end.
        clock: for waiting.
        wait_seconds: how long the workers may take to reach those ends.
        renew: keeps the job's lease; False ends the purge.

    Raises:
        Unavailable: MySQL or Kafka does not answer; what was deleted until then stays deleted.
    """
    before = keys.now()
    ends = read_ends()
    deadline = clock.monotonic() + wait_seconds
    while not (all_decided := keys.decided_up_to(ends)) and clock.monotonic() < deadline:
        clock.sleep(_POLL_SECONDS)
    deleted = 0
    while renew():
        batch = keys.delete_batch(before, all_decided=all_decided)
        deleted += batch
        if batch < PURGE_BATCH:
            break
    return Purged(deleted, keys.count(before))


def _expired(before: datetime) -> tuple[ColumnElement[bool], ...]:
    time = before.astimezone(UTC).replace(tzinfo=None) - timedelta(microseconds=1)
    return IdempotencyKey.expires_at <= time, IdempotencyKey.lease_until <= time


def _proven() -> ColumnElement[bool]:
    """A row proves that the one version of the key was decided. Keys of several events wait for the workers' progress."""
    key = IdempotencyKey
    rejected = (key.function == Function.NEWM) & Event.version.is_(None) & (Event.status == "FAILED")
    same = [
        exists().where(table.event_id == key.event_id, table.origin == key.origin, table.version == key.version)
        for table in (Event, EventVersion, ParkedEvent)
    ]
    return (key.id_count == 1) & or_(*same, exists().where(Event.event_id == key.event_id, rejected))
