"""Entries of the audit log, each verified as it is read, and what proves them to others."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from corpactions.domain.audit.entry import ACTION_CHARACTERS, ACTOR_CHARACTERS, CODE_CHARACTERS
from corpactions.domain.errors import Fatal
from corpactions.domain.fields import symbol_problem
from corpactions.domain.identity import EVENT_ID
from corpactions.persistence.audit_reading import EntryQuery
from gateway import examples_audit as examples
from gateway.answers import json_response
from gateway.answers_audit import decode_cursor, entry_document, page_document, verification_summary
from gateway.auditing import consistency_document
from gateway.models.audit import AuditPage, Consistency, EntryProof, ReadEntry
from gateway.openapi import CORRELATION_PARAMETER, answer, read_problems
from gateway.problems import RETRY_SECONDS, Code, FieldError, Refused, invalid
from gateway.requests import no_parameters, number_of
from gateway.routes.values import Digits, Order, Time
from gateway.services import services_of

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
_EXTRA: Final[dict[str, Any]] = {"parameters": [CORRELATION_PARAMETER]}
MAX_PAGE: Final = 500
NUMBER: Final = "^(0|[1-9][0-9]{0,15})$"
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
Seq = Annotated[str, Path(description="The entry's number, from 0.", json_schema_extra={"pattern": NUMBER}, examples=["1"])]
_FILTER_MENDS: Final = {
    "event_type": f"write it as entries show it: capitals and underscores, at most {CODE_CHARACTERS}",
    "action": f"write it as entries show it: capitals and underscores, at most {ACTION_CHARACTERS}",
    "event_id": "send the event_id that the gateway answered",
    "actor": f"write it as entries show it: 1 to {ACTOR_CHARACTERS} printable characters",
}


class AuditParameters(BaseModel):
    """Which entries to read."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    recorded_from: Annotated[Time | None, Field(alias="from")] = None
    """Recorded at this time or later."""
    recorded_to: Annotated[Time | None, Field(alias="to")] = None
    """Recorded before this time."""
    event_type: Annotated[str | None, Field(json_schema_extra={"pattern": "^[A-Z][A-Z0-9_]{0,15}$"})] = None
    symbol: Annotated[str | None, Field(json_schema_extra={"pattern": r"^[A-Z0-9][A-Z0-9.\-]{0,15}$"})] = None
    """Only this security's entries."""
    event_id: Annotated[str | None, Field(json_schema_extra={"format": "uuid"})] = None
    """Only this event's entries."""
    actor: Annotated[str | None, Field(json_schema_extra={"pattern": "^[!-~]{1,128}$"})] = None
    """Who is answerable, exactly."""
    action: Annotated[str | None, Field(json_schema_extra={"pattern": "^[A-Z][A-Z0-9_]{0,31}$"})] = None
    """What was done, exactly."""
    order: Order = "newest"
    limit: Annotated[Digits, Field(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[str | None, Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{16}$"})] = None
    """``next_cursor`` of the page before; the other parameters stay the same."""

    def query(self) -> EntryQuery:
        """The question for the reader. Raises Refused (422) for a value that cannot be one."""
        if errors := self._errors():
            raise invalid(errors)
        query = EntryQuery(
            log_id=0,
            limit=self.limit,
            oldest_first=self.order == "oldest",
            recorded_from=self.recorded_from,
            recorded_to=self.recorded_to,
            event_type=self.event_type,
            symbol=self.symbol,
            resource=None if self.event_id is None else f"event:{self.event_id.lower()}",
            actor=self.actor,
            action=self.action,
        )
        return query if self.cursor is None else query._replace(after=decode_cursor(self.cursor, query))

    def _errors(self) -> list[FieldError]:
        good = {
            "event_type": _is_code(self.event_type, CODE_CHARACTERS),
            "action": _is_code(self.action, ACTION_CHARACTERS),
            "event_id": self.event_id is None or EVENT_ID.fullmatch(self.event_id.lower()) is not None,
            "actor": self.actor is None or (0 < len(self.actor) <= ACTOR_CHARACTERS and self.actor.isprintable()),
        }
        errors = [
            FieldError(f"/query/{name}", getattr(self, name), "cannot be one", _FILTER_MENDS[name])
            for name, fine in good.items()
            if not fine
        ]
        if self.symbol is not None and (problem := symbol_problem(self.symbol)) is not None:
            errors.append(FieldError.of(problem, "/query"))
        if self.recorded_from is not None and self.recorded_to is not None and self.recorded_from >= self.recorded_to:
            errors.append(FieldError("/query/to", self.recorded_to.isoformat(), "is not after from", "give a later time, or leave it out"))
        return errors


class ConsistencyParameters(BaseModel):
    """Between which sizes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    first: Annotated[str, Field(alias="from", json_schema_extra={"pattern": "^[1-9][0-9]{0,15}$"})]
    """Size of the earlier tree, 1 or more."""
    second: Annotated[str | None, Field(alias="to", json_schema_extra={"pattern": "^[1-9][0-9]{0,15}$"})] = None
    """Size of the later tree; by default that of the newest checkpoint, which is also the largest."""


@router.get(
    "",
    response_model=None,
    operation_id="listAuditEntries",
    summary="Read audit entries",
    responses={200: answer(AuditPage, "A page, newest first unless asked otherwise.", examples.PAGE), **read_problems(Code.NOT_PUBLISHED)},
    openapi_extra=_EXTRA,
)
async def list_entries(request: Request, parameters: Annotated[AuditParameters, Query()]) -> Response:
    """Read entries, each verified as it is read: its bytes against the tree of the newest checkpoint and its batch's signature, its link, its search columns.

    One that fails is shown with what failed; the others are not kept back. Filters are combined; pass ``next_cursor`` as ``cursor`` to go on.
    """
    audit, query = services_of(request).audit, parameters.query()

    def read() -> dict[str, Any]:
        audit.log.log()
        return page_document(audit.auditor.page(query), query)

    return json_response(await audit.pages.call(read))


@router.get(
    "/entries/{seq}",
    response_model=None,
    operation_id="readAuditEntry",
    summary="Read an audit entry",
    responses={200: answer(ReadEntry, "The entry.", examples.READ_ENTRY), **read_problems(Code.NOT_PUBLISHED, Code.AUDIT_ENTRY_NOT_FOUND)},
    openapi_extra=_EXTRA,
    dependencies=[Depends(no_parameters)],
)
async def read_entry(request: Request, seq: Seq) -> Response:
    """Read one entry by its number, verified as it is read."""
    audit, number = services_of(request).audit, number_of(seq, "/path/seq")

    def read() -> dict[str, Any]:
        audit.log.log()
        page = audit.auditor.entry(number)
        if not page.shown.entries:
            raise _no_entry(number, missing=bool(page.findings))
        return {"entry": entry_document(page.shown.entries[0]), "verification": verification_summary(page)}

    return json_response(await audit.pages.call(read))


@router.get(
    "/entries/{seq}/proof",
    response_model=None,
    operation_id="proveAuditEntry",
    summary="Prove an audit entry",
    responses={
        200: answer(EntryProof, "The proof.", examples.PROOF),
        **read_problems(Code.NOT_PUBLISHED, Code.AUDIT_ENTRY_NOT_FOUND, Code.NOT_PROVABLE),
    },
    openapi_extra=_EXTRA,
    dependencies=[Depends(no_parameters)],
)
async def prove_entry(request: Request, seq: Seq) -> Response:
    """Read what proves one entry to anybody who has a key of the log: its path to a checkpoint's root, and its own signature.

    The proof is of what is stored; whoever receives it checks it. `corpactions audit verify-proof` does.
    """
    audit, number = services_of(request).audit, number_of(seq, "/path/seq")

    def read() -> dict[str, Any]:
        published = audit.log.newest()
        try:
            proof = audit.access.proof(number)
            if proof is not None:
                return proof.document()
        except (Fatal, ValueError) as error:
            raise Refused(Code.NOT_PROVABLE, f"what is stored does not give the proof: {error}; see the runbook audit-chain") from error
        if audit.access.reader.entries_at(published.log.log_id, [number]):
            detail = f"no checkpoint is over entry {number} yet; the next one will be within seconds"
            raise Refused(Code.NOT_PUBLISHED, detail, retry_after=RETRY_SECONDS)
        raise _no_entry(number, missing=False)

    return json_response(await audit.pages.call(read))


@router.get(
    "/consistency",
    response_model=None,
    operation_id="proveConsistency",
    summary="Prove that the log only grew",
    responses={
        200: answer(Consistency, "The path.", examples.CONSISTENCY),
        **read_problems(Code.NOT_PUBLISHED, Code.NOT_PROVABLE),
    },
    openapi_extra=_EXTRA,
)
async def prove_consistency(request: Request, parameters: Annotated[ConsistencyParameters, Query()]) -> Response:
    """Read the path that proves that one tree of the log begins with an earlier one, with their roots and checkpoints."""
    audit = services_of(request).audit
    first = number_of(parameters.first, "/query/from", least=1)
    second = None if parameters.second is None else number_of(parameters.second, "/query/to", least=1)
    if second is not None and second < first:
        raise invalid([FieldError("/query/to", second, f"is less than from, which is {first}", "give the larger size as to")])

    def read() -> dict[str, Any]:
        audit.log.newest()
        try:
            return consistency_document(audit.access, first, second)
        except Fatal as error:
            raise Refused(Code.NOT_PROVABLE, f"what is stored does not give the path: {error}; see the runbook audit-chain") from error

    return json_response(await audit.pages.call(read))


def _is_code(value: str | None, longest: int) -> bool:
    return value is None or (len(value) <= longest and _CODE.fullmatch(value) is not None)


def _no_entry(seq: int, *, missing: bool) -> Refused:
    detail = (
        f"entry {seq} is missing, though a checkpoint is over it; see the runbook audit-chain"
        if missing
        else f"there is no entry {seq}: the log is shorter, or its segment was removed after its time"
    )
    return Refused(Code.AUDIT_ENTRY_NOT_FOUND, detail)
