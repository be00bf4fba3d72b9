"""The tables of the audit log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_batches",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("first_seq", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("epoch", mysql.BIGINT(), nullable=False),
        sa.Column("size", mysql.BIGINT(), nullable=False),
        sa.Column("recorded_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("offsets", sa.VARBINARY(length=4096), nullable=False),
        sa.Column("batch_root", sa.BINARY(length=32), nullable=False),
        sa.Column("tree_root", sa.BINARY(length=32), nullable=False),
        sa.Column("key_id", sa.BINARY(length=4), nullable=False),
        sa.Column("signature", sa.BINARY(length=64), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "first_seq", name=op.f("pk_audit_batches")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("size", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("witnessed", sa.Boolean(), nullable=False),
        sa.Column("note", sa.VARBINARY(length=4096), nullable=False),
        sa.Column("signed_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "size", "witnessed", name=op.f("pk_audit_checkpoints")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_entries",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("seq", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("record_id", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=320), nullable=False),
        sa.Column("recorded_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("actor", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("action", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=32), nullable=False),
        sa.Column("resource", mysql.VARCHAR(length=320), nullable=False),
        sa.Column("event_type", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=True),
        sa.Column("symbol", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=True),
        sa.Column("body", sa.VARBINARY(length=32768), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "seq", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("record_id", name=op.f("uq_audit_entries_record_id")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_audit_entries_action"), "audit_entries", ["action"], unique=False)
    op.create_index(op.f("ix_audit_entries_actor"), "audit_entries", ["actor"], unique=False)
    op.create_index(op.f("ix_audit_entries_resource"), "audit_entries", ["resource"], unique=False)
    op.create_index(op.f("ix_audit_entries_symbol"), "audit_entries", ["symbol"], unique=False)
    op.create_table(
        "audit_epochs",
        sa.Column("epoch", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("log_id", mysql.SMALLINT(), nullable=False),
        sa.Column("owner", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("started_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_audit_epochs")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_exports",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("first_seq", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("end_seq", mysql.BIGINT(), nullable=False),
        sa.Column("bundle_sha256", sa.BINARY(length=32), nullable=False),
        sa.Column("location", mysql.VARCHAR(length=512), nullable=False),
        sa.Column("verified_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("actor", mysql.VARCHAR(length=128), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "first_seq", "bundle_sha256", name=op.f("pk_audit_exports")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_holds",
        sa.Column("hold_no", mysql.BIGINT(), autoincrement=True, nullable=False),
        sa.Column("name", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.Column("from_time", mysql.DATETIME(fsp=6), nullable=True),
        sa.Column("to_time", mysql.DATETIME(fsp=6), nullable=True),
        sa.Column("reason", mysql.VARCHAR(length=1024), nullable=False),
        sa.Column("actor", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("hold_no", name=op.f("pk_audit_holds")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_audit_holds_name"), "audit_holds", ["name"], unique=False)
    op.create_table(
        "audit_keys",
        sa.Column("number", mysql.INTEGER(), autoincrement=False, nullable=False),
        sa.Column("statement", sa.VARBINARY(length=4096), nullable=False),
        sa.Column("added_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_keys")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_logs",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("origin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=160), nullable=False),
        sa.Column("opened_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("predecessor", sa.VARBINARY(length=4096), nullable=True),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_audit_logs")),
        sa.UniqueConstraint("origin", name=op.f("uq_audit_logs_origin")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_removals",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("first_seq", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("end_seq", mysql.BIGINT(), nullable=False),
        sa.Column("last_hash", sa.BINARY(length=32), nullable=False),
        sa.Column("bundle_sha256", sa.BINARY(length=32), nullable=False),
        sa.Column("actor", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("removed_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "first_seq", name=op.f("pk_audit_removals")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_tiles",
        sa.Column("log_id", mysql.SMALLINT(), autoincrement=False, nullable=False),
        sa.Column("level", mysql.TINYINT(), autoincrement=False, nullable=False),
        sa.Column("idx", mysql.BIGINT(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.VARBINARY(length=8192), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "level", "idx", name=op.f("pk_audit_tiles")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "audit_verifications",
        sa.Column("verification_id", sa.BINARY(length=16), nullable=False),
        sa.Column("step", mysql.INTEGER(), autoincrement=False, nullable=False),
        sa.Column("at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("state", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("document", sa.VARBINARY(length=60000), nullable=False),
        sa.PrimaryKeyConstraint("verification_id", "step", name=op.f("pk_audit_verifications")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )


def downgrade() -> None:
    raise NotImplementedError("no migration drops the audit log: it is kept for seven years, and its tiles and signatures for ever")
