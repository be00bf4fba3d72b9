"""Two instances that both think they lead, caught at the moments that matter: the log never forks, and neither takes the other one for an intruder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import MySQLdb
import MySQLdb.cursors
import pytest
from sqlalchemy import event

from consumers.audit.checkpoints import Cadence, Checkpointer
from corpactions.domain.audit.appending import Appender
from corpactions.domain.audit.notes import Checkpoint, Note, Signature
from corpactions.domain.errors import Fatal, Unavailable
from corpactions.persistence.audit_log import MysqlAuditLogStore
from corpactions.persistence.engine import Engine, connect
from corpactions.ports.audit import AppendUnknown, Superseded
from corpactions.security.witness import WitnessClient
from corpactions.system import SystemClock
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_log import LogMaker, record
from tests.support.witness_process import WitnessProcess

AT_ONCE = Cadence(1, 0.0)
WAIT_SECONDS = 10.0


class Instance:
    """What one audit consumer holds in its hands, from the beginning of its epoch on. ``sessions`` are the MySQL sessions that it used, the newest last."""

    def __init__(self, engine: Engine, made: LogMaker) -> None:
        self.store = MysqlAuditLogStore(engine)
        self.sessions: list[int] = []
        event.listen(engine, "checkout", lambda connection, *_: self.sessions.append(connection.thread_id()))
        self.log, self.signer, self._now = made.log, made.signer, made.now
        self.size = self.epoch = 0

    def begin(self) -> Instance:
        """Begin an epoch at the log's end."""
        self.epoch, head = self.store.begin_epoch(self.log, "test", self._now)
        self.size = head.size
        self._appender = Appender(head, self.epoch, self.signer.sign)
        return self

    def sending(self, count: int) -> AbstractContextManager[Callable[[], None]]:
        """A batch of so many entries, sent and not committed."""
        first = self._appender.size
        drafts = [record(seq) for seq in range(first, first + count)]
        return self.store.appending(self.log, self._appender.build(drafts, {}, self._now), self.signer.key.key_id)

    def append(self, count: int) -> None:
        """A batch, stored."""
        with self.sending(count) as commit:
            commit()


class Interrupted(WitnessClient):
    """The witness, before whose next answers other things happen first."""

    before_add: Sequence[Callable[[], object]] = ()
    before_keys: Sequence[Callable[[], object]] = ()

    def add(self, old_size: int, path: Sequence[bytes], note: Note) -> list[Signature]:
        if self.before_add:
            happens, *self.before_add = self.before_add
            happens()
        return super().add(old_size, path, note)

    def hand_over(self, origin: str, statements: Sequence[bytes]) -> None:
        if self.before_keys:
            happens, *self.before_keys = self.before_keys
            happens()
        super().hand_over(origin, statements)


class Scene:
    """A log of 301 entries, and instances that write it with a checkpointer each."""

    def __init__(self, database: AuditDatabase) -> None:
        self.database = database
        self._engines: list[Engine] = []
        self.maker = LogMaker(self.engine())
        self.maker.grow(300)
        self.published: list[str] = []

    def engine(self) -> Engine:
        """Connections of an instance of its own."""
        self._engines.append(connect(self.database.config("ca_audit")))
        return self._engines[-1]

    def instance(self) -> Instance:
        """One that leads, as it thinks."""
        return Instance(self.engine(), self.maker).begin()

    def checkpointer(self, instance: Instance, witness: WitnessClient) -> Checkpointer:
        """Its checkpointer, before it has looked at anything."""
        return Checkpointer(instance.store, witness, lambda key, _note: self.published.append(key), SystemClock(), AT_ONCE)

    def started(self, instance: Instance, witness: WitnessClient) -> Checkpointer:
        """Its checkpointer, once it has compared the log with its witness."""
        checkpointer = self.checkpointer(instance, witness)
        checkpointer.check(instance.log, instance.size, instance.epoch)
        return checkpointer

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()


@pytest.fixture
def scene(endpoints: dict[str, Any]) -> Iterator[Scene]:
    with audit_database(endpoints) as database, closing(Scene(database)) as made:
        yield made


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[WitnessProcess]:
    running = WitnessProcess(tmp_path).start()
    yield running
    running.stop()


@pytest.fixture
def client(witness: WitnessProcess) -> Iterator[Interrupted]:
    with closing(Interrupted(witness.url, [witness.vkey])) as opened:
        yield opened


def _step(checkpointer: Checkpointer, instance: Instance) -> bool:
    return checkpointer.step(instance.log, instance.signer, AT_ONCE)


def _wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


# Batches.


def test_a_batch_under_way_when_another_one_takes_over_is_kept_and_the_heir_begins_again(scene: Scene) -> None:
    before = scene.instance()
    with before.sending(10) as commit:
        heir = scene.instance()
        assert heir.size == 301
        commit()
    with pytest.raises(Superseded):
        heir.append(7)
    assert scene.instance().size == 311


def test_the_heir_waits_for_a_batch_that_may_still_be_committed(scene: Scene) -> None:
    before = scene.instance()
    found: list[Exception] = []

    def append() -> None:
        try:
            heir.append(7)
        except (Superseded, AppendUnknown) as error:
            found.append(error)

    with before.sending(10) as commit:
        heir = scene.instance()
        writing = threading.Thread(target=append)
        writing.start()
        _wait("the heir waits for the row", lambda: _waiting_for_rows(scene) == 1)
        commit()
    writing.join(WAIT_SECONDS)
    assert [type(error) for error in found] == [Superseded]
    assert scene.instance().size == 311


def test_a_batch_behind_one_whose_commit_got_no_answer_is_void(scene: Scene) -> None:
    """The writer commits a batch only after the one before; here that one's session ends at its COMMIT, with the next one sent."""
    writer = scene.instance()

    def commit_the_first() -> None:
        with writer.sending(10) as commit, writer.sending(20):
            scene.database.sql(f"KILL {writer.sessions[-2]}")
            commit()

    with pytest.raises(AppendUnknown):
        commit_the_first()
    heir = scene.instance()
    assert heir.size == 301
    heir.append(5)
    assert scene.instance().size == 306


def test_a_writer_behind_a_newer_epoch_begins_no_batch(scene: Scene) -> None:
    before = scene.instance()
    before.append(10)
    scene.instance()
    with pytest.raises(Superseded, match="epoch"):
        before.append(10)


def test_the_end_of_a_log_is_read_at_one_moment(scene: Scene) -> None:
    """The heir reads the newest batch; then the batch under way is committed; then it reads the newest entry."""
    before, heir = scene.instance(), Instance(scene.engine(), scene.maker)
    found: list[int] = []
    with before.sending(10) as commit, closing(scene.database.root.raw_connection()) as administrator:
        cursor = administrator.cursor()
        barrier = threading.Thread(target=cursor.execute, args=("LOCK TABLES audit_entries WRITE",))
        barrier.start()  # it waits for the batch, and whoever wants to read entries waits behind it
        _wait("the barrier stands", lambda: _waiting_for_tables(scene) == 1)
        taking_over = threading.Thread(target=lambda: found.append(heir.begin().size))
        taking_over.start()
        _wait("the heir has read the newest batch", lambda: _waiting_for_tables(scene) == 2)
        commit()
        barrier.join(WAIT_SECONDS)
        cursor.execute("UNLOCK TABLES")
    taking_over.join(WAIT_SECONDS)
    assert found == [301]
    with pytest.raises(Superseded):
        heir.append(7)


# Checkpoints.


def test_a_checkpoint_of_a_batch_that_was_under_way_is_no_sign_of_a_cut_log(scene: Scene, client: Interrupted) -> None:
    before = scene.instance()
    checkpointer = scene.started(before, client)
    with before.sending(10) as commit:
        heir = scene.instance()
        commit()
    assert _step(checkpointer, before)
    with pytest.raises(Superseded, match="311"):
        scene.checkpointer(heir, client).check(heir.log, heir.size, heir.epoch)


def test_a_log_that_is_shorter_than_its_witness_says_is_one(scene: Scene, client: Interrupted) -> None:
    writer = scene.instance()
    assert _step(scene.started(writer, client), writer)
    for trigger in scene.database.sql("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"):
        scene.database.sql(f"DROP TRIGGER {trigger[0]}")
    for table in ("audit_batches", "audit_entries", "audit_tiles", "audit_checkpoints"):
        scene.database.sql(f"DELETE FROM {table}")
    with pytest.raises(Fatal, match="entries are gone"):
        scene.checkpointer(writer, client).check(writer.log, 0, writer.epoch)


def test_a_writer_that_slept_over_a_checkpoint_is_superseded_not_robbed(scene: Scene, client: Interrupted) -> None:
    """It has read the newest batch; until it asks the witness, the heir has written and had that cosigned."""
    before = scene.instance()

    def heir_writes() -> None:
        heir = scene.instance()
        heir.append(10)
        assert _step(scene.started(heir, client), heir)

    client.before_add = [heir_writes]
    checkpointer = scene.started(before, client)
    with pytest.raises(Superseded):
        _step(checkpointer, before)
    assert scene.published == [f"{before.log.origin}:311"]


def test_a_witness_asked_by_two_at_once_delays_one_of_them(scene: Scene, client: Interrupted) -> None:
    first = scene.instance()
    early = scene.started(first, client)
    assert _step(scene.started(first, client), first)
    first.append(10)

    def heir_writes() -> None:
        heir = scene.instance()
        heir.append(10)
        assert _step(scene.started(heir, client), heir)

    client.before_add = [lambda: None, heir_writes]  # 301 is cosigned, of which `early` does not know; then 321 as well
    assert _step(early, first)
    assert (early.size, early.witnessed_size) == (311, 0)


def test_only_batches_of_this_writer_and_those_before_it_are_signed(scene: Scene, client: Interrupted) -> None:
    """The heir may sign with a newer key: a checkpoint by the old one over its batch would be one that nobody may sign."""
    before = scene.instance()
    checkpointer = scene.started(before, client)
    scene.instance().append(10)
    with pytest.raises(Superseded, match="epoch"):
        _step(checkpointer, before)
    assert scene.published == []


def test_what_ended_one_session_does_not_end_the_next(scene: Scene, client: Interrupted) -> None:
    before = scene.instance()
    checkpointer = scene.started(before, client)
    scene.instance().append(10)
    checkpointer.run(before.log, before.signer, _over())
    failure = checkpointer.failure
    assert isinstance(failure, Superseded)
    again = before.begin()
    checkpointer.check(again.log, again.size, again.epoch)
    checkpointer.run(again.log, again.signer, _over())
    assert checkpointer.failure is None
    assert checkpointer.witnessed_size == 311


def test_a_checkpointer_that_fails_says_so_to_its_writer_whatever_it_was(scene: Scene, client: Interrupted) -> None:
    writer = scene.instance()
    checkpointer = scene.started(writer, client)
    client.before_add = [_broken]
    checkpointer.run(writer.log, writer.signer, _over())
    assert isinstance(checkpointer.failure, ZeroDivisionError)


def test_a_witness_that_was_away_when_the_key_changed_hears_of_it_before_it_is_asked(scene: Scene, client: Interrupted) -> None:
    scene.maker.rotate()
    writer = scene.instance()
    checkpointer = scene.started(writer, client)
    client.before_keys = [_away]
    history = writer.store.keys()
    checkpointer.introduce(writer.log, [row.statement for row in history])
    assert _step(checkpointer, writer)
    assert checkpointer.witnessed_size == 302
    newest = client.newest(writer.log.origin)
    assert newest is not None
    assert Checkpoint.parse(newest.text).size == 302


def _over() -> threading.Event:
    over = threading.Event()
    over.set()
    return over


def _broken() -> None:
    raise ZeroDivisionError


def _away() -> None:
    raise Unavailable("witness", "is not there yet")


def _waiting_for_rows(scene: Scene) -> int:
    return _states(scene).count(b"update")


def _waiting_for_tables(scene: Scene) -> int:
    return _states(scene).count(b"Waiting for table metadata lock")


def _states(scene: Scene) -> list[bytes]:
    """What the sessions of this test's database are at, but for those of checks. As bytes: a batch in a statement is no text."""
    config = scene.database.config("root")
    with closing(MySQLdb.connect(config.host, config.user, config.password, port=config.port, use_unicode=False)) as session:
        cursor = session.cursor(MySQLdb.cursors.DictCursor)
        cursor.execute("SHOW PROCESSLIST")
        return [row["State"] for row in cursor.fetchall() if row["db"] == scene.database.name.encode()]
