"""What guards the audit log inside MySQL: triggers, the procedure that ends a segment's retention, and the locked account they run as.

The texts are ``guards/*.sql``. They need rights that the schema's owner must not have (with the binary log on, only an administrator may create triggers), so
``corpactions db accounts`` installs them and no migration does. Invariant: a guard that is right is never touched, and a newer trigger stands before the
older one goes, so that a table is at no moment without. An administrator can still drop them, or TRUNCATE, ALTER and DROP tables, and MySQL has nothing
against it: :func:`guard_differences` tells what no longer is as it must be, and the witness what is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from corpactions.domain.errors import Fatal
from corpactions.persistence.audit_tables import METADATA
from corpactions.persistence.engine import translated

OWNER: Final = "ca_audit_owner"
"""The locked account as which triggers and procedures run."""
REMOVE: Final = "audit_remove_segment"
SHOW: Final = "audit_guards"
AUDIT_TABLES: Final = tuple(sorted(name for name in METADATA.tables if name.startswith("audit_")))

_FOLDER: Final = Path(__file__).parent / "guards"
_DEFINER: Final = f"`{OWNER}`@`localhost`"
_LOCK: Final = "corpactions-guards"
_LOCK_SECONDS: Final = 60
_MIGRATOR: Final = "ca_migrator"
_HARMLESS: Final = {"SELECT", "INSERT"}
_SYSTEM_TABLES: Final = {
    "user": "User, Host, account_locked, Update_priv, Delete_priv, Drop_priv, Alter_priv, Super_priv, Trigger_priv, Alter_routine_priv",
    "db": "User, Db, Update_priv, Delete_priv, Drop_priv, Alter_priv, Trigger_priv, Alter_routine_priv",
    "tables_priv": "User, Db, Table_name, Table_priv, Column_priv",
    "role_edges": "TO_USER, FROM_USER",
}
"""What ``audit_guards`` shows of MySQL's own tables: no password is among it."""


class Trigger(NamedTuple):
    """A trigger as it must be. The end of its name tells its text, so that the next release's stands beside it for a moment."""

    table: str
    event: str
    content: str

    @property
    def name(self) -> str:
        """For example ``audit_entries_delete_1a2b3c4d``."""
        return f"{self.table}_{self.event.lower()}_{hashlib.sha256(self.content.encode()).hexdigest()[:8]}"

    @property
    def place(self) -> str:
        """When it fires, as ``audit_guards`` tells it."""
        return f"BEFORE {self.event} {self.table}"


class Routine(NamedTuple):
    """A stored procedure as it must be."""

    name: str
    parameters: str
    access: str

    @property
    def content(self) -> str:
        """Its text."""
        return _sql(self.name)


ROUTINES: Final = (
    Routine(REMOVE, "in_log_id SMALLINT, in_first_seq BIGINT, in_bundle_sha256 BINARY(32), in_actor VARCHAR(128)", "MODIFIES SQL DATA"),
    Routine(SHOW, "", "READS SQL DATA"),
)
_OWNER_TABLES: Final = dict.fromkeys(AUDIT_TABLES, "TRIGGER") | {
    "audit_batches": "SELECT, TRIGGER",
    "audit_entries": "SELECT, DELETE, TRIGGER",
    "audit_exports": "SELECT, TRIGGER",
    "audit_holds": "SELECT, TRIGGER",
    "audit_removals": "SELECT, INSERT, TRIGGER",
}


def triggers() -> tuple[Trigger, ...]:
    """Every trigger: no table of the log takes UPDATE or DELETE, but for entries whose segment is removed; a removal must keep the rules."""
    refuse = [
        Trigger(table, event, _sql("refuse"))
        for table in AUDIT_TABLES
        for event in ("UPDATE", "DELETE")
        if (table, event) != ("audit_entries", "DELETE")
    ]
    return (
        *refuse,
        Trigger("audit_entries", "DELETE", _sql("entries_delete")),
        Trigger("audit_removals", "INSERT", _sql("removals_insert")),
    )


def install(engine: Engine, database: str) -> None:
    """Bring owner, procedures and triggers to what this release wants; what is right stays as it is. Follows ``db upgrade``, and grants follow it.

    Args:
        engine: connected to ``database`` as an administrator.
        database: its name.

    Raises:
        Fatal: a table is missing, or another process has held the lock for a minute.
        Unavailable: MySQL does not answer.
    """
    with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
        if connection.exec_driver_sql(f"SELECT GET_LOCK('{_LOCK}', {_LOCK_SECONDS})").scalar() != 1:
            raise Fatal(f"somebody else has been installing guards for {_LOCK_SECONDS} s (lock {_LOCK}); wait for it or end it")
        try:
            for statement in _owner_statements(database):
                connection.exec_driver_sql(statement)
            for statement in _routine_statements(_routines(connection)):
                connection.exec_driver_sql(statement)
            for routine in ROUTINES:
                connection.exec_driver_sql(f"GRANT EXECUTE ON PROCEDURE `{database}`.`{routine.name}` TO {_DEFINER}")
            for statement in _trigger_statements(_shown(connection)):
                connection.exec_driver_sql(statement)
        finally:
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK('{_LOCK}')")


def guard_differences(engine: Engine) -> list[str]:
    """What is missing of the guards or other than this release wants, one sentence each; empty when all is well.

    Args:
        engine: an account that may EXECUTE ``audit_guards`` and, to see that its text is ours, has SHOW_ROUTINE.

    Raises:
        Fatal: the account may not look.
        Unavailable: MySQL does not answer.
    """
    with translated(), engine.connect() as connection:
        routines = _routines(connection)
        found = [*_routine_differences(routines), *_clock_differences(connection)]
        if SHOW not in routines:
            return [*found, f"triggers and rights cannot be seen without {SHOW}"]
        shown = _shown(connection)
    found += _trigger_differences(row for row in shown if row.kind == "trigger")
    found += _account_differences([row for row in shown if row.kind == "account"])
    found += _right_differences(row for row in shown if row.kind == "right")
    return found


def _sql(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip()


class _Shown(NamedTuple):
    kind: str
    name: str
    place: str
    content: str
    definer: str


def _shown(connection: Connection) -> list[_Shown]:
    return [_Shown(*(str(field) for field in row)) for row in connection.exec_driver_sql(f"CALL {SHOW}()")]


def _routines(connection: Connection) -> dict[str, tuple[str, str, str]]:
    """By name: text, definer, whose rights it runs with."""
    statement = text(
        "SELECT routine_name, routine_definition, definer, security_type FROM information_schema.routines WHERE routine_schema = DATABASE()"
    )
    return {name: (content or "", definer, security) for name, content, definer, security in connection.execute(statement)}


def _wanted(routine: Routine) -> tuple[str, str, str]:
    return routine.content, f"{OWNER}@localhost", "DEFINER"


def _owner_statements(database: str) -> Iterator[str]:
    # Nobody learns the password, and the lock keeps out whoever would: the account is there to lend its rights to what is defined as its own.
    yield f"CREATE USER IF NOT EXISTS {_DEFINER} IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK"
    yield f"ALTER USER {_DEFINER} ACCOUNT LOCK"
    for table, columns in _SYSTEM_TABLES.items():
        yield f"GRANT SELECT ({columns}) ON mysql.{table} TO {_DEFINER}"
    for table, rights in _OWNER_TABLES.items():
        yield f"GRANT {rights} ON `{database}`.{table} TO {_DEFINER}"


def _routine_statements(there: dict[str, tuple[str, str, str]]) -> Iterator[str]:
    for routine in ROUTINES:
        if there.get(routine.name) != _wanted(routine):
            yield f"DROP PROCEDURE IF EXISTS {routine.name}"
            header = f"CREATE DEFINER = {_DEFINER} PROCEDURE {routine.name}({routine.parameters}) {routine.access} SQL SECURITY DEFINER"
            yield f"{header}\n{routine.content}"


def _trigger_statements(shown: Iterable[_Shown]) -> Iterator[str]:
    there = {row.name: row for row in shown if row.kind == "trigger"}
    wanted = {trigger.name: trigger for trigger in triggers()}
    for name, trigger in wanted.items():
        if name in there and not _is_right(there[name], trigger):
            yield f"DROP TRIGGER `{name}`"
        if name not in there or not _is_right(there[name], trigger):
            yield f"CREATE DEFINER = {_DEFINER} TRIGGER `{name}` BEFORE {trigger.event} ON {trigger.table} FOR EACH ROW\n{trigger.content}"
    for name, row in there.items():
        if name not in wanted and row.definer == f"{OWNER}@localhost":
            yield f"DROP TRIGGER `{name}`"  # an earlier release's; one of somebody else is told by `audit verify` and left for a person to judge


def _is_right(row: _Shown, trigger: Trigger) -> bool:
    return (row.place, row.content, row.definer) == (trigger.place, trigger.content, f"{OWNER}@localhost")


def _routine_differences(there: dict[str, tuple[str, str, str]]) -> Iterator[str]:
    for routine in ROUTINES:
        if routine.name not in there:
            yield f"procedure {routine.name} is missing"
        elif (found := there[routine.name]) != _wanted(routine):
            yield f"procedure {routine.name} is another: it runs with the rights of {found[1]} ({found[2]}), or its text is not this release's"
    for name in sorted(there.keys() - {routine.name for routine in ROUTINES}):
        yield f"procedure or function {name} (definer {there[name][1]}) is none of this release's"


def _trigger_differences(shown: Iterable[_Shown]) -> Iterator[str]:
    there = {row.name: row for row in shown}
    for trigger in triggers():
        row = there.pop(trigger.name, None)
        if row is None:
            yield f"trigger {trigger.name} is missing"
        elif not _is_right(row, trigger):
            yield f"trigger {trigger.name} is another: {row.place}, definer {row.definer}, or its text is not this release's"
    for name, row in sorted(there.items()):
        yield f"trigger {name} ({row.place}, definer {row.definer}) is none of this release's"


def _account_differences(shown: list[_Shown]) -> Iterator[str]:
    if not shown:
        yield f"account {OWNER}@localhost is missing"
    for row in shown:
        if row.name != f"{OWNER}@localhost":
            yield f"account {row.name} takes the name of the guards' owner from another host"
        elif row.content != "Y":
            yield f"account {row.name} is not locked"


def _right_differences(shown: Iterable[_Shown]) -> Iterator[str]:
    for row in shown:
        if row.name == _MIGRATOR:
            continue  # it owns the schema, is used by deployment alone, and the triggers hold against it
        allowed = _HARMLESS
        if row.name == OWNER:
            allowed = {right.strip() for right in _OWNER_TABLES.get(row.place, "").split(",")}
        surplus = {right.upper() for right in row.content.split(",") if right} - allowed
        if surplus:
            yield f"account {row.name} may {', '.join(sorted(surplus))} on {row.place}"


def _clock_differences(connection: Connection) -> Iterator[str]:
    """SYSDATE must not follow the session's clock, by which the age of a segment could be made up."""
    connection.execute(text("SET timestamp = 1"))
    try:
        fooled: Any = connection.scalar(text("SELECT SYSDATE() < '2000-01-01'"))
    finally:
        connection.execute(text("SET timestamp = DEFAULT"))
    if fooled:
        yield "the server runs with sysdate-is-now: whoever sets the session's timestamp makes entries look seven years old"
