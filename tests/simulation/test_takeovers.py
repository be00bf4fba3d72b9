"""Crashes, takeovers, zombies, lost answers and lost acks in any order: the end is that of a quiet run, and everything was told.

The real loop, handler and state machine run on a topic, a broker and a store in memory. Hypothesis draws the interleaving; a failing one is shrunk to the
shortest that still fails.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpactions.domain.change import minute_of
from corpactions.domain.messages import Message
from corpactions.ports.records import Publication
from tests.support.announcing import PARTITIONS, canc, dividend, newm, record, repl
from tests.support.lifecycle import Shop, audits, letters, summaries
from tests.support.worker import Process, Topic

SAID: list[Message | bytes] = [
    newm(),
    newm(dividend("0"), event=2),
    newm(event=2),
    repl(2),
    newm(event=3, symbol="MSFT"),
    b"poison",
    newm(event=4, source_reference="REF-1"),
    repl(3),
    repl(2, event=2),
    newm(),
    canc(2, event=3, symbol="MSFT"),
    newm(dividend("9")),
    canc(4),
    newm(event=5),
]


class Step(NamedTuple):
    """One thing that happens, to one of two processes where it concerns one."""

    what: str
    who: int = 0
    number: int = 1


_WHO = st.integers(0, 1)
steps = st.lists(
    st.one_of(
        st.builds(Step, st.just("write"), _WHO, st.integers(1, 6)),
        st.builds(Step, st.just("turn"), _WHO, st.integers(1, 3)),
        st.builds(Step, st.just("batch"), _WHO, st.integers(1, 4)),
        st.builds(Step, st.sampled_from(["crash", "crash_after_send", "lose_acks", "hand_over", "seize"]), _WHO),
        st.builds(Step, st.sampled_from(["commit_lost", "commit_undone", "away", "back"]), _WHO),
    ),
    max_size=40,
)


class World:
    """Two processes that take the partitions from each other."""

    def __init__(self) -> None:
        self.shop, self.topic = Shop(), Topic()
        self.log: list[Publication] = []
        self.unsaid = list(SAID)
        self.started = 0
        self.processes = [self._start(), self._start()]
        self.processes[0].join()

    def _start(self) -> Process:
        self.started += 1
        return Process(self.shop, self.topic, self.log, f"owner-{self.started}")

    def play(self, step: Step) -> None:
        """Let one thing happen."""
        process = self.processes[step.who]
        match step.what:
            case "write":
                self.topic.write(*(record(0, said) for said in self.unsaid[: step.number]))
                del self.unsaid[: step.number]
            case "turn":
                process.turns(step.number, seconds=1)
            case "batch":
                process.source.largest_batch = step.number
            case "crash" | "crash_after_send":
                if step.what == "crash_after_send":
                    self.log.extend(process.sender.waiting)
                self.processes[step.who] = self._start()
                if process.source.owned:
                    self.processes[1 - step.who].join(*process.source.owned)
            case "lose_acks":
                process.sender.failures += 1
            case "hand_over" | "seize":
                self._move(process, self.processes[1 - step.who], knowing=step.what == "hand_over")
            case "commit_lost" | "commit_undone":
                self.shop.database.lose_commit = step.what == "commit_lost"
            case _:
                self.shop.securities.away = step.what == "away"

    def _move(self, giver: Process, taker: Process, *, knowing: bool) -> None:
        """All partitions go over; the giver drains first, or does not know and goes on until the fence stops it."""
        if not (owned := set(giver.source.owned)):
            return
        if knowing:
            giver.source.rebalance("revoked", owned)
            giver.turns(1)
        else:
            giver.source.owned.clear()
            giver.source.member = False
        taker.source.member = True
        taker.join(*owned)

    def finish(self) -> None:
        """No more faults: everything is written, and one process comes to rest."""
        self.shop.database.lose_commit = None
        self.shop.securities.away = False
        self.play(Step("write", number=len(self.unsaid)))
        heir = self._start().join()
        heir.turns(30, seconds=40)


@given(steps)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_interleaving_of_faults_ends_like_a_quiet_run_and_loses_no_word(played: list[Step]) -> None:
    world, quiet = World(), World()
    for step in played:
        world.play(step)
    world.finish()
    quiet.finish()
    assert _events(world) == _events(quiet)
    assert _spoken(world) == _spoken(quiet)
    _check_told(world)


def test_a_second_crash_while_the_first_is_made_good_loses_no_record() -> None:
    """The heir publishes part of what the first process decided and dies as well; its own transactions must not have moved the start position past the rest."""
    world = World()
    for step in [Step("turn", 0), Step("write", number=14), Step("turn", 0), Step("crash", 0), Step("batch", 1, 1)]:
        world.play(step)
    for step in [Step("turn", 1, 2), Step("crash", 1), Step("turn", 0, 2), Step("crash", 0)]:
        world.play(step)
    world.finish()
    _check_told(world)


def _events(world: World) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for number, state in world.shop.database.tables.events.items():
        fields = None if state.effect is None else state.effect.fields
        found[number] = (state.status, state.ref, state.revision, state.terms_json, state.cancel_function, state.flags, fields)
    return found


def _spoken(world: World) -> tuple[set[str], set[tuple[int, bytes | None]]]:
    """The ids of all audit records, and every letter by its original's place."""
    return {told.record_id for told in audits(world.log)}, {(item.partition or 0, item.value) for item in letters(world.log)}


def _check_told(world: World) -> None:
    tables = world.shop.database.tables
    by_id: dict[str, set[bytes | None]] = defaultdict(set)
    for item in world.log:
        if item.topic == "audit":
            (told,) = audits([item])
            by_id[told.record_id].add(item.value)
    assert all(len(values) == 1 for values in by_id.values()), "an id always stands for the same content"
    revisions = {f"{state.event_id}:{number}" for state in tables.events.values() for number in range(1, state.revision + 1)}
    assert revisions <= set(by_id), f"never told: {sorted(revisions - set(by_id))}"
    assert tables.pending == {}
    numbered = {(item.partition, item.summary_seq): item for item in summaries(world.log)}
    totals: Counter[tuple[object, str, str]] = Counter()
    for partition in range(PARTITIONS):
        last = tables.progress[partition].summary_seq
        assert {seq for number, seq in numbered if number == partition} == set(range(1, last + 1))
    for summary in numbered.values():
        for delta in summary.deltas:
            totals[delta.minute, delta.event_type, delta.status] += delta.count
    assert +totals == Counter((minute_of(state.created_at), state.event_type, state.status) for state in tables.events.values())
    ends = {partition: len(log) for partition, log in world.topic.partitions.items()}
    assert {partition: row.acked_offset for partition, row in tables.progress.items()} == ends
