"""Start position and fence: each rule's interleaving, with the rule and without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from corpactions.domain.errors import Fatal, Unavailable
from tests.simulation.rules.showing import shows
from tests.simulation.rules.stage import HOME, Stage
from tests.support.announcing import TOPIC, newm, repl
from tests.support.lifecycle import audits
from tests.support.memory_store import MemoryLifecycleStore


@pytest.fixture
def stage() -> Stage:
    return Stage()


@shows("start-at-acked")
def test_what_was_committed_and_not_told_is_told_by_the_heir(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("start-from-mysql")
def test_offsets_that_somebody_reset_in_kafka_change_nothing(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    heir = stage.kill(stage.one)
    heir.source.committed[HOME] = 2
    stage.rest(heir)
    stage.check()


@shows("start-at-the-earliest")
def test_records_older_than_the_first_worker_are_applied() -> None:
    stage = Stage(claimed=False)
    stage.write(newm(), repl(2))
    stage.rest(stage.one)
    stage.check()


@shows("a-lost-position-is-fatal")
def test_a_topic_cut_behind_the_start_position_stops_the_worker(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    heir = stage.kill(stage.one)
    stage.topic.low[HOME] = 1
    try:
        heir.turns(2)
    except Fatal:
        return
    raise AssertionError("it went on behind the hole")


@shows("fetched-is-filtered")
def test_a_record_that_comes_out_twice_is_decided_once(stage: Stage) -> None:
    stage.one.source.strays = stage.write(b"poison")
    stage.rest(stage.one)
    stage.check()


@shows("fenced")
def test_a_worker_that_was_stopped_writes_nothing_after_its_partitions_were_claimed(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(2)
    heir = stage.seize(stage.one)
    heir.turns(1)
    stage.write(repl(2))
    heir.turns(1)
    stage.one.turns(2)
    stage.rest(heir)
    stage.check()


@shows("fenced-by-epoch")
def test_a_name_given_to_two_processes_does_not_unlock_the_fence() -> None:
    stage = Stage(owner="worker-0")
    stage.write(newm())
    stage.one.turns(2)
    heir = stage.seize(stage.one)
    heir.turns(1)
    stage.write(repl(2))
    heir.turns(1)
    stage.one.turns(2)
    stage.rest(heir)
    stage.check()


@shows("a-stranger-lets-go")
def test_a_worker_that_comes_back_after_its_session_leaves_the_partitions_to_their_owner(stage: Stage) -> None:
    heir = stage.seize(stage.one)
    heir.turns(1)
    for number in range(1, 11):
        stage.write(newm(event=number))
        stage.one.turns(2, seconds=5)
        heir.turns(2, seconds=5)
    epoch = stage.tables.progress[HOME].epoch
    assert epoch == 2, f"claimed over and over: epoch {epoch}"
    stage.rest(heir)
    stage.check()


@shows("a-member-claims-again")
def test_a_claim_by_a_ghost_does_not_stop_the_partition(stage: Stage) -> None:
    MemoryLifecycleStore(stage.shop.database, "ghost").claim(TOPIC, {HOME: 0})
    stage.write(newm())
    stage.rest(stage.one)
    stage.check()


@shows("silence-is-no-answer")
def test_a_fenced_worker_waits_for_the_group_s_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    MemoryLifecycleStore(stage.shop.database, "ghost").claim(TOPIC, {HOME: 0})
    answer = stage.one.source.is_member

    def silent(_offsets: Mapping[int, int]) -> bool:
        raise Unavailable("kafka", "no coordinator")

    monkeypatch.setattr(stage.one.source, "is_member", silent)
    stage.write(newm())
    stage.one.turns(3, seconds=5)
    monkeypatch.setattr(stage.one.source, "is_member", answer)
    stage.rest(stage.one)
    stage.check()


@shows("an-unanswered-commit-is-not-undone")
def test_a_commit_that_happened_without_an_answer_is_found_done(stage: Stage) -> None:
    stage.shop.database.lose_commit = True
    stage.write(newm(), b"poison", repl(2))
    stage.one.turns(1)
    stage.rest(stage.one)
    stage.check()


@shows("an-unanswered-commit-is-not-done")
def test_a_commit_that_did_not_happen_is_found_undone(stage: Stage) -> None:
    stage.shop.database.lose_commit = False
    stage.write(newm(), b"poison", repl(2))
    stage.one.turns(1)
    stage.rest(stage.one)
    stage.check()


@shows("a-claim-publishes-what-was-pending")
def test_a_letter_that_had_not_left_is_sent_by_the_heir(stage: Stage) -> None:
    stage.write(b"poison")
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("a-claim-publishes-the-summary")
def test_a_summary_that_had_not_left_is_sent_by_the_heir(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("a-claim-s-own-progress")
def test_a_second_death_while_the_first_is_made_good_leaves_no_gap(stage: Stage) -> None:
    stage.write(*(newm(event=number) for number in range(1, 5)))
    stage.one.turns(1)
    heir = stage.kill(stage.one)
    heir.source.largest_batch = 1
    heir.turns(4)
    stage.rest(stage.kill(heir))
    stage.check()


@shows("a-position-is-proved")
def test_death_between_commit_and_ack_leaves_the_position_where_acks_have_proved_it(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("commit-waits-for-acks")
def test_no_summary_is_overwritten_before_it_is_acknowledged(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(1)
    stage.write(repl(2))
    stage.one.sender.failures = 1
    stage.one.turns(1)
    stage.rest(stage.kill(stage.one))
    stage.check()


@shows("unacked-is-sent-again")
def test_what_the_broker_did_not_confirm_is_sent_again(stage: Stage) -> None:
    stage.write(newm(), newm(event=2), newm(event=3))
    stage.one.turns(1)
    stage.one.sender.failures = 1
    stage.rest(stage.one)
    stage.check()


@shows("a-drain-writes-the-last-position")
def test_partitions_handed_over_in_good_order_are_told_of_once(stage: Stage) -> None:
    stage.write(newm(), newm(event=2))
    stage.one.turns(1)
    stage.one.source.rebalance("revoked", set(stage.one.source.owned))
    stage.one.turns(1)
    stage.rest()
    for record_id, times in Counter(told.record_id for told in audits(stage.log)).items():
        assert times == 1, f"{record_id} was told {times} times"
    stage.check()


@shows("callbacks-never-raise")
def test_a_database_away_while_partitions_are_revoked_only_costs_a_repetition(stage: Stage) -> None:
    stage.write(newm())
    stage.one.turns(1)
    stage.one.handler.faults["settle"].append(Unavailable("mysql", "gone"))
    stage.one.source.rebalance("revoked", {HOME})
    stage.one.turns(1)
    stage.rest()
    stage.check()


@shows("records-go-with-their-partition")
def test_a_batch_in_hand_is_left_to_the_next_owner_of_its_partition(stage: Stage) -> None:
    stage.shop.securities.away = True
    stage.write(newm())
    stage.one.turns(1)
    stage.one.source.rebalance("lost", {HOME})
    stage.one.turns(1)
    held = [str(record.position) for record in stage.one.worker._held if record.partition not in stage.one.worker._claims]
    assert not held, f"{held} are in hand of partitions that are not its own"
    stage.rest()
    stage.check()
