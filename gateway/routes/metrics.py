"""Metrics for Prometheus."""

from __future__ import annotations

import logging
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from corpactions.domain.errors import CorporateActionsError
from corpactions.persistence.audit_published import Progress
from corpactions.telemetry.metrics import CONTENT_TYPE, AuditState
from gateway.services import Auditing, services_of

router = APIRouter()
_log = logging.getLogger(__name__)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Show the metrics. How far the audit log is, is asked of MySQL at each scrape; while it does not answer, those values are NaN and the others remain."""
    services = services_of(request)
    services.metrics.audit_state(_state(await _progress(services.audit), services.clock.now()))
    return Response(services.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


async def _progress(audit: Auditing) -> Progress | None:
    try:
        return await audit.threads.call(audit.log.progress)
    except CorporateActionsError as error:
        _log.warning("how far the audit log is cannot be told: %s", error)
        return None


def _state(progress: Progress | None, now: datetime) -> AuditState:
    if progress is None:
        return AuditState()
    return AuditState(
        progress.entries,
        progress.checkpoint,
        (now - progress.checkpoint_at).total_seconds(),
        progress.witnessed,
        (now - progress.witnessed_at).total_seconds(),
    )
