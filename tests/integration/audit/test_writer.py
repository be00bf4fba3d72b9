"""The audit consumer on real servers: one gapless chain that holds every record once, whatever happens to the processes that write it."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from corpactions.domain.audit.batch import parse_offsets
from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import ZERO_LINK, Entry
from corpactions.domain.audit.keys import key_for, walk
from corpactions.domain.audit.merkle import leaf_hash, root_of
from corpactions.domain.audit.notes import Checkpoint, Note, cosigned_at, signed_by
from corpactions.kafka.inspector import Inspector
from corpactions.security.published import read_key
from corpactions.security.signing import verify
from infra.local.services import COMMAND_LINE
from tests.support.audit_records import AuditRecords, applied
from tests.support.auditing import ORIGIN, Auditing, auditing
from tests.support.product import product

QUICK = {"CA_AUDIT_CHECKPOINT_SECONDS": "0.5", "CA_AUDIT_BATCH_RECORDS": "300"}


@pytest.fixture
def log(endpoints: dict[str, Any], tmp_path: Path) -> Iterator[Auditing]:
    """An audit log of this test's own, with small batches."""
    with ExitStack() as stack:
        yield stack.enter_context(auditing(stack.enter_context(product(endpoints, tmp_path)), **QUICK))


@pytest.fixture
def records(log: Auditing) -> AuditRecords:
    return AuditRecords(log.made)


def chain(log: Auditing) -> list[Entry]:
    """All entries, after the chain and every batch's roots and offsets were checked by the plainest means there are."""
    bodies = log.bodies()
    leaves, prev = [leaf_hash(body) for body in bodies], ZERO_LINK
    entries = [parse(body) for body in bodies]
    for seq, entry in enumerate(entries):
        assert (entry.seq, entry.prev, entry.log) == (seq, prev, ORIGIN)
        prev = leaves[seq].hex()
    end, offsets = 0, {}
    for first, size, batch_root, tree_root, text in log.rows(
        "SELECT first_seq, size, batch_root, tree_root, offsets FROM audit_batches ORDER BY first_seq"
    ):
        assert first == end
        assert (bytes(batch_root), bytes(tree_root)) == (root_of(leaves[first:size]), root_of(leaves[:size]))
        order = [(entry.source.partition, entry.source.offset) for entry in entries[first:size] if entry.source]
        assert order == sorted(order), "inside a batch the order is partition, then offset"
        end, offsets = size, parse_offsets(bytes(text).decode())
    assert end == len(bodies)
    consumed = Counter((entry.source.partition, entry.source.offset) for entry in entries if entry.source)
    assert max(consumed.values(), default=1) == 1, "no record is logged twice"
    assert all(offset < offsets[partition] for partition, offset in consumed)
    return entries


def logged(entries: list[Entry]) -> Counter[str]:
    return Counter(entry.content.record_id for entry in entries if entry.source)


def test_every_record_becomes_one_entry(log: Auditing, records: AuditRecords) -> None:
    log.send(records.messages(0, 1_000))
    writer = log.start()
    log.wait_for(1_001)
    entries = chain(log)
    assert entries[0].content.action == "LOG_OPENED"
    assert logged(entries) == Counter(applied(number).record_id for number in range(1_000))
    assert writer.stop() == 0
    topic = log.made.topic("audit")
    committed = Inspector(log.made.endpoints["kafka"]).end_offsets(topic, 5.0)
    newest = log.rows("SELECT offsets FROM audit_batches ORDER BY first_seq DESC LIMIT 1")[0][0]
    assert parse_offsets(bytes(newest).decode()) == committed


def test_repetitions_add_nothing_and_contradictions_and_garbage_are_told(log: Auditing, records: AuditRecords) -> None:
    again = records.message(applied(1))
    log.send([again, again, records.message(applied(2)), (b"k", b"no avro"), (None, None)])
    log.start()
    log.wait_for(5)
    log.send([again, records.message(applied(1, reason="something else")), records.message(applied(3))])
    log.wait_for(7)
    actions = Counter(entry.content.action for entry in chain(log))
    assert actions == {"LOG_OPENED": 1, "APPLIED": 3, "UNREADABLE": 2, "CONFLICT": 1}


def test_killed_again_and_again_it_leaves_one_chain_with_every_record_once(log: Auditing, records: AuditRecords) -> None:
    count = 0
    for round_number in range(6):
        writer = log.start()
        log.send(records.messages(count, 2_000))
        log.send(records.messages(max(0, count - 50), 50))  # redelivered, as a worker that took over would
        count += 2_000
        log.wait_for(count - 1_500 - 100 * round_number)
        writer.kill()
    log.start()
    log.wait_for(count + 1)
    assert logged(chain(log)) == Counter(applied(number).record_id for number in range(count))


def test_a_stand_by_takes_over_and_does_not_read_before(log: Auditing, records: AuditRecords) -> None:
    first = log.start(CA_INSTANCE="first")
    log.wait_for(1)
    second = log.start(CA_INSTANCE="second", CA_AUDIT_STATUS_PORT=str(log.ports.audit))
    log.send(records.messages(0, 500))
    log.wait_for(501)
    log.made.wait("the second stands by", lambda: _health(log)["role"] == "standby")
    assert log.rows("SELECT DISTINCT owner FROM audit_epochs") == [("first",)]
    first.kill()
    log.send(records.messages(500, 500))
    log.wait_for(1_001)
    assert _health(log)["role"] == "writer"
    assert logged(chain(log)) == Counter(applied(number).record_id for number in range(1_000))
    assert second.stop() == 0


def test_two_that_both_think_they_lead_cannot_fork_the_log(log: Auditing, records: AuditRecords) -> None:
    first = log.start(CA_INSTANCE="first")
    log.wait_for(1)
    log.send(records.messages(0, 3_000))
    log.wait_for(300)
    first.send(signal.SIGSTOP)
    _take_the_lock_away(log)
    log.start(CA_INSTANCE="second")
    log.made.wait("the second has begun", lambda: log.rows("SELECT COUNT(*) FROM audit_epochs WHERE owner='second'") == [(1,)])
    first.send(signal.SIGCONT)
    log.send(records.messages(3_000, 2_000))
    log.wait_for(5_001)
    log.made.wait("the first has noticed", lambda: "begins again" in first.log())
    assert logged(chain(log)) == Counter(applied(number).record_id for number in range(5_000))
    epochs = [row[0] for row in log.rows("SELECT epoch FROM audit_batches ORDER BY first_seq")]
    assert epochs == sorted(epochs), "the newer epoch writes after the older one, never before"


def test_checkpoints_are_signed_witnessed_and_kept_on_their_topic(log: Auditing, records: AuditRecords) -> None:
    log.start_witness()
    log.send(records.messages(0, 1_200))
    writer = log.start()
    log.wait_for_witness(1_201)
    assert writer.stop() == 0
    notes = {record.key: Note.parse(record.value or b"") for record in log.made.records("audit-checkpoints")}
    note = notes[f"{ORIGIN}:1201".encode()]
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, 1_201)
    assert checkpoint.root == root_of([leaf_hash(body) for body in log.bodies()])
    assert signed_by(note, log.key, verify)
    witness = read_key(str(log.witness_store / "public" / "vkey"), "vkey")
    assert witness is not None
    assert cosigned_at(note, witness, verify)
    assert log.rows("SELECT witnessed FROM audit_checkpoints WHERE size = 1201") == [(1,)]


def test_a_witness_that_is_away_delays_its_cosignature_and_nothing_else(log: Auditing, records: AuditRecords) -> None:
    log.start_witness().kill()
    log.send(records.messages(0, 400))
    log.start()
    log.wait_for(401)
    log.made.wait(
        "a checkpoint without a witness", lambda: log.rows("SELECT COUNT(*) > 0 FROM audit_checkpoints WHERE witnessed = 0") == [(1,)]
    )
    log.start_witness()
    log.wait_for_witness(401)


@pytest.mark.parametrize("cut", ["the tail", "the tail and every checkpoint"])
def test_a_log_that_is_shorter_than_what_was_witnessed_is_not_written_on(log: Auditing, records: AuditRecords, cut: str) -> None:
    log.start_witness()
    log.send(records.messages(0, 400))
    writer = log.start()
    log.wait_for_witness(401)
    assert writer.stop() == 0
    before = log.rows("SELECT MAX(first_seq) FROM audit_batches")[0][0]
    _as_if_never_written(log, before)
    if cut == "the tail and every checkpoint":
        log.made.sql("TRUNCATE TABLE audit_checkpoints")
    stopped = log.start()
    log.made.wait("it refuses", lambda: not stopped.running)
    assert "entries are gone" in stopped.log()
    assert log.size == before


def test_a_rewritten_end_is_not_written_on(log: Auditing, records: AuditRecords) -> None:
    log.send(records.messages(0, 100))
    writer = log.start()
    log.wait_for(101)
    assert writer.stop() == 0
    _without_triggers(log)
    log.made.sql("UPDATE audit_entries SET body = REPLACE(body, 'COMPLETED', 'CANCELLED') WHERE seq = 90")
    stopped = log.start()
    log.made.wait("it refuses", lambda: not stopped.running)
    assert "do not give the root" in stopped.log()


def test_a_new_key_is_taken_into_use_and_old_entries_verify_for_ever(log: Auditing, records: AuditRecords) -> None:
    log.start_witness()
    log.send(records.messages(0, 100))
    writer = log.start()
    log.wait_for_witness(101)
    assert writer.stop() == 0
    log.add_key()
    writer = log.start()
    log.send(records.messages(100, 100))
    log.wait_for_witness(202)
    assert writer.stop() == 0
    (log.keys / "0001.pem").unlink()
    log.start()
    log.send(records.messages(200, 10))
    log.wait_for_witness(212)
    entries = chain(log)
    assert [entry.seq for entry in entries if entry.content.action == "KEY_ADDED"] == [101]
    statements = [bytes(row[0]) for row in log.rows("SELECT statement FROM audit_keys ORDER BY number")]
    periods = walk(statements, log.key, verify)
    for first, key_id in log.rows("SELECT first_seq, key_id FROM audit_batches"):
        assert key_for(periods, ORIGIN, first).key_id == bytes(key_id)


def test_without_the_key_in_force_it_does_not_start(log: Auditing) -> None:
    assert log.start() is not None
    log.wait_for(1)
    log.consumers[0].stop()
    (log.keys / "0001.pem").unlink()
    log.add_key()
    stopped = log.start()
    log.made.wait("it refuses", lambda: not stopped.running)
    assert "key 1 of the log" in stopped.log()


def test_a_new_log_goes_on_behind_a_damaged_one_and_takes_up_what_was_lost(log: Auditing, records: AuditRecords) -> None:
    log.start_witness()
    log.send(records.messages(0, 400))
    writer = log.start()
    log.wait_for_witness(401)
    assert writer.stop() == 0
    cut = log.rows("SELECT MAX(first_seq) FROM audit_batches")[0][0]
    _as_if_never_written(log, cut)
    environment = log.made.environment("ca_audit") | log.settings

    def open_log(*arguments: str) -> str:
        command = [str(COMMAND_LINE), "audit", "open-log", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

    assert "nothing was changed" in open_log()
    assert log.rows("SELECT COUNT(*) FROM audit_logs") == [(1,)]
    assert f"opened {ORIGIN}/2 behind {ORIGIN}" in open_log("--yes")
    log.start()
    log.made.wait("the new log is written", lambda: log.rows("SELECT COUNT(*) FROM audit_entries WHERE log_id = 2") == [(401 - cut + 1,)])
    first = parse(bytes(log.rows("SELECT body FROM audit_entries WHERE log_id = 2 AND seq = 0")[0][0]))
    predecessor = Checkpoint.parse(Note.parse(first.content.detail["predecessor"].encode()).text)
    assert (predecessor.origin, predecessor.size) == (ORIGIN, 401)
    ids = Counter(row[0] for row in log.rows("SELECT record_id FROM audit_entries WHERE record_id NOT LIKE 'log:%'"))
    assert ids == Counter(applied(number).record_id for number in range(400)), "nothing is lost and nothing is logged twice"
    log.made.wait(
        "the witness knows the new log",
        lambda: log.rows("SELECT COUNT(*) > 0 FROM audit_checkpoints WHERE log_id = 2 AND witnessed = 1") == [(1,)],
    )


def test_a_log_in_use_is_not_replaced(log: Auditing) -> None:
    log.start()
    log.wait_for(1)
    environment = log.made.environment("ca_audit") | log.settings
    done = subprocess.run(
        [COMMAND_LINE, "audit", "open-log", "--yes"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "stop every instance first" in done.stderr


def _health(log: Auditing) -> dict[str, Any]:
    """What the instance with a health port says; nothing before it listens."""
    with suppress(httpx.ConnectError):
        found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{log.ports.audit}/health/ready", timeout=5, trust_env=False).json()
        return found
    return {"role": None}


def _take_the_lock_away(log: Auditing) -> None:
    """End the connection that holds the lock, as a network that breaks for one instance alone would."""
    name = f"{log.made.backing.database}.corporate-actions-audit"
    holder = log.rows(f"SELECT IS_USED_LOCK('{name}')")[0][0]
    log.made.sql(f"KILL {int(holder)}")


def _without_triggers(log: Auditing) -> None:
    for (name,) in log.rows("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"):
        log.made.sql(f"DROP TRIGGER {name}")


def _as_if_never_written(log: Auditing, size: int) -> None:
    """Cut everything from an entry on, so that what is left holds together."""
    _without_triggers(log)
    log.made.sql("DELETE FROM audit_entries WHERE seq >= %s", size)
    log.made.sql("DELETE FROM audit_batches WHERE first_seq >= %s", size)
    log.made.sql("DELETE FROM audit_tiles WHERE level = 0 AND (idx + 1) * 256 > %s", size)
