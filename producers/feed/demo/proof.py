"""The last step of the demonstration: everything that happened is in the audit log, and the log verifies against its witness and its topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from corpactions.auditing.report import Report, Request
from corpactions.auditing.verification import verify_log
from corpactions.ports import Clock
from corpactions.security.published import read_key
from corpactions.settings import Settings

_LOOK_SECONDS: Final = 1.0


def prove(settings: Settings, clock: Clock, seconds: float, told: Callable[[int, int], None]) -> Report:
    """Verify the log until all that was published is logged and witnessed, or the time is over; the last report.

    Args:
        settings: where the log, its topic and its witness are.
        clock: for waiting.
        seconds: how long the log may take to catch up; a checkpoint is due ten seconds after the last entry.
        told: told of entries read and entries in all.

    Raises:
        Unavailable: MySQL does not answer.
        Fatal: there is no log.
    """
    deadline = clock.monotonic() + seconds
    request = Request(trusted=read_key(settings.audit_trusted_key, "CA_AUDIT_TRUSTED_KEY"))
    while True:
        report = verify_log(settings, request, told)
        if complete(report) or report.findings or clock.monotonic() > deadline:
            return report
        clock.sleep(_LOOK_SECONDS)


def complete(report: Report) -> bool:
    """Whether everything is logged, verified, and under a witnessed checkpoint."""
    return report.verified and report.not_logged == 0 and report.witnessed == report.size
