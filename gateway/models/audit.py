"""Bodies of the audit log's requests and answers, as the API's description shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


_Number = Annotated[int, Field(json_schema_extra={"minimum": 0, "maximum": 2**53 - 1})]


class VerificationRequest(_Model):
    """Which entries to verify; whole segments of 65,536 are."""

    first: Annotated[_Number, Field(alias="from")] = 0
    """The first entry; the verification begins with its segment."""
    end: Annotated[_Number | None, Field(alias="to")] = None
    """Stop before this entry, at the end of a segment; null for the log's end."""


class VerificationProgress(_Model):
    """How far a verification is: entries read, and how many there are to read, once that is known."""

    read: int
    of: int | None


class VerificationRange(_Model):
    """What was asked for."""

    first: Annotated[int, Field(alias="from")]
    end: Annotated[int | None, Field(alias="to")]


class Verification(BaseModel):
    """A verification and where it stands."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    verification_id: UUID
    state: Literal["RUNNING", "DONE", "FAILED", "ABANDONED"]
    """DONE: there is a report. FAILED: it could not be done, ``error`` says why. ABANDONED: whoever ran it has gone."""
    requested: VerificationRange
    started_at: datetime
    updated_at: datetime
    progress: VerificationProgress
    verified: bool | None
    """Once it is done: nothing was found, and everybody who was to be asked has answered."""
    error: str | None
    report: dict[str, Any] | None
    """What was verified, against which sources, and the findings. Left out in lists."""


class Verifications(BaseModel):
    """The latest verifications, the latest first, without their reports."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    items: list[Verification]
