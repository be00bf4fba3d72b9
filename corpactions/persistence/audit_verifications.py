"""Verifications of the audit log that somebody asked for: what was asked, how far each is, what it found.

Invariant: rows are only added. A verification is its steps, the newest of which tells where it stands, so any process can answer for one that another runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from corpactions.persistence.audit_tables import DOCUMENT_BYTES
from corpactions.persistence.bulk import blob, code, ident, insert, moment, row, uuid_text
from corpactions.persistence.engine import Engine
from corpactions.persistence.unit_of_work import begin

RUNNING: Final = "RUNNING"
DONE: Final = "DONE"
FAILED: Final = "FAILED"
ABANDONED: Final = "ABANDONED"
"""Shown, never stored: it says RUNNING, and whoever ran it has not said so for longer than it may be silent."""
SILENCE: Final = timedelta(seconds=60)
_COLUMNS: Final = ("verification_id", "step", "at", "state", "document")


class VerificationStep(NamedTuple):
    """Where a verification stands. ``document`` holds JSON values."""

    verification_id: str
    step: int
    at: datetime
    state: str
    document: Mapping[str, Any]

    def state_at(self, now: datetime) -> str:
        """The state as it is shown at a time."""
        return ABANDONED if self.state == RUNNING and now - self.at > SILENCE else self.state


class AuditVerifications:
    """Reads and adds steps. Every method raises Unavailable when MySQL does not answer.

    Args:
        engine: connections of an account that may read and add them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, step: VerificationStep) -> None:
        """Add a step. Of a document that is too long, findings at the end of ``report.findings`` are left out; their counts remain."""
        values = row(ident(step.verification_id), str(step.step), moment(step.at), code(step.state), blob(_encoded(step.document)))
        with begin(self._engine) as transaction:
            transaction.run(insert("audit_verifications", _COLUMNS) + values)
            transaction.commit()

    def newest(self, verification_id: str) -> VerificationStep | None:
        """The newest step of a verification; None when there is no such verification."""
        where = f"WHERE verification_id={ident(verification_id)} ORDER BY step DESC LIMIT 1"
        found = self._query(f"SELECT {','.join(_COLUMNS)} FROM audit_verifications {where}")
        return found[0] if found else None

    def latest(self, limit: int) -> list[VerificationStep]:
        """The newest step of each of the latest verifications, the latest first: their ids grow with time."""
        latest = f"SELECT verification_id,MAX(step) AS step FROM audit_verifications GROUP BY verification_id ORDER BY verification_id DESC LIMIT {limit:d}"
        columns = ",".join(f"v.{name}" for name in _COLUMNS)
        return self._query(
            f"SELECT {columns} FROM ({latest}) AS l JOIN audit_verifications AS v USING (verification_id,step) ORDER BY v.verification_id DESC"
        )

    def _query(self, statement: str) -> list[VerificationStep]:
        with begin(self._engine) as transaction:
            return [_step(values) for values in transaction.query(statement)]


def _step(values: Sequence[Any]) -> VerificationStep:
    verification_id, step, at, state, document = values
    return VerificationStep(uuid_text(verification_id), step, at.replace(tzinfo=UTC), state, json.loads(document))


def _encoded(document: Mapping[str, Any]) -> bytes:
    data = json.dumps(document, separators=(",", ":")).encode()
    while len(data) > DOCUMENT_BYTES:
        report = document["report"]
        document = {**document, "report": {**report, "findings": report["findings"][: len(report["findings"]) // 2]}}
        data = json.dumps(document, separators=(",", ":")).encode()
    return data
