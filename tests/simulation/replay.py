"""The topic once more, into an empty store: what comes of it must tell the same story.

Times and salts are new, so bytes differ; everything else that an audit record says must not. Symbols whose look-ups failed, or that people decided about, are
left out: there the topic alone does not say what happened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from corpactions.domain.audit.records import Action, AuditRecord
from tests.simulation.evidence import decode_audit
from tests.simulation.store import PROGRESS
from tests.simulation.world import LOOK_EVERY, World
from tests.support.announcing import TOPIC

_UNREPEATABLE: Final = {Action.RETRY_SCHEDULED, Action.FAILED, Action.REPROCESSED, Action.DISCARDED}
REPLAY_SECONDS: Final = 60.0
HELPS: Final = 10
Story = dict[str, tuple[Any, ...]]


def differences(world: World) -> list[str]:
    """Where a replay of the world's topic says something else than the world did, as findings."""
    again = World(1, replace(world.setting, switch_every=0.0, batch_records=500))
    again.broker.topics[TOPIC] = [list(log) for log in world.broker.log(TOPIC)]
    again.database.refused = set(world.database.refused)
    again.worker("replay")
    ends = {number: len(log) for number, log in enumerate(world.broker.log(TOPIC)) if log}
    rows = again.database.tables[PROGRESS]

    def through() -> bool:
        return all(number in rows and rows[number].acked_offset == end for number, end in ends.items())

    for _ in range(HELPS):
        try:
            again.run_until(through, REPLAY_SECONDS, LOOK_EVERY)
            break
        except AssertionError:
            again.resume_partitions()  # a storm of poison pauses a partition here too
    else:
        return [f"replay: not through its topic; {again.left_over()}"]
    told, retold = _story(world), _story(again)
    excluded = _unrepeatable(world) | _unrepeatable(again)
    found = []
    for record_id in sorted(told.keys() | retold.keys()):
        first, second = told.get(record_id), retold.get(record_id)
        symbol = (first or second or (None,))[0]
        if symbol not in excluded and first != second:
            found.append(f"replay: {record_id} was {first}, and comes out as {second}")
    return found


def _records(world: World) -> list[AuditRecord]:
    return [decode_audit(record.value) for record in world.published("audit")]


def _unrepeatable(world: World) -> set[str | None]:
    return {told.symbol for told in _records(world) if told.action in _UNREPEATABLE or "UNKNOWN_SYMBOL" in told.flags}


def _story(world: World) -> Story:
    return {
        told.record_id: (
            told.symbol,
            told.action,
            told.actor,
            told.resource,
            told.function,
            (told.origin, told.version, told.revision),
            (told.before, told.after),
            tuple((step.from_status, step.to_status) for step in told.transitions),
            told.position,
            told.flags,
            told.code,
        )
        for told in _records(world)
    }
