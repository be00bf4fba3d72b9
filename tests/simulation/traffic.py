"""What senders and operators do: upstream systems that write to the topic, good and hostile ones, clients of the gateway, people at the desk."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from corpactions.domain.messages import Decision, Function, Message, VersionRef
from corpactions.domain.state import Status
from corpactions.domain.terms import Dividend, EventType, Terms, to_json
from corpactions.ports.reservations import Subject
from gateway.handler import Caller, Change, Handler, Precondition
from gateway.validation import Announcement
from tests.simulation.dice import Dice
from tests.simulation.reservations import find
from tests.support.announcing import EVENTS, EX_DATE, START, decision_id, dividend, event_id, split

if TYPE_CHECKING:
    from tests.simulation.clients import Clients
    from tests.simulation.world import World

SYMBOLS: Final = ("AAPL", "MSFT", "NVDA", "IBM", "TWTR", "BRK.B")
ORIGINS: Final = ("vendor", "bank")
FOREIGN_SCHEMA: Final = 99
_FUNCTIONS: Final = (Function.CANC, Function.WITH)


class Traffic:
    """Makes up what is said, each operation from its own dice; remembers what was said, so that later operations can refer to it."""

    def __init__(self, world: World, clients: Clients) -> None:
        self._world = world
        self._clients = clients
        self._events: list[Message] = []
        self._said: list[Message] = []
        self._late: list[Message] = []
        self._versions: dict[tuple[str, str], int] = {}
        self.in_bursts = 0
        """Records written by bursts: each is an operation of its own."""
        self.contested: set[str] = set()
        """Events that several symbols claim: the topic does not say whose they are."""

    # Upstream systems.

    def announce(self, number: int, dice: Dice) -> None:
        self._say(self._announcement(number, dice))

    def keep_back(self, number: int, dice: Dice) -> None:
        """An announcement that comes after what is said about it."""
        message = self._announcement(number, dice)
        self._late.append(message)
        self._amend(message, dice)

    def say_late(self, number: int, dice: Dice) -> None:
        if self._late:
            self._say(self._late.pop(0))
        else:
            self.announce(number, dice)

    def amend(self, number: int, dice: Dice) -> None:
        if self._events:
            self._amend(self._recent(dice), dice)
        else:
            self.announce(number, dice)

    def cancel(self, number: int, dice: Dice) -> None:
        if not self._events:
            return self.announce(number, dice)
        of = self._recent(dice)
        return self._say(self._about(of, dice.pick(_FUNCTIONS), self._next_version(of.event_id, of.origin, dice), None))

    def repeat(self, number: int, dice: Dice) -> None:
        """The same again, as a producer without idempotence or a careful operator would send it."""
        if not self._said:
            return self.announce(number, dice)
        message = dice.pick(self._said[-60:])
        if dice.chance(50):
            message = message._replace(accepted_at=self._now(), correlation_id=event_id(5_000_000 + number))
        return self._say(message)

    def conflict(self, number: int, dice: Dice) -> None:
        """The same version, saying something else."""
        if not self._said:
            return self.announce(number, dice)
        message = dice.pick(self._said[-60:])
        if message.terms is None or message.decision is not None:
            return self._say(message._replace(isin="US0378331005"))
        return self._say(_with_terms(message, self._terms(dice)))

    def move(self, number: int, dice: Dice) -> None:
        """An event with another identity, or under another symbol, whose records nothing orders against those of its own."""
        if not self._said:
            return self.announce(number, dice)
        message = dice.pick(self._said[-60:])
        if message.source_reference is not None or dice.chance(40):
            return self._say(message._replace(source_reference=f"M{number}"))
        self.contested.add(message.event_id)
        return self._say(message._replace(symbol=dice.pick(SYMBOLS)))

    def contest(self, number: int, dice: Dice) -> None:
        """One event's id on two symbols, in different partitions: whoever decides first has it."""
        message = self._announcement(number, dice)._replace(source_reference=None)
        self._events.pop()
        self.contested.add(message.event_id)
        for symbol in (message.symbol, dice.pick(SYMBOLS), dice.pick(SYMBOLS)):
            self._world.write(message._replace(symbol=symbol))

    def poison(self, number: int, dice: Dice) -> None:
        """What no decoder, no rule or no partition takes."""
        message = self._announcement(number, dice)
        value, key = EVENTS.encode(message), message.symbol.encode()
        write, broken = self._world.write, dice.below(9)
        if broken == 0:
            write(b"not Avro", key=key)
        elif broken == 1:
            write(value[:-3], key=key)
        elif broken == 2:
            write(None, key=key)
        elif broken == 3:
            write(value, key=None, partition=dice.below(self._world.setting.partitions))
        elif broken == 4:
            write(value, key=b"OTHER")
        elif broken == 5:
            right = self._world.write(b"\0", key=key)[0].partition
            write(value, key=key, partition=(right + 1) % self._world.setting.partitions)
        elif broken == 6:
            write(b"\0" + FOREIGN_SCHEMA.to_bytes(4, "big") + value[5:], key=key)
        elif broken == 7:
            self._say(_with_terms(message, dividend("-1")))
        else:
            write(EVENTS.encode(message._replace(event_id="not-a-uuid")), key=key)

    def burst(self, number: int, dice: Dice) -> None:
        """Many at once: what one batch holds."""
        for index in range(dice.below(6) + 3):
            self.in_bursts += 1
            own = Dice(dice.below(1 << 62))
            dice.pick((self.announce, self.amend, self.amend, self.repeat, self.cancel, self.poison))(number * 1000 + index, own)

    def _announcement(self, number: int, dice: Dice) -> Message:
        terms, origin = self._terms(dice), dice.pick(ORIGINS)
        reference = f"R{number}" if dice.chance(50) else None
        if dice.chance(10):
            reference = f"R{dice.below(number) + 1}"
        message = Message(
            event_id(number),
            origin,
            1,
            Function.NEWM,
            terms.event_type,
            dice.pick(SYMBOLS),
            "shared" if dice.chance(30) else origin,
            self._now(),
            f"upstream:{origin}",
            event_id(1_000_000 + number),
            None,
            reference,
            terms,
            to_json(terms),
        )
        self._events.append(message)
        self._versions[message.event_id, origin] = 1
        return message

    def _amend(self, of: Message, dice: Dice) -> None:
        """An amendment; when it leaves a version out, that one comes late, if it comes."""
        origin = of.origin if dice.chance(80) else dice.pick(ORIGINS)
        before = self._versions.get((of.event_id, origin), 0)
        version = self._next_version(of.event_id, origin, dice)
        terms = self._terms(dice, of.event_type)
        message = self._about(of, Function.REPL, version, terms)._replace(origin=origin)
        if dice.chance(15):
            message = message._replace(based_on=VersionRef(origin, max(version - 1, 1)))
        self._say(message)
        if version > before + 1 > 1:
            self._late.append(self._about(of, Function.REPL, before + 1, self._terms(dice, of.event_type))._replace(origin=origin))

    def _about(self, of: Message, function: Function, version: int, terms: Terms | None) -> Message:
        made = of._replace(function=function, version=version, terms=terms, terms_json=None if terms is None else to_json(terms))
        return made._replace(accepted_at=self._now(), decision=None, based_on=None)

    def _next_version(self, of: str, origin: str, dice: Dice) -> int:
        version = self._versions.get((of, origin), 0) + dice.pick((1, 1, 1, 2))
        self._versions[of, origin] = version
        return version

    def _terms(self, dice: Dice, event_type: EventType | None = None) -> Terms:
        if event_type is EventType.STOCK_SPLIT or (event_type is None and dice.chance(20)):
            return split(dice.below(8) + 2, 1)
        day = EX_DATE + timedelta(days=dice.below(20))
        amount = "0" if dice.chance(4) else f"{dice.below(3)}.{dice.below(9_999) + 1:04}"
        return dividend(amount, ex_date=day, record_date=day)

    def _recent(self, dice: Dice) -> Message:
        return dice.pick(self._events[-40:])

    def _say(self, message: Message) -> None:
        self._said.append(message)
        self._world.write(message)

    def _now(self) -> Any:
        return START + timedelta(seconds=int(self._world.scheduler.now))

    # Clients of the gateway.

    def post(self, number: int, dice: Dice) -> None:
        item = self._item(number, dice)

        async def call(handler: Handler, caller: Caller, request: Any) -> Any:
            return await handler.announce(caller, request, item)

        self._clients.ask(event_id(2_000_000 + number), str(item), call, attempts=dice.pick((1, 3, 10)))

    def bulk(self, number: int, dice: Dice) -> None:
        items = [self._item(number * 10 + index, dice) for index in range(dice.below(4) + 2)]

        async def call(handler: Handler, caller: Caller, request: Any) -> Any:
            return await handler.announce_many(caller, request, items)

        self._clients.ask(event_id(2_000_000 + number), str(items), call, size=len(items), attempts=dice.pick((1, 3, 10)))

    def patch(self, number: int, dice: Dice) -> None:
        terms = self._terms(dice, EventType.DIVIDEND)
        self._change(number, dice, Function.REPL, terms)

    def withdraw(self, number: int, dice: Dice) -> None:
        self._change(number, dice, dice.pick(_FUNCTIONS), None)

    def reuse_key(self, number: int, dice: Dice) -> None:
        """A key that was used before, for something else."""
        if not self._clients.asks:
            return self.post(number, dice)
        item = self._item(number, dice)

        async def call(handler: Handler, caller: Caller, request: Any) -> Any:
            return await handler.announce(caller, request, item)

        self._clients.ask(dice.pick(self._clients.asks).request.key, str(item), call, attempts=2)
        return None

    def _item(self, number: int, dice: Dice) -> Announcement:
        terms = self._terms(dice)
        reference = f"G{number}" if dice.chance(50) else None
        return Announcement(Subject(dice.pick(SYMBOLS), terms.event_type, None, "desk", reference), terms)

    def _change(self, number: int, dice: Dice, function: Function, terms: Terms | None) -> None:
        known = [message.event_id for message in self._events[-20:] if isinstance(message.terms, Dividend)]
        known += [event_id for ask in self._clients.asks[-20:] for event_id, _ in ask.accepted[:1]]
        if not known:
            return
        about = dice.pick(known)
        view = find(self._world.database, about)
        seen = Precondition(None if view is None else view.ref) if dice.chance(40) else None

        def terms_as(event_type: EventType) -> Terms:
            return split(dice_splits, 1) if event_type is EventType.STOCK_SPLIT else (terms or dividend())

        dice_splits = dice.below(8) + 2
        change = Change(function, "a reason", seen, None if terms is None else terms_as)

        async def call(handler: Handler, caller: Caller, request: Any) -> Any:
            return await handler.change(caller, request, about, change)

        self._clients.ask(event_id(2_000_000 + number), f"{about} {function} {terms} {seen}", call, attempts=dice.pick((1, 3, 10)))

    # People at the desk.

    def decide(self, number: int, dice: Dice) -> None:
        self._decide(number, dice)

    def decide_twice(self, number: int, dice: Dice) -> None:
        """Clicked twice, or decided by two people who saw the same."""
        if (message := self._decide(number, dice)) is not None:
            self._say(message if dice.chance(60) else self._decision(message, message.function, number + 500_000, 0))

    def decide_stale(self, number: int, dice: Dice) -> None:
        if (message := self._decide(number, dice, behind=1)) is not None and dice.chance(30):
            self._say(message._replace(event_id=event_id(number)))

    def _decide(self, number: int, dice: Dice, behind: int = 0) -> Message | None:
        rows = self._world.database.tables["events"]
        failed = [state for state in rows.values() if state.status is Status.FAILED]
        if not failed and not (rows and dice.chance(20)):
            return None
        state = dice.pick(failed or list(rows.values()))
        function = Function.REPROCESS if dice.chance(60) else Function.DISCARD
        said = self.decision_on(state, function, number, behind)
        self._say(said)
        return said

    def decision_on(self, state: Any, function: Function, number: int, behind: int = 0) -> Message:
        """A decision on an event as somebody sees it now, or saw it ``behind`` revisions ago."""
        made = Decision(decision_id(number), state.ref, max(state.revision - behind, 0))
        return Message(
            state.event_id,
            "desk",
            1,
            function,
            state.event_type,
            state.symbol,
            state.source,
            self._now(),
            "user:ann",
            event_id(3_000_000 + number),
            None,
            state.source_reference,
            decision=made,
        )

    def _decision(self, of: Message, function: Function, number: int, behind: int) -> Message:
        assert of.decision is not None, "a decision carries what was seen"
        return of._replace(function=function, decision=of.decision._replace(decision_id=decision_id(number)))


def _with_terms(message: Message, terms: Terms) -> Message:
    return message._replace(terms=terms, terms_json=to_json(terms), event_type=terms.event_type)
