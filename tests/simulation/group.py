"""The consumer group: members that come, go, fall silent and are forgotten; and the source through which one member reads.

A rebalance hands partitions over as the cooperative protocol does: what moves is revoked first, and given on when its owner has let go, or was thrown out. Under
the eager protocol everything is revoked from everybody. Members hear of it only inside ``consume``, sometime later, and go on reading until then.

Invariant: the group never gives a partition to two members of which it knows; a member that it has forgotten may go on for as long as it does not look.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.ports.records import Record
from corpactions.ports.source import Listener, Watermarks
from tests.simulation.broker import Broker
from tests.simulation.scheduler import Process
from tests.support.announcing import TOPIC

REQUEST_SECONDS: Final = 5.0


class Member:
    """One membership. ``news`` is what it has not heard yet."""

    __slots__ = ("known", "leaving", "news", "number", "owned", "process", "revoking")

    def __init__(self, number: int, process: Process) -> None:
        self.number = number
        self.process = process
        self.known = True
        self.leaving = False
        self.owned: set[int] = set()
        self.revoking: set[int] = set()
        self.news: deque[tuple[str, set[int], float]] = deque()


class Coordinator:
    """The broker's side of the group."""

    def __init__(self, broker: Broker, session_seconds: float, *, eager: bool) -> None:
        self._broker = broker
        self._scheduler = broker.scheduler
        self.session_seconds = session_seconds
        self._eager = eager
        self.members: list[Member] = []
        self._owners: dict[int, Member | None] = dict.fromkeys(range(broker.partitions))
        self._targets: dict[int, Member] = {}
        self._count = 0

    def join(self, process: Process) -> Member:
        """A new member; the group rebalances."""
        self._count += 1
        member = Member(self._count, process)
        self.members.append(member)
        process.at_kill.append(partial(self._scheduler.after, self.session_seconds, partial(self.expire, member)))
        self._rebalance()
        return member

    def leave(self, member: Member) -> None:
        """A member says good-bye."""
        self._remove(member)

    def expire(self, member: Member) -> None:
        """The session ran out, or the coordinator lost its memory of the member: others get its partitions; it hears that they are lost when it looks after its next heartbeat."""
        if member.known:
            self._scheduler.met["member-expired"] += 1
            lost = set(member.owned)
            self._remove(member)
            member.news.clear()
            heard = self._scheduler.now + self._scheduler.chance.uniform(0.0, self.session_seconds / 2)
            member.news.append(("lost", lost, heard))

    def watch(self, process: Process, seconds: float) -> None:
        """A process stops for so long: nobody sends its heartbeats."""
        if seconds > self.session_seconds:
            for member in [item for item in self.members if item.process is process]:
                self._scheduler.after(self.session_seconds, partial(self._expire_if_frozen, member))

    def _expire_if_frozen(self, member: Member) -> None:
        if member.process.frozen:
            self.expire(member)

    def _remove(self, member: Member) -> None:
        if member.known:
            member.known = False
            self.members.remove(member)
            for partition, owner in self._owners.items():
                if owner is member:
                    self._owners[partition] = None
            self._rebalance()

    def _rebalance(self) -> None:
        """Who is to own what: everybody keeps what is theirs, up to a fair share."""
        self._targets = {}
        if not self.members:
            return
        share = -(-self._broker.partitions // len(self.members))
        counts = dict.fromkeys(self.members, 0)
        homeless = []
        for partition, owner in self._owners.items():
            if owner is not None and counts[owner] < share and not self._eager:
                self._targets[partition] = owner
                counts[owner] += 1
            else:
                homeless.append(partition)
        for partition in homeless:
            taker = min(self.members, key=lambda member: (counts[member], member.number))
            self._targets[partition] = taker
            counts[taker] += 1
        self._act()

    def _act(self) -> None:
        now = self._scheduler.now
        revoked: dict[Member, set[int]] = {}
        assigned: dict[Member, set[int]] = {}
        for partition, target in self._targets.items():
            owner = self._owners[partition]
            if owner is None:
                self._owners[partition] = target
                assigned.setdefault(target, set()).add(partition)
            elif (owner is not target or self._eager) and partition not in owner.revoking:
                owner.revoking.add(partition)
                revoked.setdefault(owner, set()).add(partition)
        for member, partitions in revoked.items():
            member.news.append(("revoked", partitions, now + self._scheduler.latency()))
        for member, partitions in assigned.items():
            member.owned |= partitions
            member.news.append(("assigned", partitions, now + self._scheduler.latency()))

    def released(self, member: Member, partitions: set[int]) -> None:
        """A member has let go of partitions, as it was told."""
        member.revoking -= partitions
        member.owned -= partitions
        if member.known:
            for partition in partitions:
                if self._owners[partition] is member:
                    self._owners[partition] = None
            self._act_after_release()

    def _act_after_release(self) -> None:
        """Under the eager protocol what was let go is given out only once everybody has let go."""
        if self._eager:
            if any(member.revoking for member in self.members):
                return
            self._give_all()
        else:
            self._act()

    def _give_all(self) -> None:
        assigned: dict[Member, set[int]] = {}
        for partition, target in self._targets.items():
            if self._owners[partition] is None and target.known:
                self._owners[partition] = target
                target.owned.add(partition)
                assigned.setdefault(target, set()).add(partition)
        for member, partitions in assigned.items():
            member.news.append(("assigned", partitions, self._scheduler.now + self._scheduler.latency()))


class SimSource:
    """See ``ports.source.Source``."""

    topic = TOPIC

    def __init__(self, broker: Broker, coordinator: Coordinator, process: Process) -> None:
        self._broker = broker
        self._coordinator = coordinator
        self._process = process
        self._scheduler = broker.scheduler
        self._listener: Listener | None = None
        self._member: Member | None = None
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()
        self.largest_batch = 1_000_000
        self.full_polls = 0
        """Polls that gave records: turns of the worker that had something to do."""
        self.idle_stretch = 1.0
        """How much longer than asked an empty poll may take: a slow process saves the simulation idle turns."""

    def subscribe(self, listener: Listener) -> None:
        self._process.point("broker.subscribe")
        self._listener = listener
        self._member = self._coordinator.join(self._process)

    def consume(self, limit: int, timeout: float) -> list[Record]:
        self._process.point("broker.consume")
        found: list[Record] = []
        if self._member is not None and self._member.news and self._process.happens("callback-late"):
            found = self._fetch(limit)
        self._hear()
        found = found or self._fetch(limit)
        if not found:
            waiting = self._broker.readers if not self._broker.away else []
            self._process.wait(waiting, timeout * self.idle_stretch)
            found = self._fetch(limit)
        if found:
            self.full_polls += 1
        return found

    def _fetch(self, limit: int) -> list[Record]:
        """Up to so many records of what is started, in offset order within each partition."""
        if self._broker.away:
            return []
        found: list[Record] = []
        room = min(limit, self.largest_batch)
        for number, log in enumerate(self._broker.log(TOPIC)):
            position = self._positions.get(number)
            if position is None or number in self._paused or position >= len(log) or room <= 0:
                continue
            taken = log[position : position + room]
            self._positions[number] = position + len(taken)
            room -= len(taken)
            found += taken
        return found

    def _hear(self) -> None:
        """Tell the listener what has become of the assignment. A member that was thrown out joins anew."""
        member, listener = self._member, self._listener
        if member is None or listener is None:
            return
        while member.news and member.news[0][2] <= self._scheduler.now:
            what, partitions, _ = member.news.popleft()
            if what == "assigned":
                listener.assigned(partitions)
            elif what == "revoked":
                self._process.point("broker.revoked")
                listener.revoked(partitions)
                self._forget(partitions)
                self._coordinator.released(member, partitions)
            else:
                listener.lost(partitions)
                self._forget(partitions)
        if not member.known and not member.news and not member.leaving:
            self._member = self._coordinator.join(self._process)

    def _forget(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)
            self._paused.discard(partition)

    def start(self, positions: Mapping[int, int]) -> None:
        self._process.point("broker.start")
        for partition, position in positions.items():
            if position > len(self._broker.log(TOPIC)[partition]):
                raise Fatal(f"partition {partition} holds no offset {position}")
        self._positions.update(positions)

    def stop(self, partitions: Collection[int]) -> None:
        self._process.point("broker.stop")
        self._forget(partitions)

    def pause(self, partitions: Collection[int]) -> None:
        self._process.point("broker.pause")
        self._paused |= set(partitions) & self._positions.keys()

    def resume(self, partitions: Collection[int]) -> None:
        self._process.point("broker.resume")
        self._paused -= set(partitions)

    def watermarks(self, partition: int) -> Watermarks:
        self._process.point("broker.watermarks")
        if self._broker.away or self._process.happens("watermarks-lost"):
            self._process.sleep(REQUEST_SECONDS)
            raise Unavailable("kafka", "the ends of a partition are not to be had")
        return Watermarks(0, len(self._broker.log(TOPIC)[partition]))

    def commit(self, offsets: Mapping[int, int]) -> None:
        self._process.point("broker.commit-offsets")

    def is_member(self, offsets: Mapping[int, int]) -> bool:
        self._process.point("broker.is-member")
        if self._broker.away or self._process.happens("no-coordinator"):
            self._process.sleep(REQUEST_SECONDS)
            raise Unavailable("kafka", "the group does not say whether this worker belongs to it")
        known = self._member is not None and self._member.known
        self._scheduler.met["still-a-member" if known else "no-longer-a-member"] += 1
        return known

    def close(self) -> None:
        """Leave: everything is revoked first."""
        member = self._member
        self._process.point("broker.close")
        if member is None or self._listener is None:
            return
        if member.known:
            owned = set(member.owned)
            member.news.clear()
            self._listener.revoked(owned)
            self._forget(owned)
            self._process.point("broker.leave")
            member.leaving = True
            self._coordinator.leave(member)
        else:
            self._listener.lost(set(member.owned))
        self._member = None
