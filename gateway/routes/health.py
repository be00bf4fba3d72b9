"""Liveness and readiness."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.answers import json_response
from gateway.models.answers import Live, Ready
from gateway.openapi import answer, problems
from gateway.problems import RETRY_SECONDS, Code, Refused
from gateway.services import services_of

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "/live",
    response_model=None,
    operation_id="live",
    summary="Is the process alive?",
    responses={200: answer(Live, "It is.", {"status": "live"}), **problems(Code.MALFORMED_HEADER, Code.INTERNAL_ERROR)},
)
async def live(_request: Request) -> Response:
    """Tell that the process serves requests. Says nothing about what it depends on: restarting the gateway would not mend that."""
    return json_response({"status": "live"})


@router.get(
    "/ready",
    response_model=None,
    operation_id="ready",
    summary="Can the gateway do its work?",
    responses={
        200: answer(Ready, "It can.", {"status": "ready", "checks": {"mysql": None, "kafka": None, "registry": None}}),
        **problems(Code.MALFORMED_HEADER, Code.INTERNAL_ERROR, Code.NOT_READY),
    },
)
async def ready(request: Request) -> Response:
    """Ask what the gateway depends on, at most once a second and for at most a second; name what does not answer."""
    findings = await services_of(request).readiness.findings()
    wrong = {name: finding for name, finding in findings.items() if finding is not None}
    if wrong:
        raise Refused(Code.NOT_READY, "; ".join(wrong.values()), retry_after=RETRY_SECONDS, extra={"checks": findings})
    return json_response({"status": "ready", "checks": findings})
