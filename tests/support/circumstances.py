"""Folding messages with the state machine alone, as the worker would, and keeping everything that it hands over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corpactions.domain.change import Change, Circumstances, Outcome, Policy
from corpactions.domain.errors import Rejected
from corpactions.domain.lifecycle import apply, reject_announcement
from corpactions.domain.messages import Function, Message, Position
from corpactions.domain.securities import Lookup
from corpactions.domain.state import EffectRow, EventState, FiledVersion
from tests.support import model
from tests.support.announcing import AAPL, TOPIC
from tests.support.fakes import FakeClock, FakeIds


class Bench:
    """One event and its state machine. ``changes`` are all accepted changes, ``rejections`` the codes of what was refused, in order."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock, self.ids, self.policy = FakeClock(), FakeIds(), policy or Policy()
        self.state: EventState | None = None
        self.changes: list[Change] = []
        self.rejections: list[str] = []
        self.offset = 0

    def around(self, lookup: Lookup = AAPL, **changes: Any) -> Circumstances:
        """The circumstances of the next message."""
        self.offset += 1
        made = Circumstances(
            Position(TOPIC, 3, self.offset), self.clock.now(), self.clock.now, self.ids.salt, self.policy, changes.pop("lookup", lookup)
        )
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def say(self, message: Message, lookup: Lookup = AAPL, **changes: Any) -> Outcome:
        """Apply one message and keep its change. Raises Rejected."""
        outcome = apply(self.state, message, self.around(lookup, **changes))
        if isinstance(outcome, Change):
            self.keep(outcome)
        return outcome

    def change(self, message: Message, lookup: Lookup = AAPL, **changes: Any) -> Change:
        """Apply a message that must make a change."""
        outcome = self.say(message, lookup, **changes)
        assert isinstance(outcome, Change), f"{outcome} is no change"
        return outcome

    def keep(self, change: Change) -> Change:
        """Take a change as committed."""
        self.changes.append(change)
        self.state = change.state
        return change

    def refuse(self, message: Message, lookup: Lookup = AAPL, **changes: Any) -> Rejected:
        """Apply a message that must be refused."""
        try:
            outcome = self.say(message, lookup, **changes)
        except Rejected as error:
            return error
        raise AssertionError(f"taken: {outcome}")

    def fold(self, messages: Iterable[Message]) -> Bench:
        """Apply messages as the worker does: a refusal leaves the event alone, but for an announcement without a row."""
        for message in messages:
            try:
                self.say(message)
            except Rejected as error:
                self.rejections.append(error.code)
                if self.state is None and message.function is Function.NEWM:
                    self.keep(reject_announcement(message, error, self.around()))
        return self

    @property
    def now(self) -> EventState:
        """The event, which must be there."""
        assert self.state is not None, "there is no event"
        return self.state

    def effects(self) -> list[EffectRow]:
        """Every effect row ever handed over, then the effect in force."""
        rows = [row for change in self.changes for row in change.effects]
        effect = None if self.state is None else self.state.effect
        return rows if effect is None else [*rows, EffectRow(effect.number, "POST", None, effect, effect.posted_at)]

    def versions(self) -> list[FiledVersion]:
        """Every version that was handed over to be kept beside the event."""
        return [version for change in self.changes for version in change.versions]

    def outcome(self) -> model.Outcome | None:
        """The outcome in the words of the reference model; what is in force is what was posted and never reversed."""
        if self.state is None:
            return None
        rows = self.effects()
        reversed_numbers = {row.reverses for row in rows if row.kind == "REVERSAL"}
        standing = [row for row in rows if row.kind == "POST" and row.number not in reversed_numbers]
        assert len(standing) <= 1, f"more than one effect stands: {standing}"
        net = model.net_of_fields(standing[0].effect.fields) if standing else ()
        version = None if self.state.ref is None else self.state.ref.version
        return model.Outcome(self.state.status, self.state.cancel_function, version, self.state.terms_json, net)
