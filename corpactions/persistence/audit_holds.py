"""Legal holds in MySQL: rows that are only added; a hold is in force while the newest row of its name says placed.

The rules of removal read these rows locked (``guards/removals_insert.sql``), so a hold is either seen by a removal or waits for its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, insert, select, text

from corpactions.domain.audit.retention import Hold
from corpactions.domain.errors import Rejected
from corpactions.persistence.audit_tables import AuditHold
from corpactions.persistence.engine import translated

_UTC_NOW = text("UTC_TIMESTAMP(6)")


class LegalHolds:
    """Every method raises Unavailable when MySQL does not answer.

    Args:
        engine: connections of an account that may add holds (``ca_retention``), or only read them.
        actor: who answers for what is placed or released here.
    """

    def __init__(self, engine: Engine, actor: str) -> None:
        self._engine = engine
        self._actor = actor

    def place(self, name: str, reason: str, from_time: datetime | None = None, to_time: datetime | None = None) -> Hold:
        """Place a hold on everything recorded between two times, both included.

        Raises:
            Rejected: ``empty_period``, ``hold_in_force`` when one of that name is.
        """
        if from_time is not None and to_time is not None and from_time > to_time:
            raise Rejected("empty_period", f"the hold {name} would begin after its end; give a --from that is not after --to")
        if (found := self._in_force(name)) is not None:
            raise Rejected("hold_in_force", f"a hold {name} on {found.period} is in force since {found.at:%Y-%m-%d}; choose another name")
        return self._add(name, placed=True, reason=reason, period=(from_time, to_time))

    def release(self, name: str, reason: str) -> Hold:
        """End a hold.

        Raises:
            Rejected: ``no_such_hold`` when none of that name is in force.
        """
        found = self._in_force(name)
        if found is None:
            known = ", ".join(hold.name for hold in self.in_force()) or "none"
            raise Rejected("no_such_hold", f"no hold {name} is in force; in force: {known}")
        return self._add(name, placed=False, reason=reason, period=(found.from_time, found.to_time))

    def history(self) -> list[Hold]:
        """Every placing and releasing, oldest first."""
        with translated(), self._engine.connect() as connection:
            return [hold_of(row) for row in connection.execute(select(*AuditHold.__table__.columns).order_by(AuditHold.hold_no))]

    def in_force(self) -> list[Hold]:
        """The holds that keep segments from being removed."""
        newest = {hold.name: hold for hold in self.history()}
        return [hold for hold in newest.values() if hold.placed]

    def _in_force(self, name: str) -> Hold | None:
        return next((hold for hold in self.in_force() if hold.name == name), None)

    def _add(self, name: str, *, placed: bool, reason: str, period: Sequence[datetime | None]) -> Hold:
        from_time, to_time = (None if moment is None else moment.astimezone(UTC).replace(tzinfo=None) for moment in period)
        values = {"name": name, "placed": placed, "from_time": from_time, "to_time": to_time, "reason": reason, "actor": self._actor}
        with translated(), self._engine.begin() as connection:
            number = connection.execute(insert(AuditHold).values(at=_UTC_NOW, **values)).lastrowid
            return hold_of(connection.execute(select(*AuditHold.__table__.columns).where(AuditHold.hold_no == number)).one())


def hold_of(row: Row[Any]) -> Hold:
    """A row of ``audit_holds``."""
    at = row.at.replace(tzinfo=UTC)
    from_time, to_time = (None if moment is None else moment.replace(tzinfo=UTC) for moment in (row.from_time, row.to_time))
    return Hold(row.hold_no, row.name, bool(row.placed), from_time, to_time, row.reason, row.actor, at)
