"""Verifications of the audit log that callers start and follow."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from corpactions.persistence.audit_verifications import VerificationStep
from gateway import examples_audit as examples
from gateway.answers import json_response, verification_document
from gateway.models.audit import Verification, Verifications
from gateway.openapi import CORRELATION_PARAMETER, answer, optional_body, read_problems
from gateway.problems import Code, FieldError, Refused, invalid
from gateway.requests import id_of, no_parameters, read_optional_document
from gateway.services import Auditing, services_of
from gateway.validation import verification_request
from gateway.verifying import Running, Wanted

router = APIRouter(prefix="/api/v1/audit/verify", tags=["audit"], dependencies=[Depends(no_parameters)])
VerificationId = Annotated[
    str, Path(description="The verification's id.", json_schema_extra={"format": "uuid"}, examples=[examples.VERIFICATION_ID])
]
LATEST: Final = 20
_BODY_BYTES: Final = 4_096
_EXTRA: Final[dict[str, Any]] = {"parameters": [CORRELATION_PARAMETER]}
_BODY_CODES: Final = (Code.MALFORMED_JSON, Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)


@router.post(
    "",
    status_code=202,
    response_model=None,
    operation_id="startVerification",
    summary="Verify the audit log",
    responses={
        202: answer(Verification, "It runs.", examples.VERIFICATION, {"Location": "Where to follow it."}),
        **read_problems(*_BODY_CODES, Code.NOT_PUBLISHED, Code.VERIFICATION_RUNNING),
    },
    openapi_extra=optional_body("VerificationRequest", {"whole": {}, "segment": {"from": 65_536, "to": 131_072}}),
)
async def start_verification(request: Request) -> Response:
    """Verify the log, or some segments of it, against its keys, its checkpoints, the witness, the topics and MySQL's guards, in the background.

    One at a time for each gateway; the answer to a second one names the first.
    """
    wanted = verification_request(await read_optional_document(request, _BODY_BYTES))
    audit, clock = services_of(request).audit, services_of(request).clock
    try:
        step = await audit.threads.call(lambda: _start(audit, wanted))
    except Running as running:
        detail = f"this gateway is verifying already ({running.verification_id}); wait for it, or ask another gateway"
        raise Refused(Code.VERIFICATION_RUNNING, detail, extra={"verification_id": running.verification_id}) from None
    location = f"/api/v1/audit/verify/{step.verification_id}"
    return json_response(verification_document(step, clock.now()), 202, {"Location": location})


@router.get(
    "",
    response_model=None,
    operation_id="listVerifications",
    summary="List the latest verifications",
    responses={200: answer(Verifications, "The latest first.", examples.VERIFICATIONS), **read_problems()},
    openapi_extra=_EXTRA,
)
async def list_verifications(request: Request) -> Response:
    """List the latest verifications, whichever gateway ran them, without their reports."""
    audit, now = services_of(request).audit, services_of(request).clock.now()
    steps = await audit.threads.call(lambda: audit.verifications.latest(LATEST))
    return json_response({"items": [verification_document(step, now) | {"report": None} for step in steps]})


@router.get(
    "/{verification_id}",
    response_model=None,
    operation_id="readVerification",
    summary="Read a verification",
    responses={
        200: answer(Verification, "Where it stands.", examples.VERIFICATION),
        **read_problems(Code.VERIFICATION_NOT_FOUND),
    },
    openapi_extra=_EXTRA,
)
async def read_verification(request: Request, verification_id: VerificationId) -> Response:
    """Read where a verification stands, and its report once it is done. Any gateway answers."""
    wanted = id_of(verification_id, "verification_id")
    audit, clock = services_of(request).audit, services_of(request).clock
    step: VerificationStep | None = await audit.threads.call(lambda: audit.verifications.newest(wanted))
    if step is None:
        raise Refused(Code.VERIFICATION_NOT_FOUND, f"there is no verification {wanted}; see /api/v1/audit/verify for the latest")
    return json_response(verification_document(step, clock.now()))


def _start(audit: Auditing, wanted: Wanted) -> VerificationStep:
    audit.log.log()
    progress = audit.log.progress()
    entries = 0 if progress is None else progress.entries
    if wanted.first >= max(entries, 1):
        raise invalid([FieldError("/from", wanted.first, f"lies beyond the log, which has {entries} entries", "begin within it")])
    return audit.verifier.start(wanted)
