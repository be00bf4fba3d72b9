"""What the routes work with, put together by ``gateway.__main__`` and found in the application's state."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request

from corpactions.auditing.access import AuditAccess
from corpactions.persistence.audit_published import PublishedLog
from corpactions.persistence.audit_verifications import AuditVerifications
from corpactions.persistence.threads import Threads
from corpactions.ports.ambient import Clock
from corpactions.ports.events import EventReader
from corpactions.telemetry.metrics import Metrics
from gateway.auditing import Auditor
from gateway.handler import Handler
from gateway.health import Readiness
from gateway.verifying import Verifier


class Auditing(NamedTuple):
    """The audit log. Its parts wait for MySQL: ``access`` and ``auditor`` are called on the one thread of ``pages``, the others on ``threads``."""

    threads: Threads
    log: PublishedLog
    pages: Threads
    access: AuditAccess
    auditor: Auditor
    verifications: AuditVerifications
    verifier: Verifier


class Services(NamedTuple):
    """The working parts of a gateway."""

    handler: Handler
    reader: EventReader
    readiness: Readiness
    audit: Auditing
    metrics: Metrics
    clock: Clock


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    services: Services = request.app.state.services
    return services
