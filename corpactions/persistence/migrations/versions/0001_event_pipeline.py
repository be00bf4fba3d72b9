"""The tables of the event pipeline"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_decisions",
        sa.Column("decision_id", sa.BINARY(length=16), nullable=False),
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("function", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=False),
        sa.Column("revision", mysql.INTEGER(), nullable=False),
        sa.Column("actor", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("reason", mysql.VARCHAR(length=1024), nullable=True),
        sa.Column("decided_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_event_decisions")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_event_decisions_event_id"), "event_decisions", ["event_id"], unique=False)
    op.create_table(
        "event_effects",
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("effect_no", mysql.INTEGER(), nullable=False),
        sa.Column("kind", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=8), nullable=False),
        sa.Column("reverses_no", mysql.INTEGER(), nullable=True),
        sa.Column("effect", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("posted_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "effect_no", name=op.f("pk_event_effects")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "event_transitions",
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("revision", mysql.INTEGER(), nullable=False),
        sa.Column("status", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=False),
        sa.Column("changed_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("record", sa.VARBINARY(length=16384), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "revision", name=op.f("pk_event_transitions")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "event_versions",
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("origin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("version", mysql.INTEGER(), nullable=False),
        sa.Column("function", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=False),
        sa.Column("isin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=12), nullable=True),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("content_sha256", sa.BINARY(length=32), nullable=False),
        sa.Column("salt", sa.BINARY(length=16), nullable=False),
        sa.Column("filed_revision", mysql.INTEGER(), nullable=False),
        sa.Column("accepted_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "origin", "version", name=op.f("pk_event_versions")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("event_type", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("symbol", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("isin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=12), nullable=True),
        sa.Column("source", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("source_reference", mysql.VARCHAR(length=128), nullable=True),
        sa.Column("origin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=True),
        sa.Column("version", mysql.INTEGER(), nullable=True),
        sa.Column("function", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=True),
        sa.Column("revision", mysql.INTEGER(), nullable=False),
        sa.Column("version_revision", mysql.INTEGER(), nullable=False),
        sa.Column("older_versions", mysql.INTEGER(), nullable=False),
        sa.Column("status", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=False),
        sa.Column("cancel_function", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=4), nullable=True),
        sa.Column("key_date", sa.Date(), nullable=True),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("effect", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("flags", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=255), nullable=False),
        sa.Column("attempts", mysql.TINYINT(), nullable=False),
        sa.Column("error", mysql.VARCHAR(length=2048), nullable=True),
        sa.Column("content_sha256", sa.BINARY(length=32), nullable=True),
        sa.Column("salt", sa.BINARY(length=16), nullable=True),
        sa.Column("record", sa.VARBINARY(length=16384), nullable=False),
        sa.Column("accepted_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("processing_at", mysql.DATETIME(fsp=6), nullable=True),
        sa.Column("completed_at", mysql.DATETIME(fsp=6), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        sa.UniqueConstraint("symbol", "source", "source_reference", name=op.f("uq_events_symbol_source_source_reference")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_events_created_at"), "events", ["created_at"], unique=False)
    op.create_index(op.f("ix_events_status_created_at"), "events", ["status", "created_at"], unique=False)
    op.create_index(op.f("ix_events_symbol_created_at"), "events", ["symbol", "created_at"], unique=False)
    op.create_index(op.f("ix_events_symbol_event_type_key_date"), "events", ["symbol", "event_type", "key_date"], unique=False)
    op.create_table(
        "gateway_versions",
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("last_version", mysql.INTEGER(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_gateway_versions")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("idempotency_key", sa.BINARY(length=16), nullable=False),
        sa.Column("principal", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("id_count", mysql.SMALLINT(), nullable=False),
        sa.Column("function", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=False),
        sa.Column("origin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("version", mysql.INTEGER(), nullable=False),
        sa.Column("symbol", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=True),
        sa.Column("event_type", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=True),
        sa.Column("isin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=12), nullable=True),
        sa.Column("source", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=True),
        sa.Column("source_reference", mysql.VARCHAR(length=128), nullable=True),
        sa.Column("accepted_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("request_sha256", sa.BINARY(length=32), nullable=False),
        sa.Column("state", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=9), nullable=False),
        sa.Column("lease_until", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("expires_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("idempotency_key", "principal", name=op.f("pk_idempotency_keys")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_idempotency_keys_event_id"), "idempotency_keys", ["event_id"], unique=False)
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"], unique=False)
    op.create_table(
        "job_leases",
        sa.Column("name", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("owner", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("lease_until", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("last_run_at", mysql.DATETIME(fsp=6), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_leases")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "parked_events",
        sa.Column("topic", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=249), nullable=False),
        sa.Column("partition", mysql.INTEGER(), nullable=False),
        sa.Column("offset", mysql.BIGINT(), nullable=False),
        sa.Column("symbol", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("event_id", sa.BINARY(length=16), nullable=False),
        sa.Column("origin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=64), nullable=False),
        sa.Column("version", mysql.INTEGER(), nullable=False),
        sa.Column("function", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=10), nullable=False),
        sa.Column("event_type", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("accepted_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("value", mysql.MEDIUMBLOB(), nullable=False),
        sa.Column("headers", mysql.MEDIUMBLOB(), nullable=False),
        sa.Column("timestamp", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", "offset", name=op.f("pk_parked_events")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_parked_events_event_id"), "parked_events", ["event_id"], unique=False)
    op.create_index(op.f("ix_parked_events_symbol_offset"), "parked_events", ["symbol", "offset"], unique=False)
    op.create_table(
        "parked_symbols",
        sa.Column("symbol", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("topic", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=249), nullable=False),
        sa.Column("partition", mysql.INTEGER(), nullable=False),
        sa.Column("event_id", sa.BINARY(length=16), nullable=True),
        sa.Column("state", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=8), nullable=False),
        sa.Column("next_attempt_at", mysql.DATETIME(fsp=6), nullable=True),
        sa.Column("reason", mysql.VARCHAR(length=2048), nullable=False),
        sa.Column("parked_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("offset", mysql.BIGINT(), nullable=False),
        sa.Column("value", mysql.MEDIUMBLOB(), nullable=False),
        sa.Column("headers", mysql.MEDIUMBLOB(), nullable=False),
        sa.Column("timestamp", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("symbol", name=op.f("pk_parked_symbols")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(op.f("ix_parked_symbols_topic_partition"), "parked_symbols", ["topic", "partition"], unique=False)
    op.create_table(
        "partition_progress",
        sa.Column("group_name", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=128), nullable=False),
        sa.Column("topic", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=249), nullable=False),
        sa.Column("partition", mysql.INTEGER(), nullable=False),
        sa.Column("epoch", mysql.BIGINT(), nullable=False),
        sa.Column("owner", mysql.VARCHAR(length=128), nullable=False),
        sa.Column("acked_offset", mysql.BIGINT(), nullable=False),
        sa.Column("committed_offset", mysql.BIGINT(), nullable=False),
        sa.Column("summary_seq", mysql.BIGINT(), nullable=False),
        sa.Column("summary", mysql.MEDIUMBLOB(), nullable=True),
        sa.Column("recent_outcomes", sa.VARBINARY(length=125), nullable=False),
        sa.Column("paused_at", mysql.DATETIME(fsp=6), nullable=True),
        sa.Column("updated_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("group_name", "topic", "partition", name=op.f("pk_partition_progress")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_table(
        "pending_publications",
        sa.Column("id", mysql.BIGINT(), autoincrement=True, nullable=False),
        sa.Column("source_topic", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=249), nullable=False),
        sa.Column("source_partition", mysql.INTEGER(), nullable=False),
        sa.Column("topic", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=249), nullable=False),
        sa.Column("partition", mysql.INTEGER(), nullable=True),
        sa.Column("key", mysql.MEDIUMBLOB(), nullable=True),
        sa.Column("value", mysql.MEDIUMBLOB(), nullable=True),
        sa.Column("headers", mysql.MEDIUMBLOB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_publications")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )
    op.create_index(
        op.f("ix_pending_publications_source_topic_source_partition"),
        "pending_publications",
        ["source_topic", "source_partition"],
        unique=False,
    )
    op.create_table(
        "securities",
        sa.Column("symbol", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("isin", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=12), nullable=True),
        sa.Column("currency", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=3), nullable=False),
        sa.Column("status", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=False),
        sa.Column("successor", mysql.VARCHAR(charset="ascii", collation="ascii_bin", length=16), nullable=True),
        sa.Column("reference_price", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.PrimaryKeyConstraint("symbol", "valid_from", name=op.f("pk_securities")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_0900_bin",
        mysql_row_format="DYNAMIC",
    )


def downgrade() -> None:
    op.drop_table("securities")
    op.drop_index(op.f("ix_pending_publications_source_topic_source_partition"), table_name="pending_publications")
    op.drop_table("pending_publications")
    op.drop_table("partition_progress")
    op.drop_index(op.f("ix_parked_symbols_topic_partition"), table_name="parked_symbols")
    op.drop_table("parked_symbols")
    op.drop_index(op.f("ix_parked_events_symbol_offset"), table_name="parked_events")
    op.drop_index(op.f("ix_parked_events_event_id"), table_name="parked_events")
    op.drop_table("parked_events")
    op.drop_table("job_leases")
    op.drop_index(op.f("ix_idempotency_keys_expires_at"), table_name="idempotency_keys")
    op.drop_index(op.f("ix_idempotency_keys_event_id"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("gateway_versions")
    op.drop_index(op.f("ix_events_symbol_event_type_key_date"), table_name="events")
    op.drop_index(op.f("ix_events_symbol_created_at"), table_name="events")
    op.drop_index(op.f("ix_events_status_created_at"), table_name="events")
    op.drop_index(op.f("ix_events_created_at"), table_name="events")
    op.drop_table("events")
    op.drop_table("event_versions")
    op.drop_table("event_transitions")
    op.drop_table("event_effects")
    op.drop_index(op.f("ix_event_decisions_event_id"), table_name="event_decisions")
    op.drop_table("event_decisions")
