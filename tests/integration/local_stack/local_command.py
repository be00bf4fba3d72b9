"""Run the local stack's commands as a person would, each in a run directory and on ports of its own."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.layout import CLONE
from infra.local.ports import Ports, variable


@dataclass(frozen=True)
class LocalCommand:
    """``python -m infra.local`` with one run directory and one set of ports."""

    run_dir: Path
    ports: Ports

    @property
    def environment(self) -> dict[str, str]:
        """What tells the command its run directory and ports; every process it starts carries it too."""
        return (
            os.environ
            | {"CA_RUN_DIR": str(self.run_dir), "CA_DEMO_ONCE": "1"}
            | {variable(name): str(port) for name, port in asdict(self.ports).items()}
        )

    def run(self, command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        argv = [sys.executable, "-m", "infra.local", command]
        return subprocess.run(argv, cwd=CLONE, env=self.environment | changes, capture_output=True, text=True, check=False, timeout=120)

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start one command in a session of its own, like a terminal's."""
        argv = [sys.executable, "-m", "infra.local", command]
        output = (self.run_dir.parent / "output").open("wb")
        return subprocess.Popen(argv, cwd=CLONE, env=self.environment, stdout=output, stderr=output, start_new_session=True)

    def living(self) -> list[str]:
        """Every process that was started for this run directory and still lives, guard included."""
        needle = f"CA_RUN_DIR={self.run_dir}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if needle in (entry / "environ").read_bytes():
                        found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
        return found
