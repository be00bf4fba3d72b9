"""MySQL as the product can tell it apart from the real one: sessions, row locks, transactions that see what is committed, and a COMMIT that may not answer.

A transaction keeps what it writes in an overlay of its own (key to new value) over tables that hold committed values only, so beginning and rolling back cost
nothing and nobody reads what is not committed. Values are never changed in place.

Invariant: a lock is held from the statement that takes it until its transaction ends, whoever has stopped, died or been forgotten in between.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Any, Final

from corpactions.domain.errors import Unavailable
from corpactions.ports.lifecycle import CommitUnknown, DataRefused, RunAgain
from tests.simulation.scheduler import Process, Scheduler, Task
from tests.support.announcing import START

LOCK_WAIT_SECONDS: Final = 5.0
"""``innodb_lock_wait_timeout`` of the product's sessions."""
GONE: Final = object()
"""Stands in an overlay for a row that was deleted."""
Key = tuple[str, object]
Rows = dict[Any, Any]


class Session:
    """A connection with its one transaction."""

    __slots__ = ("busy", "closed", "detached", "idle_since", "overlay", "owned", "process", "wait_timeout", "waiting_for", "waiting_task")

    def __init__(self, process: Process, now: float, wait_timeout: float) -> None:
        self.process = process
        self.wait_timeout = wait_timeout
        self.idle_since = now
        self.busy = False
        self.closed = False
        self.detached = False
        self.overlay: dict[str, Rows] = {}
        self.owned: list[Key] = []
        self.waiting_for: Key | None = None
        self.waiting_task: Task | None = None


class Database:
    """The server.

    Tables are dictionaries by name. ``refused`` holds event ids whose rows the server will not take. ``clock_offset`` is how far its clock is from true time.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.tables: dict[str, Rows] = {name: {} for name in TABLES}
        self.refused: set[str] = set()
        self.down_until = 0.0
        self.clock_offset = 0.0
        self.wait_timeout = 10.0
        self.commits = 0
        self.committed_at: dict[str, int] = {}
        """The number of the commit that made a revision, by audit record id: the order in which things were decided."""
        self.restarts = 0
        self._sessions: dict[Session, None] = {}
        self._known: dict[Process, None] = {}
        self._locks: dict[Key, Session] = {}
        self._queues: dict[Key, deque[Session]] = {}
        self._next_id = 0

    def now(self) -> datetime:
        """``NOW(6)``."""
        return START + timedelta(seconds=self.scheduler.now + self.clock_offset)

    def next_id(self) -> int:
        """A value of AUTO_INCREMENT."""
        self._next_id += 1
        return self._next_id

    # Sessions.

    def connect(self, process: Process, wait_timeout: float | None = None) -> Session:
        """A session from the pool. Raises Unavailable while the server is away."""
        process.point("db.connect")
        if self.scheduler.now < self.down_until:
            process.sleep(0.05)
            raise Unavailable("mysql", "cannot connect")
        session = Session(process, self.scheduler.now, self.wait_timeout if wait_timeout is None else wait_timeout)
        self._sessions[session] = None
        if process not in self._known:
            self._known[process] = None
            process.at_kill.append(lambda: self._lose(process))
        return session

    def statement(self, session: Session, point: str = "db.statement", *, locking: bool = True) -> None:
        """Every statement passes here, on its way to the server. One that locks nothing is nobody's victim.

        Raises:
            Unavailable: the connection is gone.
            RunAgain: deadlock; the transaction is rolled back.
        """
        process = session.process
        process.point(point)
        self._expire(session)
        if session.closed:
            raise Unavailable("mysql", "the server has gone away")
        rates = self.scheduler.rates
        if rates or process.armed:
            if process.happens("statement-lost"):
                self.close(session)
                raise Unavailable("mysql", "lost connection during query")
            if locking and process.happens("deadlock"):
                self.close(session)
                raise RunAgain("deadlock found when trying to get lock")
        session.idle_since = self.scheduler.now

    def close(self, session: Session) -> None:
        """The client hangs up. Harmless twice; a COMMIT that goes on without its client goes on."""
        if not session.detached:
            self._end(session)

    def _end(self, session: Session) -> None:
        """End the transaction, undone unless it was committed, and give up its locks."""
        if session.closed:
            return
        session.closed = True
        session.overlay = {}
        self._sessions.pop(session, None)
        if session.waiting_for is not None:
            self._queues[session.waiting_for].remove(session)
            session.waiting_for = None
            if session.waiting_task is not None:
                self.scheduler.wake(session.waiting_task)
        self._release(session)

    def _expire(self, session: Session) -> None:
        """``wait_timeout``: the server ends a session that was silent for too long."""
        if not session.busy and self.scheduler.now - session.idle_since > session.wait_timeout:
            if session.owned:
                self.scheduler.met["session-timed-out"] += 1
            self._end(session)

    # Locks.

    def lock(self, session: Session, key: Key) -> None:
        """Take a row's lock for the rest of the transaction.

        Raises:
            RunAgain: not within the lock wait time-out, or a deadlock.
            Unavailable: the session ended meanwhile.
        """
        holder = self._locks.get(key)
        if holder is session:
            return
        if holder is not None:
            self._expire(holder)
            holder = self._locks.get(key)
        if holder is None:
            self._locks[key] = session
            session.owned.append(key)
            return
        self._wait_for(session, key)

    def _wait_for(self, session: Session, key: Key) -> None:
        if self._would_deadlock(session, key):
            self.scheduler.met["deadlock-by-locks"] += 1
            self.close(session)
            raise RunAgain("deadlock found when trying to get lock")
        self.scheduler.met["lock-wait"] += 1
        session.waiting_for, session.waiting_task, session.busy = key, self.scheduler.current, True
        self._queues.setdefault(key, deque()).append(session)
        deadline = self.scheduler.now + LOCK_WAIT_SECONDS
        while self._waits(session) and self.scheduler.now < deadline:
            holder = self._locks[key]
            # A holder that has stopped is ended by the server in between, so its end is looked for in time.
            silent = holder.idle_since + holder.wait_timeout + 0.001 if not holder.busy else deadline
            session.process.wait([], max(min(silent, deadline) - self.scheduler.now, 0.001))
            if self._waits(session):
                self._expire(self._locks[key])
        got = not self._waits(session)
        session.waiting_task, session.busy = None, False
        session.idle_since = self.scheduler.now
        if session.closed:
            raise Unavailable("mysql", "lost connection while waiting for a lock")
        if not got:
            self.scheduler.met["lock-wait-timed-out"] += 1
            self.close(session)
            raise RunAgain("lock wait timeout exceeded")

    @staticmethod
    def _waits(session: Session) -> bool:
        """Whether the server has not given it the lock yet."""
        return session.waiting_for is not None

    def _would_deadlock(self, session: Session, key: Key) -> bool:
        holder: Session | None = self._locks.get(key)
        while holder is not None and holder.waiting_for is not None:
            holder = self._locks.get(holder.waiting_for)
            if holder is session:
                return True
        return False

    def _release(self, session: Session) -> None:
        """Give each lock to whoever has waited longest for it: the server does, even if that client has stopped meanwhile."""
        for key in session.owned:
            queue = self._queues.get(key)
            if queue:
                heir = queue.popleft()
                self._locks[key] = heir
                heir.owned.append(key)
                heir.waiting_for = None
                heir.busy, heir.idle_since = False, self.scheduler.now
                if heir.waiting_task is not None:
                    self.scheduler.wake(heir.waiting_task)
            else:
                del self._locks[key]
        session.owned = []

    # Rows.

    def get(self, session: Session, table: str, key: Any) -> Any:
        """A row as this transaction sees it; None when there is none."""
        rows = session.overlay.get(table)
        if rows is not None and key in rows:
            value = rows[key]
            return None if value is GONE else value
        return self.tables[table].get(key)

    def put(self, session: Session, table: str, key: Any, value: Any) -> None:
        """Write a row."""
        session.overlay.setdefault(table, {})[key] = value

    def delete(self, session: Session, table: str, key: Any) -> None:
        """Delete a row."""
        session.overlay.setdefault(table, {})[key] = GONE

    def insert(self, session: Session, table: str, key: Any, value: Any) -> None:
        """Write a row that must be new; waits while another transaction may be inserting the same one.

        Raises:
            DataRefused: duplicate key.
            RunAgain, Unavailable: as :meth:`lock`.
        """
        self.lock(session, (table, key))
        if self.get(session, table, key) is not None:
            raise DataRefused(f"duplicate entry {key} in {table}")
        self.put(session, table, key, value)

    # The end of a transaction.

    def commit(self, session: Session) -> None:
        """Make it last.

        Raises:
            CommitUnknown: no answer came, whatever happened.
        """
        process = session.process
        process.point("db.commit")
        self._expire(session)
        if session.closed:
            raise CommitUnknown("COMMIT got no answer: the connection was gone")
        if self.scheduler.rates or process.armed:
            self._lose_answer(session)
        self._apply(session)
        self.close(session)
        restarts = self.restarts
        process.point("db.committed")
        if self.restarts != restarts:
            raise CommitUnknown("COMMIT got no answer: the server went away")

    def _lose_answer(self, session: Session) -> None:
        process = session.process
        if process.happens("commit-lost-done"):
            self._apply(session)
        elif process.happens("commit-lost-undone"):
            pass
        elif (done := process.happens("commit-lost-running-done")) or process.happens("commit-lost-running-undone"):
            session.busy = session.detached = True
            self.scheduler.after(self.scheduler.chance.uniform(0.01, 8.0), lambda: self._finish_late(session, done=done))
            raise CommitUnknown("COMMIT got no answer, and goes on")
        else:
            return
        self.close(session)
        raise CommitUnknown("COMMIT got no answer")

    def _finish_late(self, session: Session, *, done: bool) -> None:
        if done and not session.closed:
            self._apply(session)
        self._end(session)

    def _apply(self, session: Session) -> None:
        for table, rows in session.overlay.items():
            base = self.tables[table]
            for key, value in rows.items():
                if value is GONE:
                    base.pop(key, None)
                else:
                    base[key] = value
        self.commits += 1
        told = session.overlay.get("events")
        if told:
            for event_id, state in told.items():
                self._note(event_id, state, session)
        session.overlay = {}

    def _note(self, event_id: str, state: Any, session: Session) -> None:
        """Remember when each revision was committed; several of one transaction were decided in their order."""
        self.committed_at[f"{event_id}:{state.revision}"] = self.commits
        for revision in (session.overlay.get("event_transitions") or {}).get(event_id, ()):
            self.committed_at.setdefault(f"{event_id}:{revision}", self.commits)

    # What befalls the server.

    def restart(self, seconds: float) -> None:
        """A crash or a failover: every session is cut, transactions at their COMMIT go either way, and for so long nobody connects."""
        self.restarts += 1
        for session in list(self._sessions):
            if session.detached and self.scheduler.chance.random() < 0.5:
                self._apply(session)
            self._end(session)
        self.down_until = self.scheduler.now + seconds

    def _lose(self, process: Process) -> None:
        """A process died. The server notices a moment later, rolls back, and lets its locks go; a COMMIT that is under way goes on without its client."""
        self.scheduler.after(self.scheduler.latency(), lambda: self._forget(process))

    def _forget(self, process: Process) -> None:
        for session in [item for item in self._sessions if item.process is process]:
            self.close(session)


TABLES: Final = (
    *("partition_progress", "events", "event_versions", "event_transitions", "event_effects", "event_decisions"),
    *("parked_symbols", "parked_events", "pending_publications", "references", "likenesses"),
    *("idempotency_keys", "covered_ids", "gateway_versions"),
)
"""Named as in MySQL; ``references``, ``likenesses`` and ``covered_ids`` stand for its indexes."""
