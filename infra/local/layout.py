"""Where the local stack keeps things: the clone, the cache shared by all clones, and one run directory per stack."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).resolve().parents[2]
"""The root of this clone."""


def cache_dir() -> Path:
    """The folder for installed servers, shared by every clone of this user (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "corporate-actions"


def default_run_dir() -> Path:
    """``CA_RUN_DIR``, or ``.run`` in the clone."""
    return Path(os.environ.get("CA_RUN_DIR") or CLONE / ".run").absolute()


@dataclass(frozen=True)
class RunDir:
    """The folders and files of one stack."""

    root: Path

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        """One pid file per process."""
        return self.root / "pids"

    @property
    def secrets(self) -> Path:
        """Generated passwords, mode 600."""
        return self.root / "secrets.json"

    @property
    def endpoints(self) -> Path:
        """Addresses and demo credentials, mode 600."""
        return self.root / "endpoints.json"

    @property
    def audit_keys(self) -> Path:
        """The audit log's private keys."""
        return self.root / "audit" / "keys"

    @property
    def witness(self) -> Path:
        """What the witness of the audit log keeps, its own key included."""
        return self.root / "witness"

    @property
    def witness_trusted(self) -> Path:
        """The public keys of the logs that the witness knows."""
        return self.root / "audit" / "trusted"

    @property
    def lock(self) -> Path:
        """Held while a command changes this stack, so that two never do so at once."""
        return self.root / "lock"

    def data(self, server: str) -> Path:
        """What ``server`` keeps across restarts."""
        return self.root / "data" / server

    def create(self) -> None:
        """Make the folders; the root is private because it holds data and passwords."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        self.pids.mkdir(exist_ok=True)
