"""Faults at the two moments that decide everything: while a COMMIT is under way, and while the broker's ack is.

MySQL is told to wait a second before it makes a group of COMMITs durable. A COMMIT that shows in the process list then is really under way, and there is time
to take its answer away, or to end whoever takes part in it. For acks nothing need be slowed: whatever is produced while the broker's answers vanish arrives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

import MySQLdb

from tests.chaos.audit_faults import AUDIT_FAULTS
from tests.chaos.faults import PROCESS_FAULTS
from tests.chaos.scene import DELIVERY_SECONDS, SESSION_SECONDS, Fault, Scene

COMMIT_SECONDS: Final = 1.0
"""The longest that MySQL may be told to wait."""
_LOOK_SECONDS: Final = 5.0
_COMMITTING: Final = b"waiting for handler commit"


@contextmanager
def commits_under_way(scene: Scene, account: str, count: int = 1) -> Iterator[int]:
    """COMMITs take a second, and when the block begins so many sessions of the account are inside one. The value is how many were found after five seconds."""
    with closing(_administrator(scene)) as session:
        _delay(session, int(COMMIT_SECONDS * 1_000_000))
        try:
            found, deadline = 0, time.monotonic() + _LOOK_SECONDS
            while found < count and time.monotonic() < deadline:
                time.sleep(0.01)
                found = _committing(session, account)
            yield found
        finally:
            with suppress(MySQLdb.OperationalError):  # the block may have killed the server: a new one delays nothing
                _delay(session, 0)


def _administrator(scene: Scene) -> Any:
    """A session that gets bytes: statements with binary values show in the process list, and are no text."""
    mysql = scene.fleet.made.endpoints["mysql"]
    account = {name: mysql[name] for name in ("host", "port", "user", "password")}
    return MySQLdb.connect(**account, autocommit=True, use_unicode=False)


def _delay(session: Any, microseconds: int) -> None:
    with session.cursor() as cursor:
        cursor.execute(f"SET GLOBAL binlog_group_commit_sync_delay = {microseconds}")


def _committing(session: Any, account: str) -> int:
    with session.cursor() as cursor:
        cursor.execute("SHOW PROCESSLIST")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    return sum((row["User"], row["State"]) == (account.encode(), _COMMITTING) for row in rows)


def lose_commit_answer_to_worker(scene: Scene) -> None:
    """The worker's COMMIT arrives and is durable; its answer never comes."""
    _lose_commit_answer(scene, "worker")


def lose_commit_answer_to_gateway(scene: Scene) -> None:
    """The same for a reservation."""
    _lose_commit_answer(scene, "gateway")


def lose_commit_answer_to_auditor(scene: Scene) -> None:
    """The same for a batch of the audit log, with the next one on its way."""
    _lose_commit_answer(scene, "audit")


def _lose_commit_answer(scene: Scene, kind: str) -> None:
    with commits_under_way(scene, f"ca_{kind}"), scene.proxies.silence(f"mysql-{kind}"):
        time.sleep(COMMIT_SECONDS + 0.3)


def kill_worker_at_commit(scene: Scene) -> None:
    """kill -9 while every worker's COMMIT is under way: the heir finds it done, or not."""
    with commits_under_way(scene, "ca_worker", len(scene.fleet.workers)):
        scene.fleet.some_worker(scene.chance).kill()
    scene.fleet.start_worker()


def kill_gateway_at_commit(scene: Scene) -> None:
    """kill -9 while a reservation's COMMIT is under way."""
    with commits_under_way(scene, "ca_gateway"):
        slot, gateway = scene.fleet.some_gateway(scene.chance)
        gateway.kill()
    scene.fleet.start_gateway(slot)


def kill_audit_writer_at_commit(scene: Scene) -> None:
    """kill -9 while the COMMIT of a batch of the audit log is under way."""
    with commits_under_way(scene, "ca_audit"):
        scene.fleet.audit_writer(scene.chance).kill()
    scene.fleet.start_auditor()


def kill_mysql_at_commit(scene: Scene) -> None:
    """The database dies with COMMITs half done; what becomes of them is its recovery's affair."""
    with commits_under_way(scene, scene.chance.choice(("ca_worker", "ca_gateway", "ca_audit"))):
        scene.stack.mysql.kill()
    scene.stack.mysql.start()


def lose_acks_to_worker(scene: Scene) -> None:
    """The broker stores the worker's records, and neither its acks nor anything else comes back; beyond the session the partitions move, too."""
    _lose_acks(scene, "worker", (0.5, SESSION_SECONDS + 0.5, DELIVERY_SECONDS + 1.0))


def lose_acks_to_gateway(scene: Scene) -> None:
    """The broker stores the gateway's records; shorter than the time-out the client mends it, longer the outcome is unknown."""
    _lose_acks(scene, "gateway", (0.5, DELIVERY_SECONDS + 1.0))


def _lose_acks(scene: Scene, kind: str, seconds: tuple[float, ...]) -> None:
    with scene.proxies.silence(f"kafka-{kind}"):
        time.sleep(scene.choose(seconds))


def lose_requests(scene: Scene) -> None:
    """What one kind of service asks of one server never arrives: neither COMMIT nor record."""
    with scene.proxies.deafness(_some_way(scene)):
        time.sleep(scene.choose((0.3, 1.0, DELIVERY_SECONDS + 1.0)))


def reset_connections(scene: Scene) -> None:
    """Every connection of one kind of service to one server is reset in the middle of whatever it carries."""
    with scene.proxies.resets(_some_way(scene)):
        scene.pause(0.1, 0.5)


def _some_way(scene: Scene) -> str:
    return f"{scene.chance.choice(('kafka', 'mysql'))}-{scene.chance.choice(('worker', 'gateway', 'audit'))}"


FAULTS = (
    *PROCESS_FAULTS,
    *AUDIT_FAULTS,
    Fault(lose_commit_answer_to_worker, "worker <-> mysql", cut=True),
    Fault(lose_commit_answer_to_gateway, "gateway <-> mysql", cut=True),
    Fault(lose_commit_answer_to_auditor, "audit <-> mysql", cut=True),
    Fault(kill_worker_at_commit, "worker"),
    Fault(kill_gateway_at_commit, "gateway"),
    Fault(kill_audit_writer_at_commit, "audit"),
    Fault(kill_mysql_at_commit, "mysql", slow=True),
    Fault(lose_acks_to_worker, "worker <-> kafka", cut=True),
    Fault(lose_acks_to_gateway, "gateway <-> kafka", cut=True),
    Fault(lose_requests, "connections", cut=True),
    Fault(reset_connections, "connections", cut=True),
)
"""Everything that a round may do."""
