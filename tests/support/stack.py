"""One private stack of real servers for a test run, shared by all its processes, and nothing left when the last of them ends.

Whoever needs the servers first starts a keeper process. Every user holds a shared lock on one file for as long as it lives, and the keeper waits for the
exclusive lock: it gets it when the last user is gone, however it went, and then stops the servers.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.local.guard import Guard
from infra.local.layout import CLONE
from infra.local.ports import Ports
from infra.local.stack import Stack

START_SECONDS = 300
"""Longest start: the servers may have to be installed first."""


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, Any]]:
    """The endpoints of running servers: those that CA_TEST_ENDPOINTS names, else those of the stack in ``folder``, started if need be."""
    if given := os.environ.get("CA_TEST_ENDPOINTS"):
        yield json.loads(Path(given).read_text())
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with (folder / "start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            if not (folder / "endpoints.json").exists():
                _start_keeper(folder)
        yield json.loads((folder / "endpoints.json").read_text())


def _start_keeper(folder: Path) -> None:
    log = folder / "keeper.log"
    with log.open("w") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.stack", str(folder)], cwd=CLONE, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "endpoints.json").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            raise RuntimeError(f"the servers did not start:\n{log.read_text()}")
        time.sleep(0.05)


def keep(folder: Path) -> None:
    """The keeper: start the servers, write their endpoints, stop them when nobody uses them any more."""
    endpoints = folder / "endpoints.json"
    stack = _kind()(folder / "run", Ports.free())
    with Guard(), stack:
        draft = folder / "endpoints.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(stack.endpoints()))
        draft.rename(endpoints)
        with (folder / "users").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            endpoints.unlink()
            stack.stop()
            shutil.rmtree(folder / "run" / "data", ignore_errors=True)


def _kind() -> type[Stack]:
    """Processes, or containers when CA_TEST_STACK asks for them."""
    kind = os.environ.get("CA_TEST_STACK") or "native"
    if kind == "native":
        return Stack
    if kind != "containers":
        raise ValueError(f"CA_TEST_STACK={kind!r} is no kind of stack; use native or containers")
    from tests.support.containers import Containers

    return Containers


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
