"""The simulated world keeps the rules of the real one: locks, sessions, lost answers, memberships, and death."""

from __future__ import annotations

import pytest

from corpactions.ports.reservations import KeyedRequest, Reservation, Subject
from gateway.handler import Caller
from gateway.problems import Code, Refused
from gateway.validation import Announcement
from tests.simulation.scheduler import Killed, Task
from tests.simulation.world import Setting, SimGateway, SimWorker, Violation, World
from tests.support.announcing import dividend, event_id, newm, record, repl

HOME = record(0, newm()).partition
REQUEST = KeyedRequest("client", event_id(77), b"\1" * 32)
ITEM = Announcement(Subject("AAPL", dividend().event_type, None, "desk", None), dividend())


@pytest.fixture
def world() -> World:
    """One partition, so that every record is everybody's business."""
    return World(setting=Setting(partitions=1))


def held_at(world: World, point: str) -> SimWorker:
    """A worker that stands at a point of its first transaction on a record."""
    worker = world.worker("one")
    world.run(2)
    world.hold(worker.process, point)
    world.write(newm())
    world.run_until_held(worker.process)
    return worker


def forgotten(world: World) -> SimWorker:
    """Its heir, since the group has forgotten the first worker."""
    heir = world.worker("two")
    world.coordinator.expire(world.coordinator.members[0])
    return heir


def test_a_killed_process_does_nothing_more_whatever_its_last_blocks_try(world: World) -> None:
    worker = world.worker()
    world.run(2)
    done = []

    def main() -> None:
        try:
            worker.process.sleep(100)
        finally:
            done.append("unwound")
            with pytest.raises(Killed):
                worker.source.commit({})

    worker.process.start(main)
    world.run(1)
    worker.process.kill()
    assert done == ["unwound"]
    assert worker.process.ended


def test_a_claim_waits_for_a_stopped_owner_until_the_database_ends_its_session(world: World) -> None:
    worker = held_at(world, "db.commit")
    forgotten(world)
    world.run(9)
    assert world.scheduler.met["lock-wait"] > 0
    assert world.status(newm().event_id) is None
    world.run_until(lambda: world.status(newm().event_id) == "COMPLETED", 15)
    assert world.scheduler.met["session-timed-out"] == 1
    worker.process.release()
    world.quiesce()
    world.check()


def test_a_transaction_that_was_stopped_before_its_fence_is_fenced(world: World) -> None:
    worker = held_at(world, "db.fence")
    forgotten(world)
    world.run_until(lambda: world.status(newm().event_id) == "COMPLETED", 15)
    worker.process.release()
    world.run(5)
    assert world.scheduler.met["fenced"] == 1
    world.quiesce()
    world.check()


@pytest.mark.parametrize("done", [True, False])
def test_a_commit_that_goes_on_without_an_answer_keeps_its_locks_until_it_ends(world: World, done: bool) -> None:
    worker = world.worker()
    world.run(2)
    worker.process.arm("commit-lost-running-done" if done else "commit-lost-running-undone")
    world.write(newm(), repl(2))
    world.run_until(lambda: world.status(newm().event_id) == "COMPLETED", 30)
    assert world.scheduler.met["lock-wait"] >= 1, "the claim after it had to wait"
    world.quiesce()
    world.check()


@pytest.mark.parametrize(
    "kind", ["commit-lost-done", "commit-lost-undone", "ack-lost-landed", "ack-lost-dropped", "statement-lost", "deadlock"]
)
def test_a_fault_inside_a_call_is_made_good(world: World, kind: str) -> None:
    worker = world.worker()
    world.run(2)
    worker.process.arm(kind)
    world.write(newm(), repl(2), b"poison", newm(event=2))
    world.run(20)
    assert world.scheduler.met[kind] == 1
    world.quiesce()
    world.check()


def test_a_server_that_restarts_cuts_every_session_and_is_away_for_a_while(world: World) -> None:
    worker = held_at(world, "db.commit")
    world.database.restart(5)
    worker.process.release()
    world.run(3)
    assert world.status(newm().event_id) is None
    world.quiesce()
    world.check()


def test_what_a_killed_gateway_had_reserved_is_the_same_event_for_whoever_comes_back(world: World) -> None:
    first = world.gateway()
    world.hold(first.process, "broker.produce")
    _announce(first)
    world.run_until_held(first.process)
    first.process.kill()
    second = world.gateway()
    busy = _announce(second)
    world.run(1)
    assert isinstance(busy.error, Refused)
    assert busy.error.code is Code.REQUEST_IN_PROGRESS
    world.run(10)
    again = _announce(second)
    world.run(1)
    held: Reservation = again.result
    world.worker()
    world.quiesce()
    world.check()
    assert list(world.database.tables["events"]) == [held.event_id]


def test_a_topic_that_grows_while_a_claim_is_waited_for_was_not_cut(world: World) -> None:
    """The ends are read before the claim, which may wait for the owner before: by then that one may have got further than those ends."""
    world.worker("one")
    world.run(2)
    member = world.coordinator.members[0]
    heir = world.worker("two")
    world.hold(heir.process, "db.claim")
    world.coordinator.expire(member)
    member.news[0] = (*member.news[0][:2], world.scheduler.now + 60.0)
    world.run_until_held(heir.process)
    world.write(newm())
    world.run(5)
    assert world.database.tables["partition_progress"][0].acked_offset == 1
    heir.process.release()
    world.quiesce()
    world.check()


def test_the_judge_sees_what_is_missing(world: World) -> None:
    world.worker()
    world.write(newm(), b"poison")
    world.quiesce()
    world.broker.log("dlq")[0].clear()
    with pytest.raises(Violation, match="must be rejected and has no letter"):
        world.check()


def test_what_stays_undone_is_stuck(world: World) -> None:
    worker = world.worker()
    world.run(2)
    world.write(newm())
    world.hold(worker.process, "db.fence")
    world.run_until_held(worker.process)
    worker.process.release = lambda: None  # type: ignore[method-assign] # whatever is done, it stands still
    with pytest.raises(Violation, match="stuck"):
        world.quiesce(60)


def _announce(gateway: SimGateway) -> Task:
    caller = Caller("client", "gateway:client", event_id(5))
    return gateway.ask(lambda handler: handler.announce(caller, REQUEST, ITEM))
