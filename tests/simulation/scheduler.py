"""Virtual time, and simulated operating-system processes that are switched at every call of a port.

Each thread of a simulated process is a greenlet. Whoever calls a port passes a *point*: there the scheduler may let others run first, for as long as the seed
says, and there a process can be held, frozen or killed. Nothing else switches, so one seed gives one interleaving, exactly, on any machine.

Invariant: a killed process changes nothing any more. Its greenlets are unwound by ``Killed``, and every port that their ``finally`` blocks may call raises it
again before it does anything.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

from greenlet import getcurrent, greenlet

_MANY: Final = 1 << 60


class Killed(BaseException):
    """Raised inside a process that was killed: ``kill -9``, seen from within, if that could be seen."""


class Task:
    """One thread of a process. ``error`` is what ended it, if not its own return."""

    __slots__ = ("done", "error", "greenlet", "name", "process", "result", "ticket")

    def __init__(self, process: Process, name: str, main: Callable[[], Any], hub: greenlet) -> None:
        self.process = process
        self.name = name
        self.ticket = 0
        self.done = False
        self.error: BaseException | None = None
        self.result: Any = None
        self.greenlet = greenlet(lambda _woken: self._run(main), hub)

    def _run(self, main: Callable[[], Any]) -> None:
        try:
            self.result = main()
        except Killed:
            pass  # what a killed thread leaves is nothing
        except Exception as error:
            self.error = error
        self.done = True


class Process:
    """A simulated process: its threads, and what befalls them.

    ``point`` is called by every port with its own name. ``hold`` makes the process stop at the next such point until ``release``; ``arm`` makes a fault of a
    kind happen at its next opportunity there (see :data:`tests.simulation.faults.KINDS`).
    """

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler = scheduler
        self.name = name
        self.dead = False
        self.frozen_until = 0.0
        self.tasks: list[Task] = []
        self.at_kill: list[Callable[[], object]] = []
        self.holds: dict[str, int] = {}
        self.held_at: str | None = None
        self.armed: Counter[str] = Counter()
        self.clock_offset = 0.0

    def __repr__(self) -> str:
        return self.name

    def start(self, main: Callable[[], Any], name: str = "main") -> Task:
        """Run ``main`` in a thread of this process, from now on."""
        task = Task(self, name, main, self.scheduler.hub)
        self.tasks.append(task)
        self.scheduler.wake(task)
        return task

    def point(self, name: str) -> None:
        """A call of a port: anybody may come first, and the caller may not live to see it done."""
        scheduler = self.scheduler
        if self.dead:
            raise Killed
        scheduler.steps += 1
        if scheduler.trace is not None:
            scheduler.trace(self.name, name)
        if self.holds and name in self.holds:
            self._stop_here(name)
        scheduler.until_switch -= 1
        if scheduler.until_switch <= 0:
            scheduler.until_switch = scheduler.next_switch()
            self.sleep(scheduler.latency())

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass in the calling thread."""
        scheduler = self.scheduler
        task = scheduler.current
        if task is None:  # called from outside of any thread, by a test that is its own master
            scheduler.now += seconds
            return
        task.ticket += 1
        scheduler.push(scheduler.now + seconds, task)
        scheduler.switch_out(task)

    def wait(self, waiters: list[Task], seconds: float) -> bool:
        """Wait in a queue until somebody wakes this thread, at most so long; whether somebody did."""
        scheduler = self.scheduler
        task = scheduler.current
        if task is None:
            raise AssertionError(f"{self.name} would wait, but nobody else can run: start its work in a thread of the simulation")
        task.ticket += 1
        waiters.append(task)
        scheduler.push(scheduler.now + seconds, task)
        woken = scheduler.switch_out(task)
        if task in waiters:
            waiters.remove(task)
        return woken

    def happens(self, kind: str) -> bool:
        """Whether a fault of this kind happens here and now: armed by a script, or drawn by the seed."""
        if self.armed and self.armed[kind] > 0:
            self.armed[kind] -= 1
            self.scheduler.met[kind] += 1
            return True
        return self.scheduler.draws(kind)

    def arm(self, kind: str, times: int = 1) -> None:
        """Make a fault of this kind happen at its next ``times`` opportunities in this process."""
        self.armed[kind] += times

    def hold(self, point: str, skip: int = 0) -> None:
        """Stop at the named point, after ``skip`` visits of it: until :meth:`release`, this process does nothing, and looks alive to nobody but itself."""
        self.holds[point] = skip

    def _stop_here(self, name: str) -> None:
        if self.holds[name] > 0:
            self.holds[name] -= 1
            return
        del self.holds[name]
        self.held_at = name
        self.frozen_until = float(_MANY)
        self.sleep(0.0)

    def release(self) -> None:
        """Let a held or frozen process go on."""
        self.held_at = None
        self.frozen_until = 0.0
        self.scheduler.thaw(self)

    def freeze(self, seconds: float) -> None:
        """SIGSTOP now, SIGCONT after so long."""
        self.frozen_until = max(self.frozen_until, self.scheduler.now + seconds)

    @property
    def frozen(self) -> bool:
        return self.frozen_until > self.scheduler.now

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.dead or all(task.done for task in self.tasks)

    def kill(self) -> None:
        """``kill -9``. From outside only: no thread of the simulation may be running."""
        assert self.scheduler.current is None, "a process is killed from outside, not by a thread of the simulation"
        if self.dead:
            return
        self.dead = True
        for tell in self.at_kill:
            tell()
        for task in self.tasks:
            if not task.done:
                task.done = True
                task.ticket += 1
                if task.greenlet:
                    task.greenlet.parent = getcurrent()
                    task.greenlet.throw(Killed)


class Scheduler:
    """The one clock and the one queue of what happens next.

    Args:
        chance: draws everything.
        every: on average every so many points somebody else may run first; 0 never.
        delay: mean seconds of such a delay. One in a hundred lasts a hundred times as long.
    """

    def __init__(self, chance: random.Random, every: float = 0.0, delay: float = 0.0) -> None:
        self.chance = chance
        self.now = 0.0
        self.hub = getcurrent()
        self.current: Task | None = None
        self.steps = 0
        self.trace: Callable[[str, str], None] | None = None
        self.rates: dict[str, float] = {}
        self.met: Counter[str] = Counter()
        self._every = every
        self._delay = delay
        self._tail = 0.01
        self._queue: list[tuple[float, int, Task | Callable[[], object], int]] = []
        self._frozen: list[tuple[Task, int]] = []
        self._number = 0
        self.until_switch = self.next_switch()

    def calm(self) -> None:
        """From now on nobody is slow, so that what is left to do gets done."""
        self.rates = {}
        self._delay = min(self._delay, 0.002)
        self._tail = 0.0

    def next_switch(self) -> int:
        """Points until the next switch."""
        return int(self.chance.expovariate(1 / self._every)) + 1 if self._every else _MANY

    def latency(self) -> float:
        """How long a call takes that is not answered at once."""
        delay = self.chance.expovariate(1.0) * self._delay
        return delay * 100 if self.chance.random() < self._tail else delay

    def draws(self, kind: str) -> bool:
        """Whether the seed lets a fault of this kind happen here."""
        rate = self.rates.get(kind)
        if rate is None or self.chance.random() >= rate:
            return False
        self.met[kind] += 1
        if self.trace is not None:
            self.trace("fault", kind)
        return True

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Do something from outside at a time."""
        self._number += 1
        heappush(self._queue, (time, self._number, action, 0))

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something from outside later."""
        self.at(self.now + seconds, action)

    def push(self, time: float, task: Task) -> None:
        """Let a thread go on at a time, unless something else wakes it first."""
        self._number += 1
        heappush(self._queue, (time, self._number, task, task.ticket))

    def wake(self, task: Task) -> None:
        """Let a waiting thread go on now."""
        task.ticket += 1
        self._number += 1
        heappush(self._queue, (self.now, self._number, task, -task.ticket))

    def switch_out(self, task: Task) -> bool:
        """Let others run until it is this thread's turn; whether it was woken (and not merely timed out)."""
        self.current = None
        woken: bool = self.hub.switch()
        self.current = task
        if task.process.dead:
            raise Killed
        return woken

    def thaw(self, process: Process) -> None:
        """Put back what waited for a frozen process to go on."""
        kept = []
        for task, ticket in self._frozen:
            if task.process is process:
                self._number += 1
                heappush(self._queue, (self.now, self._number, task, ticket))
            else:
                kept.append((task, ticket))
        self._frozen = kept

    def run(self, until: float, condition: Callable[[], bool] | None = None, every: int = 1) -> bool:
        """Run until a time, or until a condition holds, looking after ``every`` so many events; whether it holds."""
        self.hub = getcurrent()
        queue, unseen = self._queue, 1
        while True:
            unseen -= 1
            if condition is not None and unseen == 0:
                if condition():
                    return True
                unseen = every
            if not queue or queue[0][0] > until:
                self.now = max(self.now, until)
                return condition is not None and condition()
            time, _, item, ticket = heappop(queue)
            if time > self.now:
                self.now = time
            if isinstance(item, Task):
                self._resume(item, ticket)
            else:
                item()

    def _resume(self, task: Task, ticket: int) -> None:
        if task.done or abs(ticket) != task.ticket:
            return  # it went on for another reason
        process = task.process
        if process.frozen_until > self.now:
            if process.frozen_until >= _MANY:
                self._frozen.append((task, ticket))
            else:
                self._number += 1
                heappush(self._queue, (process.frozen_until, self._number, task, ticket))
            return
        task.greenlet.parent = self.hub
        self.current = task
        task.greenlet.switch(ticket < 0)
        self.current = None
