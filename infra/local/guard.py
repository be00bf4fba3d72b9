"""Nothing outlives a starter that dies: not by Ctrl-C, not by a crash, not by ``kill -9``.

The starter marks its environment, so that everything it starts, and everything those start, carries the mark. A
guard process waits at the other end of a pipe. When the starter ends without a word, the kernel closes the pipe and
the guard ends every process that carries the mark and removes half-installed folders. A parent-death signal would
not do: it is lost on the children's own children, and it fires when the *thread* that started a child ends.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from infra.local.layout import CLONE, cache_dir

_VARIABLE: Final = "CA_STARTER_MARK"
_RELEASED: Final = b"released"
_GRACE_SECONDS: Final = 10.0


def current_mark() -> str | None:
    """The mark that this process hands to what it starts, if it has a guard."""
    return os.environ.get(_VARIABLE)


class Guard:
    """Watches over what this process starts while the context is open.

    Leaving the context without :meth:`release` ends everything that was started in it; after :meth:`release` it
    runs on.
    """

    def __enter__(self) -> Self:
        self._mark = os.urandom(8).hex()
        argv = [sys.executable, "-m", "infra.local.guard", self._mark]
        self._process = subprocess.Popen(argv, cwd=CLONE, stdin=subprocess.PIPE, start_new_session=True)
        os.environ[_VARIABLE] = self._mark
        self._word = b""
        return self

    def release(self) -> None:
        """Let everything started so far survive this process."""
        self._word = _RELEASED

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.environ.pop(_VARIABLE, None)
        self._process.communicate(self._word)


def main(mark: str) -> None:
    """The guard process: wait for the end of standard input, then sweep unless released."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it must outlive the starter, and ends by itself right after it
    if sys.stdin.buffer.read() == _RELEASED:
        return
    deadline = time.monotonic() + _GRACE_SECONDS
    _signal_all(mark, signal.SIGTERM)
    _signal_all(mark, signal.SIGCONT)
    while _marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    while _signal_all(mark, signal.SIGKILL):
        time.sleep(0.05)
    for staging in cache_dir().glob(f".new-*-{mark}"):
        shutil.rmtree(staging, ignore_errors=True)


def _signal_all(mark: str, number: signal.Signals) -> bool:
    pids = _marked(mark)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(pids)


def _marked(mark: str) -> list[int]:
    """The living processes whose environment carries the mark (a dead one that waits to be reaped has none)."""
    needle = f"{_VARIABLE}={mark}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if needle in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main(sys.argv[1])
