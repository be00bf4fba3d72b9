"""Flame graphs of what is measured: which code the time of a process goes to, sampled from outside while it works.

Sampling costs the process a few per cent, so a benchmark draws its graph in an interval of its own, after those that count.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SAMPLES_A_SECOND = 400
_DRAWING_SECONDS = 60.0


class Flames:
    """Draws into a folder, or nowhere.

    Args:
        folder: where ``<name>.svg`` is written, one file for each process (the second is ``<name>-2.svg``); None switches drawing off.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def __bool__(self) -> bool:
        return self._folder is not None

    @contextmanager
    def of(self, name: str, pids: Sequence[int]) -> Iterator[None]:
        """Sample these processes while the block runs.

        Raises:
            RuntimeError: a process cannot be sampled; the message says what the sampler said.
        """
        if self._folder is None:
            yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        files = [self._folder / f"{name.replace('.', '-')}{f'-{number}' if number > 1 else ''}.svg" for number in range(1, len(pids) + 1)]
        samplers = [_Sampler(pid, file) for pid, file in zip(pids, files, strict=True)]
        try:
            yield
        finally:
            for sampler in samplers:
                sampler.draw()


class _Sampler:
    """One process's py-spy: it samples until it is interrupted, and then draws. Threads that wait are left out."""

    def __init__(self, pid: int, file: Path) -> None:
        sampler = Path(sys.executable).with_name("py-spy")
        options = ["--function", "--threads", "--rate", str(_SAMPLES_A_SECOND), "--duration", "unlimited"]
        self._command = [str(sampler), "record", "--pid", str(pid), "--output", str(file), *options]
        self._file = file
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        assert self._process.stdout is not None
        self._said = self._process.stdout.readline()  # that it samples, or why it cannot

    def draw(self) -> None:
        """Write the file, under its own name in place of the command, which tells where this machine keeps things."""
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=_DRAWING_SECONDS)
        if self._process.returncode or not self._file.exists():
            raise RuntimeError(f"py-spy draws nothing: {self._said}{said}")
        drawing = self._file.read_text()
        self._file.write_text(drawing.replace(" ".join(self._command), self._file.stem) + "\n")
