"""Alembic's environment: it is handed a connection by ``corpactions db upgrade`` and never reads the process environment itself."""

from __future__ import annotations

from alembic import context

from corpactions.persistence.audit_tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
