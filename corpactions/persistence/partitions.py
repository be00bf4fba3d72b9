"""How far the workers are, and letting a paused partition go on: the operator's view of ``partition_progress``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Engine, and_, select, update

from corpactions.persistence.engine import translated
from corpactions.persistence.tables import PartitionProgress


class Progress(NamedTuple):
    """One partition. Records below ``committed_offset`` are decided, those below ``acked_offset`` told to the world as well.

    ``recent_rejections`` counts among the last 1,000 records; ``paused_at`` is when that became too many (UTC).
    """

    partition: int
    owner: str
    epoch: int
    committed_offset: int
    acked_offset: int
    recent_rejections: int
    paused_at: datetime | None


def progress(engine: Engine, group: str, topic: str) -> list[Progress]:
    """Every partition that a worker has ever claimed, in order.

    Raises:
        Unavailable: MySQL does not answer.
    """
    table = PartitionProgress
    wanted = (
        select(
            table.partition,
            table.owner,
            table.epoch,
            table.committed_offset,
            table.acked_offset,
            table.recent_outcomes,
            table.paused_at,
        )
        .where(table.group_name == group, table.topic == topic)
        .order_by(table.partition)
    )
    with translated(), engine.connect() as connection:
        rows = connection.execute(wanted).all()
    return [
        Progress(
            row.partition,
            row.owner,
            row.epoch,
            row.committed_offset,
            row.acked_offset,
            int.from_bytes(row.recent_outcomes, "big").bit_count(),
            None if row.paused_at is None else row.paused_at.replace(tzinfo=UTC),
        )
        for row in rows
    ]


def resume(engine: Engine, group: str, topic: str, partition: int) -> bool:
    """Let a paused partition go on, with its rejections counted from nothing; its worker notices within seconds.

    Returns:
        False when it was not paused.

    Raises:
        Unavailable: MySQL does not answer.
    """
    table = PartitionProgress
    paused = and_(table.group_name == group, table.topic == topic, table.partition == partition, table.paused_at.is_not(None))
    with translated(), engine.begin() as connection:
        return connection.execute(update(table).where(paused).values(paused_at=None, recent_outcomes=b"")).rowcount > 0
