"""Child processes: each in a session of its own, known by a pid file, stopped by that id and waited for."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Final

from infra.local.errors import Cancelled, LocalStackError
from infra.local.layout import RunDir

_POLL_SECONDS: Final = 0.02
_STOP_SECONDS: Final = 20.0


class ManagedProcess:
    """One long-running process of a stack.

    Its pid file is the only state, so that any later command finds it. The file holds the start time too: after a
    reboot the same number may be another process, which is then never touched.
    """

    def __init__(self, name: str, run: RunDir) -> None:
        self.name = name
        self.log = run.logs / f"{name}.log"
        self._pid_file = run.pids / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs (a stopped one, SIGSTOP, counts as running), else None."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid  # reaped only when its last thread has ended: until then a killed server still holds its ports
        try:
            pid, started = (int(part) for part in self._pid_file.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _start_time(pid) == started else None

    def start(self, argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> None:
        """Start it detached from the terminal, output appended to its log. The caller has checked that it does not run."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._child = child
        beside = self._pid_file.with_suffix(".new")
        beside.write_text(f"{child.pid} {_start_time(child.pid) or 0}\n")
        beside.replace(self._pid_file)

    def wait_ready(self, probe: Callable[[], bool], timeout: float, cancel: Event) -> None:
        """Wait until ``probe`` answers true.

        Raises:
            LocalStackError: the process ended, or ``timeout`` seconds passed.
            Cancelled: ``cancel`` was set.
        """
        deadline = time.monotonic() + timeout
        while not probe():
            if self.pid is None:
                raise LocalStackError(f"{self.name} ended while starting: {self.last_line()}", f"see {self.log}")
            if time.monotonic() > deadline:
                raise LocalStackError(f"{self.name} is not ready after {timeout:.0f} s: {self.last_line()}", f"see {self.log}")
            if cancel.wait(5 * _POLL_SECONDS):
                raise Cancelled

    def stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Ask it to end (SIGTERM), wait, and kill its group when it does not within ``timeout`` seconds."""
        if self._signal(signal.SIGTERM):
            self._signal(signal.SIGCONT)
            if not self._wait_gone(timeout):
                self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once (SIGKILL) with all its children, as a power cut would, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._wait_gone(_STOP_SECONDS)

    def pause(self) -> None:
        """Freeze it (SIGSTOP) and wait until its last thread stands still, which a busy machine delays."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + _STOP_SECONDS
        while (pid := self.pid) is not None and not _stands_still(pid) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def resume(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def last_line(self) -> str:
        """The most telling end of its log: the last line that names an error, else the last one."""
        with suppress(FileNotFoundError):
            lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()[-50:] if line.strip()]
            errors = [line for line in lines if "ERROR" in line or "Error" in line or "Exception" in line]
            return (errors or lines or [""])[-1][:300]
        return ""

    def _signal(self, number: signal.Signals) -> bool:
        pid = self.pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
        return True

    def _wait_gone(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def run_to_end(argv: Sequence[str | Path], log: Path, env: Mapping[str, str], cwd: Path, cancel: Event) -> int:
    """Run a short command in a session of its own with its output in ``log``; its exit status.

    Raises:
        Cancelled: ``cancel`` was set; the command and its children were killed.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        while child.poll() is None:
            if cancel.wait(2 * _POLL_SECONDS):
                raise Cancelled
    finally:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return child.returncode


def _start_time(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot; None when it is gone or only waits to be reaped.

    A killed process whose first thread is dead already still holds its ports and files until its last thread is.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" and threads <= 1 else int(fields[19])


def _stands_still(pid: int) -> bool:
    """Whether every thread of ``pid`` is stopped."""
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):
        return False  # a thread ended while being looked at
    return all(state == "T" for state in states)
