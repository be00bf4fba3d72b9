"""Faults of the audit log's processes: its writer and its stand-by, the lock that tells them apart, and the witness. Each leaves everything running again."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import MySQLdb

from tests.chaos.faults import frozen
from tests.chaos.scene import TRANSACTION_SECONDS, Fault, Scene


def kill_audit_writer(scene: Scene) -> None:
    """kill -9 of the one that writes: the stand-by goes on where its last batch ended."""
    scene.fleet.audit_writer(scene.chance).kill()
    time.sleep(scene.choose((0.0, 0.5)))
    scene.fleet.start_auditor()


def kill_all_auditors(scene: Scene) -> None:
    """Nobody is left to take over: the next one finds the log, and nothing else."""
    auditors = scene.fleet.auditors
    for auditor in auditors:
        auditor.kill()
    for _ in auditors:
        scene.fleet.start_auditor()


def restart_audit_writer(scene: Scene) -> None:
    """SIGTERM: what was read is stored, a last checkpoint signed."""
    writer = scene.fleet.audit_writer(scene.chance)
    status = writer.stop()
    assert status in {0, -signal.SIGTERM}, f"an audit consumer ended badly:\n{writer.log()}"
    scene.fleet.start_auditor()


def freeze_audit_writer(scene: Scene) -> None:
    """SIGSTOP beyond MySQL's patience: lock and transactions are gone, the stand-by writes, and the zombie wakes up with batches in its hands."""
    frozen(scene.fleet.audit_writer(scene.chance), TRANSACTION_SECONDS + scene.chance.uniform(0.3, 2.0))


def take_audit_lock(scene: Scene) -> None:
    """The lock's connection ends and no other: for a second two instances think that they are the writer."""
    _end_the_locks_connection(scene)
    scene.pause(0.5, 2.0)


def take_audit_lock_while_frozen(scene: Scene) -> None:
    """The same with the writer stopped for a moment: it wakes up with its transactions alive, behind a newer writer."""
    writer = scene.fleet.audit_writer(scene.chance)
    writer.send(signal.SIGSTOP)
    try:
        _end_the_locks_connection(scene)
        time.sleep(scene.choose((2.0, 4.0)))
    finally:
        writer.send(signal.SIGCONT)
    scene.pause(0.5, 2.0)


def kill_witness(scene: Scene) -> None:
    """kill -9; the log goes on without, and the witness finds its store and its key when it is back."""
    witness = scene.fleet.audit.witness
    assert witness is not None
    witness.kill()
    scene.pause(0.0, 3.0)
    scene.fleet.audit.start_witness()


def freeze_witness(scene: Scene) -> None:
    """It keeps its connections and answers nothing."""
    witness = scene.fleet.audit.witness
    assert witness is not None
    frozen(witness, scene.choose((1.0, 4.0)))


def _end_the_locks_connection(scene: Scene) -> None:
    made = scene.fleet.made
    with suppress(MySQLdb.OperationalError):  # the connection or the server is gone, and the lock with it
        holder = made.sql("SELECT IS_USED_LOCK(%s)", f"{made.backing.database}.corporate-actions-audit")[0][0]
        if holder is not None:
            made.sql(f"KILL {int(holder)}")


AUDIT_FAULTS = (
    Fault(kill_audit_writer, "audit"),
    Fault(kill_audit_writer, "audit"),
    Fault(kill_all_auditors, "audit"),
    Fault(restart_audit_writer, "audit"),
    Fault(freeze_audit_writer, "audit", slow=True),
    Fault(take_audit_lock, "audit"),
    Fault(take_audit_lock_while_frozen, "audit"),
    Fault(kill_witness, "witness"),
    Fault(freeze_witness, "witness"),
)
