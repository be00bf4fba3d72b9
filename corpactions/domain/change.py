"""A change of one event in the making: the new state, everything it supersedes, and the audit record that tells of it.

Invariant: a change raises the event's revision by exactly one and has exactly one audit record, whose id is event id and revision.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from corpactions.domain.audit.records import Action, AuditRecord, Delta, Transition
from corpactions.domain.identity import payload_commitment
from corpactions.domain.messages import Decision, Message, Position
from corpactions.domain.securities import Lookup
from corpactions.domain.state import EffectRow, EventState, FiledVersion, Status


class Policy(NamedTuple):
    """The bank's choices, from the settings."""

    max_attempts: int = 3
    retry_unknown_symbol: bool = False
    hold_possible_duplicate: bool = False


@dataclass(slots=True)
class Circumstances:
    """What a decision depends on besides the event and the message.

    ``lookup`` is the security master's answer for the message's symbol and key date; ``holder`` the event that owns the message's source reference;
    ``similar`` a like event under another reference; ``decided`` the event and revision at which the same decision was applied before.
    """

    position: Position
    started_at: datetime
    now: Callable[[], datetime]
    salt: Callable[[], bytes]
    policy: Policy
    lookup: Lookup = None
    holder: str | None = None
    similar: str | None = None
    decided: tuple[str, int] | None = None


@dataclass(slots=True)
class Change:
    """One change. ``previous`` is the event before it (its audit record moves to ``event_transitions``), ``versions`` and ``effects`` are kept beside."""

    state: EventState
    previous: EventState | None
    message: Message
    position: Position
    started_at: datetime
    transitions: list[Transition] = field(default_factory=list)
    versions: list[FiledVersion] = field(default_factory=list)
    effects: list[EffectRow] = field(default_factory=list)
    decision: Decision | None = None
    code: str | None = None
    reason: str | None = None
    holds: bool = False
    releases: bool = False
    dead_letter: bool = False
    record: AuditRecord | None = None

    def move(self, status: Status, at: datetime) -> None:
        """Go to a status; the first move of an event comes from nothing."""
        before = self.state.status if self.previous is not None or self.transitions else None
        self.transitions.append(Transition(before, status, at))
        self.state.status = status

    def reverse_effect(self, at: datetime) -> int:
        """End the effect in force, if there is one: it is kept as it was posted, and a linked row reverses it. Returns the next effect's number."""
        effect = self.state.effect
        if effect is None:
            return 1
        self.effects.append(EffectRow(effect.number, "POST", None, effect, effect.posted_at))
        self.effects.append(EffectRow(effect.number + 1, "REVERSAL", effect.number, effect, at))
        self.state.effect = None
        return effect.number + 2

    def archive_current(self) -> None:
        """Keep the current version among the older ones, once."""
        current = self.state.current
        if current is not None and current.ref not in self.state.older:
            self.state.older[current.ref] = current
            self.versions.append(current)

    def deltas(self) -> list[Delta]:
        """How the counts per minute, type and status change."""
        after, before = self.state, self.previous
        come = Delta(minute_of(after.created_at), after.event_type, after.status, 1)
        if before is None:
            return [come]
        if (before.status, before.created_at, before.event_type) == (after.status, after.created_at, after.event_type):
            return []
        return [Delta(minute_of(before.created_at), before.event_type, before.status, -1), come]


class Duplicate(NamedTuple):
    """The message was filed before: nothing changes, its event's records are published again from ``revision`` on."""

    state: EventState
    revision: int


Outcome = Change | Duplicate


def minute_of(moment: datetime) -> datetime:
    """The minute that a moment lies in."""
    return moment.replace(second=0, microsecond=0)


def begin(state: EventState | None, message: Message, around: Circumstances) -> Change:
    """Start a change on a copy of the event, one revision further; without an event, on a new one."""
    if state is None:
        fresh = EventState(
            message.event_id,
            message.event_type,
            message.symbol,
            message.source,
            message.source_reference,
            None,
            1,
            Status.PENDING,
            message.accepted_at,
            message.accepted_at,
            message.isin,
            message.terms_json,
            None if message.terms is None else message.terms.key_date,
        )
        return Change(fresh, None, message, around.position, around.started_at)
    after = copy.copy(state)
    after.older = dict(state.older)
    after.revision = state.revision + 1
    return Change(after, state, message, around.position, around.started_at)


def close(change: Change, action: Action, at: datetime | None = None) -> Change:
    """Seal a change: give it its audit record."""
    state, message = change.state, change.message
    happened_at = change.transitions[-1].at if at is None else at
    state.changed_at = happened_at
    version = state.find(message.ref) or state.current
    commitment = None
    if version is not None and version.terms_json is not None:
        commitment = payload_commitment(version.salt, version.terms_json)
    change.record = AuditRecord(
        f"{state.event_id}:{state.revision}",
        happened_at,
        message.actor,
        action,
        f"event:{state.event_id}",
        state.event_type,
        state.symbol,
        message.function,
        None if version is None else version.ref.origin,
        None if version is None else version.ref.version,
        state.revision,
        None if change.previous is None else change.previous.status,
        state.status,
        tuple(change.transitions),
        change.position,
        message.correlation_id,
        commitment,
        state.flags,
        change.code,
        change.reason or message.reason,
    )
    return change
