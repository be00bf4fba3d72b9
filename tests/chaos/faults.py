"""Faults of processes: killed, frozen, stopped and started again. Each is one function, and leaves everything running again when it returns."""

from __future__ import annotations

import signal
import time

from infra.local.part import Part
from tests.chaos.scene import SESSION_SECONDS, TRANSACTION_SECONDS, Fault, Scene
from tests.support.product import Process


def kill_worker(scene: Scene) -> None:
    """kill -9; its successor starts at once, or a little later."""
    scene.fleet.some_worker(scene.chance).kill()
    time.sleep(scene.choose((0.0, 0.5)))
    scene.fleet.start_worker()


def kill_all_workers(scene: Scene) -> None:
    """Nobody is left to take over; the successors find every claim in the hands of the dead."""
    workers = scene.fleet.workers
    for worker in workers:
        worker.kill()
    for _ in workers:
        scene.fleet.start_worker()


def freeze_worker(scene: Scene) -> None:
    """SIGSTOP beyond the session: another one takes over while the zombie holds on to what it has fetched and to its transaction."""
    frozen(scene.fleet.some_worker(scene.chance), SESSION_SECONDS + scene.chance.uniform(0.2, 1.0))


def freeze_worker_for_long(scene: Scene) -> None:
    """SIGSTOP beyond MySQL's patience as well: the zombie wakes up without session and without transaction."""
    frozen(scene.fleet.some_worker(scene.chance), TRANSACTION_SECONDS + scene.chance.uniform(0.3, 2.0))


def rebalance(scene: Scene) -> None:
    """One more worker joins, and another one leaves in good order."""
    leaving = scene.fleet.some_worker(scene.chance)
    scene.fleet.start_worker()
    scene.pause(0.5, 1.5)
    status = leaving.stop()
    # One that was started a moment ago may not have come to listen to signals yet.
    assert status in {0, -signal.SIGTERM}, f"a worker ended badly:\n{leaving.log()}"


def kill_gateway(scene: Scene) -> None:
    """kill -9 in the middle of requests; clients repeat theirs at the other one."""
    slot, gateway = scene.fleet.some_gateway(scene.chance)
    gateway.kill()
    scene.pause(0.0, 0.3)
    scene.fleet.start_gateway(slot)


def freeze_gateway(scene: Scene) -> None:
    """SIGSTOP beyond the clients' patience: they repeat at the other one, and this one goes on with what it had begun."""
    _, gateway = scene.fleet.some_gateway(scene.chance)
    frozen(gateway, scene.choose((1.0, 4.0)))


def restart_gateway(scene: Scene) -> None:
    """SIGTERM: requests in flight are finished."""
    slot, gateway = scene.fleet.some_gateway(scene.chance)
    status = gateway.stop()
    assert status in {0, -signal.SIGTERM}, f"a gateway ended badly:\n{gateway.log()}"
    scene.fleet.start_gateway(slot)


def kill_kafka(scene: Scene) -> None:
    """The only broker dies and comes back on its log."""
    _killed(scene, scene.stack.kafka)


def freeze_kafka(scene: Scene) -> None:
    """The broker keeps its connections and answers nothing: sessions end, produces have no outcome."""
    _still(scene, scene.stack.kafka)


def kill_mysql(scene: Scene) -> None:
    """The database dies and recovers its log."""
    _killed(scene, scene.stack.mysql)


def freeze_mysql(scene: Scene) -> None:
    """The database keeps its connections and answers nothing."""
    _still(scene, scene.stack.mysql)


def kill_registry(scene: Scene) -> None:
    """The registry dies. A worker that starts meanwhile waits for it, and records of unknown schemas cannot be told from poison until it is back."""
    scene.stack.registry.kill()
    scene.fleet.some_worker(scene.chance).kill()
    scene.fleet.start_worker()
    scene.pause(0.0, 1.0)
    scene.stack.registry.start()


def freeze_registry(scene: Scene) -> None:
    """The registry keeps its connections and answers nothing."""
    _still(scene, scene.stack.registry)


def fail_security_master(scene: Scene) -> None:
    """Every look-up is answered with 503, or not in time."""
    if scene.chance.random() < 0.5:
        scene.bank.status = 503
    else:
        scene.bank.delay = 6.0
    scene.pause(1.0, 4.0)
    scene.bank.status, scene.bank.delay = 200, 0.0


def _killed(scene: Scene, server: Part) -> None:
    server.kill()
    scene.pause(0.0, 1.0)
    server.start()


def _still(scene: Scene, server: Part) -> None:
    server.pause()
    try:
        time.sleep(scene.choose((1.0, 4.0)))
    finally:
        server.resume()


def frozen(process: Process, seconds: float) -> None:
    """SIGSTOP for so long."""
    process.send(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        process.send(signal.SIGCONT)


PROCESS_FAULTS = (
    Fault(kill_worker, "worker"),
    Fault(kill_worker, "worker"),
    Fault(kill_all_workers, "worker"),
    Fault(freeze_worker, "worker"),
    Fault(freeze_worker_for_long, "worker", slow=True),
    Fault(rebalance, "worker"),
    Fault(kill_gateway, "gateway"),
    Fault(freeze_gateway, "gateway"),
    Fault(restart_gateway, "gateway"),
    Fault(kill_kafka, "kafka"),
    Fault(freeze_kafka, "kafka"),
    Fault(kill_mysql, "mysql"),
    Fault(freeze_mysql, "mysql"),
    Fault(kill_registry, "registry"),
    Fault(freeze_registry, "registry", slow=True),
    Fault(fail_security_master, "security master"),
)
