"""The tables of the audit log, as SQLAlchemy models beside those of ``persistence.tables`` and with the same conventions.

Invariant: rows are only ever added. Nobody updates any of them, and only whole segments of ``audit_entries`` are ever removed, by the procedure of
``guards/`` and after seven years; the triggers there refuse everything else to everyone. Hashes and signatures are over ``body`` as it is stored here;
the other columns of an entry are copies for searching, which verification compares with the body.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Index, UniqueConstraint
from sqlalchemy.dialects.mysql import BIGINT, BINARY, INTEGER, SMALLINT, TINYINT, VARBINARY
from sqlalchemy.orm import Mapped, mapped_column

from corpactions.persistence.tables import ID, REASON_CHARACTERS, TEXT, Base, ascii_text, table_args

METADATA = Base.metadata
"""Every table of the product: the pipeline's and the audit log's."""

BODY_BYTES = 32_768
"""Longest body of an entry."""
NOTE_BYTES = 4_096
"""Longest signed note: checkpoint, key statement, predecessor."""
DOCUMENT_BYTES = 60_000
"""Longest progress or result of a verification, as JSON."""
_HASH = BINARY(32)


class AuditLog(Base):
    """A log and its name. The first is opened with the database; a later one takes over after damage and names the last checkpoint of the one before."""

    __tablename__ = "audit_logs"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(ascii_text(160))
    opened_at: Mapped[datetime]
    predecessor: Mapped[bytes | None] = mapped_column(VARBINARY(NOTE_BYTES))
    __table_args__ = table_args(UniqueConstraint("origin"))


class AuditEpoch(Base):
    """A writer's term: whoever inserted the newest row may append, everyone else stops."""

    __tablename__ = "audit_epochs"
    epoch: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    log_id: Mapped[int] = mapped_column(SMALLINT)
    owner: Mapped[str] = mapped_column(TEXT(128))
    started_at: Mapped[datetime]
    __table_args__ = table_args()


class AuditEntry(Base):
    """An entry: ``body`` is what is hashed and signed, byte for byte; ``record_id`` is what makes a redelivered record add nothing."""

    __tablename__ = "audit_entries"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    record_id: Mapped[str] = mapped_column(ascii_text(320))
    recorded_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(TEXT(128))
    action: Mapped[str] = mapped_column(ascii_text(32))
    resource: Mapped[str] = mapped_column(TEXT(320))
    event_type: Mapped[str | None] = mapped_column(ascii_text(16))
    symbol: Mapped[str | None] = mapped_column(ascii_text(16))
    body: Mapped[bytes] = mapped_column(VARBINARY(BODY_BYTES))
    __table_args__ = table_args(
        UniqueConstraint("record_id"), Index(None, "resource"), Index(None, "symbol"), Index(None, "actor"), Index(None, "action")
    )


class AuditBatch(Base):
    """What one transaction appended: the tree after it, how far each partition of the audit topic is consumed, and the signature over all of that."""

    __tablename__ = "audit_batches"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    first_seq: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BIGINT)
    size: Mapped[int] = mapped_column(BIGINT)
    recorded_at: Mapped[datetime]
    offsets: Mapped[bytes] = mapped_column(VARBINARY(NOTE_BYTES))
    batch_root: Mapped[bytes] = mapped_column(_HASH)
    tree_root: Mapped[bytes] = mapped_column(_HASH)
    key_id: Mapped[bytes] = mapped_column(BINARY(4))
    signature: Mapped[bytes] = mapped_column(BINARY(64))
    __table_args__ = table_args()


class AuditTile(Base):
    """A full tile of the Merkle tree: 256 hashes, one after the other. Partial tiles are derived from entries and the tiles below."""

    __tablename__ = "audit_tiles"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(TINYINT, primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(VARBINARY(8_192))
    __table_args__ = table_args()


class AuditKey(Base):
    """A step of the key history: a signed statement that names the key and the first entry it signs."""

    __tablename__ = "audit_keys"
    number: Mapped[int] = mapped_column(INTEGER, primary_key=True, autoincrement=False)
    statement: Mapped[bytes] = mapped_column(VARBINARY(NOTE_BYTES))
    added_at: Mapped[datetime]
    __table_args__ = table_args()


class AuditCheckpoint(Base):
    """A signed checkpoint; once without and once with the witness's cosignature."""

    __tablename__ = "audit_checkpoints"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    witnessed: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    note: Mapped[bytes] = mapped_column(VARBINARY(NOTE_BYTES))
    signed_at: Mapped[datetime]
    __table_args__ = table_args()


class AuditExport(Base):
    """A bundle of a segment, written to ``location`` and verified there; ``bundle_sha256`` is the hash of its manifest."""

    __tablename__ = "audit_exports"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    first_seq: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    end_seq: Mapped[int] = mapped_column(BIGINT)
    bundle_sha256: Mapped[bytes] = mapped_column(_HASH, primary_key=True)
    location: Mapped[str] = mapped_column(TEXT(512))
    verified_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(TEXT(128))
    __table_args__ = table_args()


class AuditHold(Base):
    """A legal hold is placed or released; it is in force while the newest row of its name says placed. A time that is missing leaves that side open."""

    __tablename__ = "audit_holds"
    hold_no: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(ascii_text(64))
    placed: Mapped[bool] = mapped_column(Boolean)
    from_time: Mapped[datetime | None]
    to_time: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(TEXT(REASON_CHARACTERS))
    actor: Mapped[str] = mapped_column(TEXT(128))
    at: Mapped[datetime]
    __table_args__ = table_args(Index(None, "name"))


class AuditRemoval(Base):
    """A segment whose entries were removed at the end of their retention; ``last_hash`` is the leaf hash of its last entry, to which the next one links."""

    __tablename__ = "audit_removals"
    log_id: Mapped[int] = mapped_column(SMALLINT, primary_key=True, autoincrement=False)
    first_seq: Mapped[int] = mapped_column(BIGINT, primary_key=True, autoincrement=False)
    end_seq: Mapped[int] = mapped_column(BIGINT)
    last_hash: Mapped[bytes] = mapped_column(_HASH)
    bundle_sha256: Mapped[bytes] = mapped_column(_HASH)
    actor: Mapped[str] = mapped_column(TEXT(128))
    removed_at: Mapped[datetime]
    __table_args__ = table_args()


class AuditVerification(Base):
    """A step of a verification that somebody asked for; the newest step tells where it stands."""

    __tablename__ = "audit_verifications"
    verification_id: Mapped[bytes] = mapped_column(ID, primary_key=True)
    step: Mapped[int] = mapped_column(INTEGER, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(ascii_text(16))
    document: Mapped[bytes] = mapped_column(VARBINARY(DOCUMENT_BYTES))
    __table_args__ = table_args()
