"""What a person sees: one aligned line per step, with the time it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Final

_LONG_SECONDS: Final = 2.0
_COLOURS: Final = {"ok": "\033[32m", "…": "\033[2m", "!!": "\033[31m"}
_MARKS: Final = {"ok": "✓ ", "…": "… ", "!!": "✗ "}


class Console:
    """Prints steps; coloured on a terminal, plain elsewhere."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty()
        self._lock = Lock()

    def title(self, text: str) -> None:
        """A heading."""
        with self._lock:
            print(f"\n\033[1m{text}\033[0m" if self._colour else f"\n{text}", flush=True)

    def line(self, mark: str, name: str, text: str, seconds: float | None = None) -> None:
        """One line: how it stands (``ok``, ``…`` under way, ``!!`` failed), what, and how long it took."""
        took = "" if seconds is None else f"{seconds:6.1f} s"
        with self._lock:
            if self._colour:
                print(f"  {_COLOURS[mark]}{_MARKS[mark]}\033[0m {name:<14} {text:<60} \033[2m{took}\033[0m".rstrip(), flush=True)
            else:
                print(f"  {mark:<3} {name:<14} {text:<60} {took}".rstrip(), flush=True)

    @contextmanager
    def step(self, name: str, doing: str, done: str, quiet_below: float = 0.0) -> Iterator[None]:
        """Print ``done`` with the time taken when the block ends well; say ``doing`` meanwhile when it takes long.

        A step quicker than ``quiet_below`` seconds is not worth a line.
        """
        began = time.monotonic()
        meanwhile = Timer(_LONG_SECONDS, self.line, ("…", name, doing))
        meanwhile.daemon = True
        meanwhile.start()
        try:
            yield
        finally:
            meanwhile.cancel()
        took = time.monotonic() - began
        if took >= quiet_below:
            self.line("ok", name, done, took)

    def error(self, text: str) -> None:
        """The one line of a failure, to standard error."""
        with self._lock:
            print(f"\033[31merror:\033[0m {text}" if sys.stderr.isatty() else f"error: {text}", file=sys.stderr, flush=True)
