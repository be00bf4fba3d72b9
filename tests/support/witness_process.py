"""The real witness in a process of its own, with a folder that stays across its starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from corpactions.domain.audit.notes import Key
from corpactions.security.witness import WitnessClient
from tests.support.signing import MemorySigner

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0


class WitnessProcess:
    """``python -m consumers.witness`` on a port of the system's choice.

    Args:
        folder: for its store, its list of trusted keys and its log.
        trusted: the keys of logs that it knows.
    """

    def __init__(self, folder: Path, trusted: Sequence[Key] = (MemorySigner().key,)) -> None:
        self.store = folder / "witness"
        self.trusted = folder / "trusted"
        self.log = folder / "witness.log"
        self.trusted.write_text("".join(f"{key.name} {key.vkey}\n" for key in trusted))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def vkey(self) -> str:
        return (self.store / "public" / "vkey").read_text().strip()

    def client(self) -> WitnessClient:
        """A client that knows its key."""
        return WitnessClient(self.url, [self.vkey])

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it without waiting."""
        environment = {
            "PATH": os.environ["PATH"],
            "CA_WITNESS_PORT": "0",
            "CA_WITNESS_STORE": str(self.store),
            "CA_WITNESS_TRUSTED": str(self.trusted),
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "consumers.witness"], cwd=ROOT, env=environment, stderr=log)
        return self._process

    def start(self) -> WitnessProcess:
        """Start it and wait until it listens."""
        process, deadline = self.launch(), time.monotonic() + START_SECONDS
        while not (lines := [line for line in self.lines() if " listens on 127.0.0.1:" in line["event"]]):
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        self.port = int(lines[-1]["event"].partition(" listens on 127.0.0.1:")[2].split()[0])
        return self

    def lines(self) -> list[dict[str, str]]:
        """What it has logged since it was started."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(how)
        return self._process.wait(20)
