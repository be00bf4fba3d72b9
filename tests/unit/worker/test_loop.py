"""The worker loop: what it does in which order, and what it does about each kind of trouble."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from corpactions.domain.errors import Fatal, Unavailable
from corpactions.ports.lifecycle import CommitUnknown, DataRefused, Fenced, RunAgain
from corpactions.ports.records import Publication
from tests.support.announcing import newm, record, repl
from tests.support.lifecycle import Shop, audit_ids, header, letters, summaries
from tests.support.memory_store import MemoryLifecycleStore, Progress
from tests.support.worker import Process, Topic

HOME = record(0, newm()).partition


class Place:
    """One process on an empty topic, with AAPL's and MSFT's partitions in it."""

    def __init__(self) -> None:
        self.shop, self.topic = Shop(), Topic()
        self.log: list[Publication] = []
        self.process = Process(self.shop, self.topic, self.log).join()

    def write(self, *said: object) -> None:
        self.topic.write(*(record(0, one) for one in said))  # type: ignore[arg-type] # messages, or bytes for poison

    def turns(self, count: int, seconds: float = 0.0) -> None:
        self.process.turns(count, seconds)

    @property
    def progress(self) -> Progress:
        return self.shop.database.tables.progress[HOME]

    def statuses(self) -> list[str]:
        return [state.status for _, state in sorted(self.shop.database.tables.events.items())]


@pytest.fixture
def place() -> Place:
    place = Place()
    place.turns(1)
    return place


def unique(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def test_records_are_decided_published_and_then_passed(place: Place) -> None:
    place.write(newm(), repl(2))
    place.turns(1)
    assert place.statuses() == ["COMPLETED"]
    assert place.log == [], "acks are taken in with the next turn"
    place.turns(2)
    assert audit_ids(place.log) == ["1:1", "1:2"]
    assert place.progress.acked_offset == 2, "an idle worker writes the last position down"
    assert place.process.source.committed[HOME] == 2


def test_a_transaction_commits_only_after_all_before_it_was_acked(place: Place) -> None:
    place.write(newm())
    place.turns(1)
    place.process.sender.failures = 1
    place.write(repl(2))
    place.turns(1)
    assert place.progress.committed_offset == 1, "the batch waits"
    assert not place.process.worker.health()["ready"]
    place.turns(3, seconds=5)
    assert place.progress.committed_offset == 2
    assert unique(audit_ids(place.log)) == ["1:1", "1:2"]
    assert place.process.worker.health()["ready"]


def test_undelivered_publications_are_all_sent_again(place: Place) -> None:
    place.write(newm(), newm(event=2), newm(event=3))
    place.process.sender.failures = 2
    place.turns(8, seconds=5)
    assert set(audit_ids(place.log)) == {"1:1", "2:1", "3:1"}
    assert {item.summary_seq for item in summaries(place.log)} == {1}


def test_a_full_send_queue_waits_for_the_next_barrier(place: Place) -> None:
    place.process.sender.full = True
    place.write(newm())
    place.turns(2)
    assert place.statuses() == ["COMPLETED"]
    place.process.sender.full = False
    place.turns(2, seconds=5)
    assert audit_ids(place.log) == ["1:1"]


@pytest.mark.parametrize("done", [True, False])
def test_a_commit_without_an_answer_is_a_takeover(place: Place, done: bool) -> None:
    place.shop.database.lose_commit = done
    place.write(newm(), b"poison", repl(2))
    place.turns(6)
    assert place.progress.epoch == 2
    assert place.progress.acked_offset == 3
    assert place.shop.database.tables.events[newm().event_id].revision == 2, "each record was applied once"
    assert set(audit_ids(place.log)) == {"1:1", "1:2", f"corporate-actions-events:{HOME}:1"}
    assert {letter.value for letter in letters(place.log)} == {b"poison"}
    assert place.shop.database.tables.pending == {}
    assert summaries(place.log)[0].summary_seq == 1


def test_a_fenced_member_claims_again_and_reads_from_the_start_position(place: Place) -> None:
    MemoryLifecycleStore(place.shop.database, "another").claim("corporate-actions-events", {HOME: 0})
    place.write(newm())
    place.turns(3)
    assert (place.progress.owner, place.progress.epoch) == ("one", 3)
    assert place.statuses() == ["COMPLETED"]


def test_a_fenced_worker_that_is_no_member_lets_go(place: Place) -> None:
    MemoryLifecycleStore(place.shop.database, "another").claim("corporate-actions-events", {HOME: 0})
    place.process.source.member = False
    place.write(newm())
    place.turns(5, seconds=5)
    assert place.progress.owner == "another"
    assert place.statuses() == []
    assert place.process.source.positions == {}
    assert place.process.worker.health()["partitions"] == []


def test_a_dependency_that_is_away_holds_everything_polls_on_and_spends_nothing(place: Place) -> None:
    place.shop.securities.away = True
    place.write(newm(), repl(2), newm(event=2, symbol="MSFT"))
    place.turns(1)
    polls = place.process.source.polls
    place.turns(10, seconds=0.01)
    assert place.process.source.polls == polls + 10
    assert place.process.source.paused >= {HOME}
    assert place.process.worker.health()["circuits"] == {"security-master": "CLOSED"}
    place.turns(50, seconds=0.1)
    assert place.process.worker.health()["circuits"] == {"security-master": "OPEN"}
    attempts = len(place.process.handler.batches)
    place.turns(9, seconds=0.1)
    assert len(place.process.handler.batches) <= attempts + 1, "an open circuit is not knocked at with every turn"
    place.shop.securities.away = False
    place.turns(3, seconds=40)
    assert place.statuses() == ["COMPLETED", "COMPLETED"]
    assert all(state.attempts == 0 for state in place.shop.database.tables.events.values())
    assert place.process.source.paused == set()
    assert place.process.handler.batches[-1] == place.process.handler.batches[0], "it went on where it was"


def test_partitions_given_while_holding_are_claimed_and_paused_too() -> None:
    place = Place()
    place.process = Process(place.shop, place.topic, place.log).join(HOME)
    place.turns(1)
    place.shop.securities.away = True
    place.write(newm())
    place.turns(1)
    place.process.join(0)
    place.turns(1)
    place.turns(2, seconds=5)
    assert place.process.worker.health()["partitions"] == sorted({0, HOME})
    assert place.process.source.paused == {0, HOME}


def test_deadlocks_run_again_at_once(place: Place) -> None:
    place.process.handler.faults["handle"].extend([RunAgain("1213")] * 9)
    place.write(newm())
    place.turns(1)
    assert place.statuses() == ["COMPLETED"]


def test_too_many_deadlocks_in_a_row_are_the_database_s_trouble(place: Place) -> None:
    place.process.handler.faults["handle"].extend([RunAgain("1205")] * 10)
    place.write(newm())
    place.turns(1)
    assert place.process.worker.health()["circuits"] == {"mysql": "CLOSED"}
    place.turns(1, seconds=5)
    assert place.statuses() == ["COMPLETED"]


def test_data_that_the_database_refuses_is_bisected_down_to_the_single_record(place: Place) -> None:
    place.shop.database.refuse_events.add(newm(event=5).event_id)
    place.write(*(newm(event=number) for number in range(1, 10)))
    place.turns(3)
    assert place.statuses() == ["COMPLETED"] * 8
    (letter,) = letters(place.log)
    assert header(letter, "ca-code") == b"refused_by_database"
    assert place.progress.committed_offset == 9
    assert sum(item.records for item in summaries(place.log)) == 9


def test_a_dependency_lost_in_the_middle_of_a_bisection_goes_on_behind_what_was_done(place: Place) -> None:
    place.write(*(newm(event=number) for number in range(1, 5)))
    faults = place.process.handler.faults["handle"]
    faults.append(DataRefused("1406"))
    place.turns(1)
    assert place.process.handler.batches == [[0, 1, 2, 3], [0, 1], [2, 3]]
    place.write(*(newm(event=number) for number in range(5, 9)))
    faults.extend([DataRefused("1406"), DataRefused("1406"), Unavailable("mysql", "gone")])
    place.turns(2, seconds=5)
    assert place.statuses() == ["COMPLETED"] * 8


def test_a_half_rejected_partition_pauses_and_goes_on_when_resumed(place: Place) -> None:
    place.write(*[b"poison"] * 500)
    place.turns(1)
    assert place.process.source.paused == {HOME}
    assert place.process.worker.health()["paused"] == [HOME]
    place.write(newm())
    place.turns(3)
    assert place.statuses() == []
    place.progress.paused = False
    place.turns(3)
    assert place.statuses() == ["COMPLETED"]
    assert place.process.worker.health()["paused"] == []


def test_a_paused_partition_stays_paused_after_a_hold_and_for_the_next_owner(place: Place) -> None:
    place.write(*[b"poison"] * 500)
    place.turns(1)
    place.process.handler.faults["due"].append(Unavailable("mysql", "gone"))
    place.turns(3, seconds=5)
    assert place.process.source.paused == {HOME}
    heir = Process(place.shop, place.topic, place.log, "two").join(HOME)
    heir.turns(1)
    assert heir.source.paused == {HOME}


def test_a_revoked_partition_is_drained_and_its_start_position_written(place: Place) -> None:
    place.write(newm(), b"poison")
    place.turns(1)
    place.process.source.rebalance("revoked", {HOME})
    place.turns(1)
    assert len(letters(place.log)) == 1
    assert set(audit_ids(place.log)) >= {"1:1"}
    assert place.progress.acked_offset == 2
    assert place.shop.database.tables.pending == {}
    assert HOME not in place.process.worker.health()["partitions"]  # type: ignore[operator] # a list of numbers


def test_records_in_hand_of_a_revoked_partition_are_left_to_the_next_owner(place: Place) -> None:
    place.process.handler.faults["handle"].append(Unavailable("mysql", "gone"))
    place.write(newm())
    place.turns(1)
    place.process.source.rebalance("revoked", {HOME})
    place.turns(1)
    place.turns(3, seconds=5)
    assert place.statuses() == []
    assert (place.progress.acked_offset, place.progress.committed_offset) == (0, 0)


@pytest.mark.parametrize("trouble", [Unavailable("mysql", "gone"), RunAgain("1213"), Fenced("lost"), CommitUnknown("lost")])
def test_trouble_while_draining_never_leaves_the_callback(place: Place, trouble: Exception) -> None:
    place.write(newm())
    place.turns(1)
    place.process.handler.faults["settle"].append(trouble)
    place.process.source.rebalance("revoked", {HOME})
    place.turns(1)
    assert HOME not in place.process.source.positions
    assert place.progress.acked_offset == 0, "the next owner starts a little earlier"


def test_a_fatal_error_while_draining_ends_the_loop_after_the_callback(place: Place) -> None:
    place.write(newm())
    place.turns(1)
    place.process.handler.faults["settle"].append(Fatal("broken"))
    place.process.source.rebalance("revoked", {HOME})
    place.turns(1)
    with pytest.raises(Fatal, match="broken"):
        place.turns(1)


def test_nothing_is_written_for_a_lost_partition(place: Place) -> None:
    place.write(newm())
    place.turns(1)
    place.process.source.rebalance("lost", {HOME})
    place.turns(2)
    assert place.progress.acked_offset == 0


def test_records_of_unclaimed_partitions_and_of_older_positions_are_dropped(place: Place) -> None:
    place.write(newm())
    place.turns(3)
    strays = [place.topic.partitions[HOME][0], record(7, newm(event=9, symbol="MSFT"))._replace(partition=99)]
    place.process.source.strays = strays
    place.turns(1)
    assert place.process.handler.batches == [[0]]


def test_a_start_position_that_the_topic_no_longer_holds_is_fatal() -> None:
    place = Place()
    place.topic.low[HOME] = 5
    place.shop.database.tables.progress[HOME] = Progress(1, "before", 3, 3)
    with pytest.raises(Fatal, match="3 is next to be read"):
        place.turns(2)


def test_a_topic_shorter_than_the_start_position_is_fatal() -> None:
    place = Place()
    place.shop.database.tables.progress[HOME] = Progress(1, "before", 3, 3)
    with pytest.raises(Fatal, match="0 to 0"):
        place.turns(2)


def test_a_record_of_ours_that_no_topic_takes_is_fatal(place: Place) -> None:
    place.process.sender.largest = 10
    place.write(newm())
    with pytest.raises(Fatal, match="larger than its topic takes"):
        place.turns(2)


def test_run_drains_at_the_end_and_leaves_the_group(place: Place) -> None:
    place.write(newm(), b"poison")
    turns = iter([False, True])
    place.process.worker.run(lambda: next(turns))
    assert place.progress.acked_offset == 2
    assert set(audit_ids(place.log)) >= {"1:1"}
    assert place.process.source.owned == set()


def test_run_tells_of_a_fatal_error_in_its_last_drain(place: Place) -> None:
    place.write(newm())
    place.process.handler.faults["settle"].append(Fatal("broken"))
    turns = iter([False, True])
    with pytest.raises(Fatal, match="broken"):
        place.process.worker.run(lambda: next(turns))


def test_a_takeover_publishes_the_stored_summary_and_what_was_pending_first(place: Place) -> None:
    place.write(newm(), b"poison")
    place.turns(1)
    place.process.sender.waiting.clear()
    heir = Process(place.shop, place.topic, place.log, "two").join(HOME)
    heir.turns(1)
    heir.turns(1)
    assert len(letters(place.log)) == 1
    assert [item.summary_seq for item in summaries(place.log)] == [1]
    heir.turns(3)
    assert set(audit_ids(place.log)) >= {"1:1"}


def test_liveness_counts_the_seconds_of_a_turn(place: Place) -> None:
    place.turns(1)
    place.shop.clock.advance(42)
    assert place.process.worker.idle_seconds() == pytest.approx(42, abs=0.1)
