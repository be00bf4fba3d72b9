"""The tables, as SQLAlchemy models; Alembic's migrations build exactly these and a test compares the two.

Conventions: ids are BINARY(16); codes and names that are ASCII by rule are ``ascii_bin``, so that no collation ever makes two symbols equal; times are UTC
``DATETIME(6)``; JSON holds strings and integers only, so that MySQL's own JSON numbers cannot change an amount. The happy path writes one row of ``events``
for an event: what a later change would overwrite is first moved to ``event_versions``, ``event_transitions`` and ``event_effects``.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import JSON, Date, Index, MetaData, Numeric, UniqueConstraint
from sqlalchemy.dialects.mysql import BIGINT, BINARY, DATETIME, INTEGER, MEDIUMBLOB, SMALLINT, TINYINT, VARBINARY, VARCHAR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RECORD_BYTES = 16_384
"""Largest audit record kept with an event: reasons and flags are bounded far below it."""
ERROR_CHARACTERS = 2_048
REASON_CHARACTERS = 1_024


def ascii_text(length: int) -> VARCHAR:
    """A code or name that is ASCII by rule, compared byte by byte."""
    return VARCHAR(length, charset="ascii", collation="ascii_bin")


ID = BINARY(16)
TEXT = VARCHAR
"""Text of any script, compared by its code points."""
_TIME = DATETIME(fsp=6)
_COLLATION = "utf8mb4_0900_bin"


class Base(DeclarativeBase):
    """Base of all models: constraint names by rule, so that migrations are the same everywhere."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: _TIME, date: Date(), dict[str, Any]: JSON(none_as_null=True)}


def table_args(*constraints: Any) -> tuple[Any, ...]:
    """What a model's ``__table_args__`` is: its indexes and unique constraints, and the character set and row format that all tables share."""
    return (*constraints, {"mysql_charset": "utf8mb4", "mysql_collate": _COLLATION, "mysql_row_format": "DYNAMIC"})


class Event(Base):
    """An event as it stands: its current version, the effect in force and the audit record of its last change (``record``, byte for byte as published)."""

    __tablename__ = "events"
    event_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    event_type: Mapped[str] = mapped_column(ascii_text(16))
    symbol: Mapped[str] = mapped_column(ascii_text(16))
    isin: Mapped[str | None] = mapped_column(ascii_text(12))
    source: Mapped[str] = mapped_column(ascii_text(64))
    source_reference: Mapped[str | None] = mapped_column(TEXT(128))
    origin: Mapped[str | None] = mapped_column(ascii_text(64))
    version: Mapped[int | None] = mapped_column(INTEGER)
    function: Mapped[str | None] = mapped_column(ascii_text(10))
    revision: Mapped[int] = mapped_column(INTEGER)
    version_revision: Mapped[int] = mapped_column(INTEGER)
    older_versions: Mapped[int] = mapped_column(INTEGER)
    status: Mapped[str] = mapped_column(ascii_text(10))
    cancel_function: Mapped[str | None] = mapped_column(ascii_text(4))
    key_date: Mapped[date | None]
    payload: Mapped[dict[str, Any] | None]
    effect: Mapped[dict[str, Any] | None]
    flags: Mapped[str] = mapped_column(ascii_text(255))
    attempts: Mapped[int] = mapped_column(TINYINT)
    error: Mapped[str | None] = mapped_column(TEXT(ERROR_CHARACTERS))
    content_sha256: Mapped[bytes | None] = mapped_column(BINARY(32))
    salt: Mapped[bytes | None] = mapped_column(ID)
    record: Mapped[bytes] = mapped_column(VARBINARY(RECORD_BYTES))
    accepted_at: Mapped[datetime]
    created_at: Mapped[datetime]
    processing_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    __table_args__ = table_args(
        UniqueConstraint("symbol", "source", "source_reference"),
        Index(None, "created_at"),
        Index(None, "symbol", "created_at"),
        Index(None, "status", "created_at"),
        Index(None, "symbol", "event_type", "key_date"),
    )


class EventVersion(Base):
    """A version that is not (or no longer) the current one: superseded, cancelled over, or filed late."""

    __tablename__ = "event_versions"
    event_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    origin: Mapped[str] = mapped_column(ascii_text(64), primary_key=True)
    version: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    function: Mapped[str] = mapped_column(ascii_text(10))
    isin: Mapped[str | None] = mapped_column(ascii_text(12))
    payload: Mapped[dict[str, Any] | None]
    content_sha256: Mapped[bytes] = mapped_column(BINARY(32))
    salt: Mapped[bytes] = mapped_column(ID)
    filed_revision: Mapped[int] = mapped_column(INTEGER)
    accepted_at: Mapped[datetime]
    __table_args__ = table_args()


class EventTransition(Base):
    """An earlier revision of an event: the audit record of that change, byte for byte as published, and its status and time for people."""

    __tablename__ = "event_transitions"
    event_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    revision: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    status: Mapped[str] = mapped_column(ascii_text(10))
    changed_at: Mapped[datetime]
    record: Mapped[bytes] = mapped_column(VARBINARY(RECORD_BYTES))
    __table_args__ = table_args()


class EventEffect(Base):
    """An effect that is no longer in force, or the reversal of one. Rows are only ever added: a reversal names what it reverses."""

    __tablename__ = "event_effects"
    event_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    effect_no: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    kind: Mapped[str] = mapped_column(ascii_text(8))
    reverses_no: Mapped[int | None] = mapped_column(INTEGER)
    effect: Mapped[dict[str, Any]]
    posted_at: Mapped[datetime]
    __table_args__ = table_args()


class EventDecision(Base):
    """A decision (REPROCESS, DISCARD) that was applied; its id is applied once for ever."""

    __tablename__ = "event_decisions"
    decision_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    event_id: Mapped[bytes] = mapped_column(ID)
    function: Mapped[str] = mapped_column(ascii_text(10))
    revision: Mapped[int] = mapped_column(INTEGER)
    actor: Mapped[str] = mapped_column(TEXT(128))
    reason: Mapped[str | None] = mapped_column(TEXT(REASON_CHARACTERS))
    decided_at: Mapped[datetime]
    __table_args__ = table_args(Index(None, "event_id"))


class ParkedSymbol(Base):
    """A symbol that waits: ``event_id`` holds it, everything else of the symbol queues in ``parked_events`` until it is released.

    The record that failed is kept with it (offset, value, headers, timestamp), for the dead letter that a last failed attempt sends.
    """

    __tablename__ = "parked_symbols"
    symbol: Mapped[str] = mapped_column(ascii_text(16), primary_key=True)
    topic: Mapped[str] = mapped_column(ascii_text(249))
    partition: Mapped[int] = mapped_column(INTEGER)
    event_id: Mapped[bytes | None] = mapped_column(ID)
    state: Mapped[str] = mapped_column(ascii_text(8))
    next_attempt_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(TEXT(ERROR_CHARACTERS))
    parked_at: Mapped[datetime]
    offset: Mapped[int] = mapped_column(BIGINT)
    value: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    headers: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    timestamp: Mapped[datetime]
    __table_args__ = table_args(Index(None, "topic", "partition"))


class ParkedEvent(Base):
    """A record that waits behind its symbol, byte for byte."""

    __tablename__ = "parked_events"
    topic: Mapped[str] = mapped_column(ascii_text(249), primary_key=True)
    partition: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    offset: Mapped[int] = mapped_column(BIGINT, primary_key=True)
    symbol: Mapped[str] = mapped_column(ascii_text(16))
    event_id: Mapped[bytes] = mapped_column(ID)
    origin: Mapped[str] = mapped_column(ascii_text(64))
    version: Mapped[int] = mapped_column(INTEGER)
    function: Mapped[str] = mapped_column(ascii_text(10))
    event_type: Mapped[str] = mapped_column(ascii_text(16))
    accepted_at: Mapped[datetime]
    value: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    headers: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    timestamp: Mapped[datetime]
    __table_args__ = table_args(Index(None, "symbol", "offset"), Index(None, "event_id"))


class PendingPublication(Base):
    """A record still to be published that no row could rebuild; written with the change it tells of, deleted after the broker's ack."""

    __tablename__ = "pending_publications"
    id: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=True)
    source_topic: Mapped[str] = mapped_column(ascii_text(249))
    source_partition: Mapped[int] = mapped_column(INTEGER)
    topic: Mapped[str] = mapped_column(ascii_text(249))
    partition: Mapped[int | None] = mapped_column(INTEGER)
    key: Mapped[bytes | None] = mapped_column(MEDIUMBLOB)
    value: Mapped[bytes | None] = mapped_column(MEDIUMBLOB)
    headers: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    __table_args__ = table_args(Index(None, "source_topic", "source_partition"))


class PartitionProgress(Base):
    """Who may write a partition's events (``epoch``, ``owner``) and where reading starts (``acked_offset``): the fence of the whole pipeline."""

    __tablename__ = "partition_progress"
    group_name: Mapped[str] = mapped_column(ascii_text(128), primary_key=True)
    topic: Mapped[str] = mapped_column(ascii_text(249), primary_key=True)
    partition: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    epoch: Mapped[int] = mapped_column(BIGINT)
    owner: Mapped[str] = mapped_column(TEXT(128))
    acked_offset: Mapped[int] = mapped_column(BIGINT)
    committed_offset: Mapped[int] = mapped_column(BIGINT)
    summary_seq: Mapped[int] = mapped_column(BIGINT)
    summary: Mapped[bytes | None] = mapped_column(MEDIUMBLOB)
    recent_outcomes: Mapped[bytes] = mapped_column(VARBINARY(125))
    paused_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    __table_args__ = table_args()


class SecurityRow(Base):
    """What is known of a symbol from ``valid_from`` on; the built-in security master."""

    __tablename__ = "securities"
    symbol: Mapped[str] = mapped_column(ascii_text(16), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    isin: Mapped[str | None] = mapped_column(ascii_text(12))
    currency: Mapped[str] = mapped_column(ascii_text(3))
    status: Mapped[str] = mapped_column(ascii_text(16))
    successor: Mapped[str | None] = mapped_column(ascii_text(16))
    reference_price: Mapped[Decimal | None] = mapped_column(Numeric(38, 12))
    __table_args__ = table_args()


class IdempotencyKey(Base):
    """A reservation: this key of this principal stands for this event (or ``id_count`` events from it on), whatever happens to the request."""

    __tablename__ = "idempotency_keys"
    idempotency_key: Mapped[bytes] = mapped_column(ID, primary_key=True)
    principal: Mapped[str] = mapped_column(ascii_text(64), primary_key=True)
    event_id: Mapped[bytes] = mapped_column(ID)
    id_count: Mapped[int] = mapped_column(SMALLINT)
    function: Mapped[str] = mapped_column(ascii_text(10))
    origin: Mapped[str] = mapped_column(ascii_text(64))
    version: Mapped[int] = mapped_column(INTEGER)
    symbol: Mapped[str | None] = mapped_column(ascii_text(16))
    event_type: Mapped[str | None] = mapped_column(ascii_text(16))
    isin: Mapped[str | None] = mapped_column(ascii_text(12))
    source: Mapped[str | None] = mapped_column(ascii_text(64))
    source_reference: Mapped[str | None] = mapped_column(TEXT(128))
    accepted_at: Mapped[datetime]
    request_sha256: Mapped[bytes] = mapped_column(BINARY(32))
    state: Mapped[str] = mapped_column(ascii_text(9))
    lease_until: Mapped[datetime]
    expires_at: Mapped[datetime]
    __table_args__ = table_args(Index(None, "event_id"), Index(None, "expires_at"))


class GatewayVersion(Base):
    """The highest version that the gateways have numbered for an event; written from the first amendment or cancellation on."""

    __tablename__ = "gateway_versions"
    event_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    last_version: Mapped[int] = mapped_column(INTEGER)
    __table_args__ = table_args()


class JobLease(Base):
    """One row per scheduled job: who runs it until when, and when it last ended."""

    __tablename__ = "job_leases"
    name: Mapped[str] = mapped_column(ascii_text(64), primary_key=True)
    owner: Mapped[str] = mapped_column(TEXT(128))
    lease_until: Mapped[datetime]
    last_run_at: Mapped[datetime | None]
    __table_args__ = table_args()
