"""Follow all logs of a stack at once, each line with the name of its process."""

import sys
import time
from pathlib import Path
from typing import Final

from infra.local.layout import RunDir

_COLOURS: Final = ("\033[36m", "\033[33m", "\033[35m", "\033[32m", "\033[34m", "\033[31m")
_POLL_SECONDS: Final = 0.2
_TAIL_BYTES: Final = 2000


class _Log:
    """One log: where reading stands, and the start of a line that is not complete yet."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._partial = b""

    def new_lines(self) -> list[str]:
        """The lines completed since the last call."""
        with self._path.open("rb") as file:
            if file.seek(0, 2) < self._offset:
                self._offset, self._partial = 0, b""  # it was begun anew
            file.seek(self._offset)
            content = file.read()
        self._offset += len(content)
        *lines, self._partial = (self._partial + content).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def follow(run: RunDir, rounds: int | None = None) -> None:
    """Print the end of each log, then what comes, until interrupted (or for ``rounds`` looks)."""
    logs: dict[Path, _Log] = {}
    while rounds is None or rounds > 0:
        for path in sorted(run.logs.glob("*.log")):
            if path not in logs:
                logs[path] = _Log(path, max(0, path.stat().st_size - _TAIL_BYTES))
            for line in logs[path].new_lines():
                print(_prefix(path.stem, list(logs).index(path)), line, flush=True)
        rounds = None if rounds is None else rounds - 1
        time.sleep(_POLL_SECONDS)


def _prefix(name: str, index: int) -> str:
    text = f"{name:<20}|"
    return f"{_COLOURS[index % len(_COLOURS)]}{text}\033[0m" if sys.stdout.isatty() else text
