"""Verifications of the audit log that callers ask for: each runs in a process of its own (``gateway.verification``), so that the gateway's answers do not wait for it.

Invariant: a gateway runs one at a time, and takes it along when it ends. How far each is stands in MySQL, for any gateway to tell.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from typing import Final, NamedTuple

from corpactions.persistence.audit_verifications import FAILED, RUNNING, AuditVerifications, VerificationStep
from corpactions.ports.ambient import Clock, IdSource

END_SECONDS: Final = 5.0
"""How long a verification may take to write down that it was stopped."""


class Wanted(NamedTuple):
    """What is to be verified: entries ``first`` to ``end`` - 1, ``end`` being None for the log's end."""

    first: int
    end: int | None


class Running(Exception):
    """A verification is running already."""

    def __init__(self, verification_id: str) -> None:
        super().__init__(f"{verification_id} is running")
        self.verification_id = verification_id


class Verifier:
    """Starts verifications, one at a time. Its methods wait for MySQL and for processes: call them from a thread.

    Args:
        kept: where their steps stand.
        ids: names them.
        clock: for the time of the first step.
    """

    def __init__(self, kept: AuditVerifications, ids: IdSource, clock: Clock) -> None:
        self._kept = kept
        self._ids = ids
        self._clock = clock
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._id = ""

    def start(self, wanted: Wanted) -> VerificationStep:
        """Start one; its first step is stored when this returns.

        Raises:
            Running: one is running.
            Unavailable: MySQL does not answer; nothing was started.
        """
        with self._lock:
            if self._child is not None and self._child.poll() is None:
                raise Running(self._id)
            self._id, now = self._ids.event_id(), self._clock.now()
            document = {
                "requested": {"from": wanted.first, "to": wanted.end},
                "started_at": now.isoformat(),
                "progress": {"read": 0, "of": None},
            }
            step = VerificationStep(self._id, 0, now, RUNNING, document)
            self._kept.add(step)
            arguments = [self._id, str(wanted.first), *([] if wanted.end is None else [str(wanted.end)])]
            try:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "gateway.verification", *arguments], stdin=subprocess.PIPE, start_new_session=True
                )
            except OSError as error:
                self._kept.add(step._replace(step=1, state=FAILED, document=document | {"error": f"it could not be started: {error}"}))
                raise
            return step

    def close(self) -> None:
        """End a verification that is running: the end of its standard input tells it, and it says so before it goes."""
        with self._lock:
            if self._child is None:
                return
            assert self._child.stdin is not None, "opened with a pipe"
            self._child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(END_SECONDS)
            self._child.kill()
            self._child.wait()
