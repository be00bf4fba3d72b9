"""A schema source for tests that need no registry."""

from __future__ import annotations

from collections.abc import Mapping

from corpactions.domain.errors import Unavailable
from corpactions.serde.schemas import schema_text

EVENT_SCHEMA, AUDIT_SCHEMA, SUMMARY_SCHEMA = 1, 2, 3


class FixedSchemas:
    """The packaged schemas under ids 1 to 3, and any others that a test adds. Counts the questions; answers none while ``away``."""

    def __init__(self, more: Mapping[int, str] | None = None) -> None:
        self.texts = {
            EVENT_SCHEMA: schema_text("CorporateActionEvent"),
            AUDIT_SCHEMA: schema_text("AuditRecord"),
            SUMMARY_SCHEMA: schema_text("BatchSummary"),
            **(more or {}),
        }
        self.away = False
        self.asked = 0

    def schema_text(self, schema_id: int) -> str | None:
        self.asked += 1
        if self.away:
            raise Unavailable("registry", "switched off by the test")
        return self.texts.get(schema_id)

    def latest_id(self, subject: str) -> int:
        raise NotImplementedError(subject)
