"""One verification of the audit log, as a process: ``python -m gateway.verification ID FIRST [END]``, started by ``gateway.verifying``.

It works at low priority, writes down every few seconds how far it is, then what it found, and goes when the gateway does (its standard input ends).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any, Final

from corpactions.auditing.report import Request
from corpactions.auditing.verification import verify_log
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.errors import CorporateActionsError, Unavailable
from corpactions.persistence.audit_verifications import DONE, FAILED, RUNNING, AuditVerifications, VerificationStep
from corpactions.ports.ambient import Clock
from corpactions.security.published import read_key
from corpactions.settings import load
from corpactions.system import SystemClock
from corpactions.telemetry import logs

BEAT_SECONDS: Final = 5.0
LAST_SECONDS: Final = 60.0
"""How long the result waits for a MySQL that is away."""
_NICE: Final = 10
_LOG: Final = logging.getLogger(__name__)


class Steps:
    """The steps of one verification, whose first the gateway has stored. Used from several threads.

    Args:
        kept: where they go.
        first: the first one.
        clock: for their times.
    """

    def __init__(self, kept: AuditVerifications, first: VerificationStep, clock: Clock) -> None:
        self._kept = kept
        self._newest = first
        self._clock = clock
        self._lock = threading.Lock()
        self._read = 0
        self._of: int | None = None

    def told(self, read: int, of: int) -> None:
        """So many more entries were read, of how many."""
        self._read, self._of = self._read + read, of

    def add(self, state: str, **more: Any) -> None:
        """Store a step; none follows one that is not RUNNING. Raises Unavailable."""
        with self._lock:
            if self._newest.state != RUNNING:
                return
            document = {**self._newest.document, "progress": {"read": self._read, "of": self._of}, **more}
            step = VerificationStep(self._newest.verification_id, self._newest.step + 1, self._clock.now(), state, document)
            self._kept.add(step)
            self._newest = step

    def finish(self, state: str, **more: Any) -> None:
        """Store the last step, and wait for a MySQL that is away."""
        deadline = self._clock.monotonic() + LAST_SECONDS
        while True:
            try:
                return self.add(state, **more)
            except Unavailable as error:
                _LOG.warning("the result waits: %s", error)
                if self._clock.monotonic() > deadline:
                    raise
                self._clock.sleep(0.5)


def main() -> int:
    """Verify; 0 when a result was stored, whatever it is."""
    verification_id, first, *end = sys.argv[1:]
    settings, clock = load(), SystemClock()
    logs.configure("gateway-verification", verification_id, settings.log_level)
    os.nice(_NICE)
    kept = AuditVerifications(build_engine(settings, pool_size=1))
    begun = kept.newest(verification_id)
    assert begun is not None, "the gateway stores the first step before it starts this process"
    steps = Steps(kept, begun, clock)
    for work in (lambda: _beat(steps, clock), lambda: _go_with_the_gateway(steps)):
        threading.Thread(target=work, daemon=True).start()
    try:
        request = Request(
            trusted=read_key(settings.audit_trusted_key, "CA_AUDIT_TRUSTED_KEY"), first=int(first), end=int(end[0]) if end else None
        )
        report = verify_log(settings, request, steps.told)
    except CorporateActionsError as error:
        _LOG.error("not verified: %s", error)
        steps.finish(FAILED, error=str(error))
        return 0
    _LOG.log(logging.INFO if report.verified else logging.ERROR, "verified: %s, findings: %s", report.verified, dict(report.counts))
    steps.finish(DONE, report=report.document())
    return 0


def _beat(steps: Steps, clock: Clock) -> None:
    while True:
        clock.sleep(BEAT_SECONDS)
        try:
            steps.add(RUNNING)
        except CorporateActionsError as error:
            _LOG.warning("a step could not be stored: %s", error)


def _go_with_the_gateway(steps: Steps) -> None:
    sys.stdin.buffer.read()
    try:
        steps.add(FAILED, error="the gateway that ran it has ended; ask for it again")
    finally:
        os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
