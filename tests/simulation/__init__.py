"""Deterministic simulation of the whole product.

The real gateway handler, worker loop, lifecycle handler, fold and codecs run in one process, above simulated ports. Every call of a port is a *point*: there
other simulated processes may come first, and there a process can be held, frozen or killed. One seed gives one run, exactly.

**A scenario** is a script on a :class:`tests.simulation.world.World`, which is calm unless told otherwise::

    world = World()  # Setting(...) for partitions, policy, batch size, session, eager
    one = world.worker("one")  # processes start, join the group, claim
    world.write(newm(), repl(2), b"poison")  # an upstream's records (tests.support.announcing makes messages)
    world.run(3)  # virtual seconds
    world.hold(one.process, "db.commit")  # stop one where its COMMIT is about to leave it
    world.write(newm(event=4))
    world.run_until_held(one.process)
    two = world.worker("two")
    world.coordinator.expire(world.coordinator.members[0])  # the group forgets the first worker, which does not know
    world.run(20)
    one.process.release()  # the zombie goes on: fenced
    world.quiesce()  # faults stop, everything must come to rest (raises Violation when stuck)
    world.check()  # the judge that the real product has too (raises Violation with findings "check: what")

*Points* (``world.hold(process, point, skip=0)``): ``db.connect``, ``db.claim`` (before a claim locks its row), ``db.fence`` and ``db.fenced`` (before and after
the fence's locks), ``db.statement``, ``db.write``, ``db.commit`` (before it is done), ``db.committed`` (done, its answer under way), ``db.key``, ``db.reserve``,
``db.version``, ``db.find``; ``broker.consume``, ``broker.revoked`` (before the listener hears of a revocation), ``broker.send``, ``broker.flush``,
``broker.acked``, ``broker.watermarks``, ``broker.is-member``, ``broker.start``, ``broker.stop``, ``broker.pause``, ``broker.resume``, ``broker.commit-offsets``,
``broker.close``, ``broker.leave``, ``broker.produce`` and ``broker.produced`` (a gateway's record, before and after it lands); ``securities.lookup``,
``registry.schema``, ``clock.now``, ``clock.monotonic``, ``clock.sleep``.

*Faults inside a call* (``process.arm(kind, times=1)``: at its next opportunities there; ``world.scheduler.rates[kind]``: by chance): the names in
:mod:`tests.simulation.faults`.

*From outside*: ``process.kill()``, ``world.freeze(process, seconds)`` (SIGSTOP; the group forgets it after ``session_seconds``), ``worker.stop()`` (SIGTERM),
``world.coordinator.expire(member)``, ``world.database.restart(seconds)``, ``world.broker.down_until = time``, ``world.registry.down_until``,
``world.securities.down_until``/``.unknown``/``.failing``/``.poison``, ``process.clock_offset``, ``world.database.clock_offset``, ``world.database.refused``,
``worker.source.largest_batch``. All times are ``world.scheduler.now``.

*Gateways*: ``task = world.gateway().ask(lambda handler: handler.announce(caller, request, item))``; after ``world.run`` the task has ``result`` or ``error``.

*Looking*: ``world.status(event_id)``, ``world.state(event_id)``, ``world.published("audit" | "dlq" | "summaries")``, ``world.database.tables[name]``,
``world.scheduler.met`` (what happened, counted).
"""
