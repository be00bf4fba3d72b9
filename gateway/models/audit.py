"""Bodies of the audit log's requests and answers, as the API's description shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


_Number = Annotated[int, Field(json_schema_extra={"minimum": 0, "maximum": 2**53 - 1})]


class Source(_Model):
    """Where a record stands on the audit topic."""

    topic: str
    partition: int
    offset: int


class AuditEntry(_Model):
    """An entry, and what its verification gave. Its fields are those of its body, null where that cannot be read."""

    seq: int
    """Its number, from 0."""
    log: str | None
    hash: str
    """SHA-256(0x00, body) of the stored bytes, in hex: its link in the chain and its leaf in the tree."""
    prev: str | None
    """The hash of the entry before."""
    recorded_at: str | None
    record_id: str | None
    action: str | None
    actor: str | None
    resource: str | None
    event_type: str | None
    symbol: str | None
    source: Source | None
    detail: dict[str, Any] | None
    body: str | None
    """The stored bytes in base64, of a body that cannot be read; those of all others are what the fields say, as canonical JSON."""
    verified: bool
    failed: list[str]
    """The checks that failed: body, columns, chain, sequence, signature, root."""
    checkpoint: Literal["covered", "pending"]
    """Pending: no checkpoint is over it yet, and it was held against its batch's signature alone."""


class UsedCheckpoint(_Model):
    """The checkpoint under which a page was verified."""

    origin: str
    size: int
    root: str
    """In base64."""
    witnessed_at: str | None
    """When the witness signed it; null when none has, or its key is not known here."""


class SharedFinding(_Model):
    """Something that is wrong with what entries share, or an entry that is missing."""

    check: str
    seq: int | None
    place: str
    detail: str


class PageVerification(_Model):
    """What the verification of a page gave."""

    checkpoint: UsedCheckpoint | None
    verified: int
    """Entries of the page that passed every check."""
    failed: int
    completeness: Literal["proven", "not_proven"]
    """Proven: no entry between the page's first and last is missing. A search cannot prove that nothing was left out."""
    key: Literal["trusted", "the log's own"]
    """Whether signatures were checked from a key that this gateway was given, or from one that the log names itself."""
    findings: list[SharedFinding]


class AuditPage(_Model):
    """A page of entries, each verified as it was read."""

    items: list[AuditEntry]
    next_cursor: str | None
    """Pass it as ``cursor`` for the next page; null on the last one."""
    verification: PageVerification


class ReadEntry(_Model):
    """One entry, verified as it was read."""

    entry: AuditEntry
    verification: PageVerification


class EntryProof(_Model):
    """Everything that proves an entry to a stranger who has a key of the log: see docs/audit-format.md."""

    format: Literal["corporate-actions/audit-proof/v1"]
    origin: str
    seq: int
    body: str
    """The entry's bytes, as text."""
    leaf_hash: str
    checkpoint: str
    """A signed note."""
    path: list[str]
    """From the leaf to the checkpoint's root, in base64."""
    batch: str
    """The signed note of the entry's batch."""
    batch_path: list[str]
    """From the leaf to the batch's root, in base64."""
    keys: list[str]
    """The key history: signed notes, number 1 first."""


class SizedTree(_Model):
    """A tree of the log. ``checkpoint`` is the signed note of exactly this size, if there is one."""

    size: int
    root: str
    checkpoint: str | None


class Consistency(_Model):
    """What proves that a later tree only adds to an earlier one."""

    origin: str
    first: Annotated[SizedTree, Field(alias="from")]
    second: Annotated[SizedTree, Field(alias="to")]
    path: list[str]
    """In base64; empty when the sizes are the same."""


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
