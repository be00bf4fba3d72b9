"""What processes take of the machine, read from /proc: CPU time by group of processes, and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_LISTENING = "0A"


class Reading(NamedTuple):
    """CPU seconds spent until a moment: by each group, and by the whole machine."""

    at: float
    groups: dict[str, float]
    machine: float


class Meter:
    """Reads the CPU time of named groups of processes, threads included."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups

    def read(self) -> Reading:
        """Now."""
        spent = {name: sum(_cpu_seconds(pid) for pid in pids) for name, pids in self._groups.items()}
        return Reading(time.monotonic(), spent, _machine_seconds())


class Usage:
    """CPU time between readings, added up over several intervals."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._spent: dict[str, float] = {}
        self._machine = 0.0
        self._events = 0

    def add(self, before: Reading, after: Reading, events: int) -> None:
        """One more interval, in which so many events were worked on."""
        self._seconds += after.at - before.at
        self._machine += after.machine - before.machine
        self._events += events
        for name, spent in after.groups.items():
            self._spent[name] = self._spent.get(name, 0.0) + spent - before.groups[name]

    def per_event(self) -> dict[str, float]:
        """Microseconds of CPU for each event, by group and together."""
        shares = {name: round(spent / self._events * 1e6, 1) for name, spent in self._spent.items()}
        return shares | {"total": round(sum(self._spent.values()) / self._events * 1e6, 1)}

    def other_cores(self) -> float:
        """How many cores everything else on the machine took meanwhile, the benchmark itself included: near 0 where the figures can be trusted."""
        return round(max(0.0, self._machine - sum(self._spent.values())) / self._seconds, 2)

    def keys(self) -> dict[str, Any]:
        """Both, as further keys of a result."""
        return {"cpu_us_per_event": self.per_event(), "other_cores": self.other_cores()}


def listener(port: int) -> int:
    """The process that listens on a TCP port of this machine."""
    inodes = {fields[9] for fields in _sockets() if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and not wanted.isdisjoint(_open_files(process)):
            return int(process.name)
    raise RuntimeError(f"no process of this machine listens on port {port}, or it belongs to another user; benchmarks need local servers")


def resident_mib(pids: Iterable[int]) -> float:
    """Resident memory of processes, in MiB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _sockets() -> list[list[str]]:
    return [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]


def _open_files(process: Path) -> set[str]:
    found = set()
    with suppress(PermissionError, FileNotFoundError):
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):
                found.add(str(descriptor.readlink()))
    return found


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _machine_seconds() -> float:
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, interrupts, soft_interrupts))) / _TICKS
