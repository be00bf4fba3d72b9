"""The second verifier, ``tests/verifier/verify.mjs``, as a process: what it says of a bundle in a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

PROGRAM = Path(__file__).parents[1] / "verifier" / "verify.mjs"


class Told(NamedTuple):
    """How it ended, and its lines."""

    status: int
    lines: list[str]

    @property
    def places(self) -> set[str]:
        """Of each finding its check and its place."""
        return {": ".join(line.split(": ")[:2]) for line in self.lines}


def second_verdict(folder: Path, key: str, witness: str | None = None) -> Told:
    """Run it with these vkeys pinned; raises ValueError with its message when it gives no verdict."""
    command = ["node", str(PROGRAM), str(folder), "--key", key, *(["--witness", witness] if witness else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode not in {0, 1}:
        raise ValueError(done.stderr)
    assert done.stderr == ""
    return Told(done.returncode, done.stdout.splitlines())
