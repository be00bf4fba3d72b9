"""The witness's book in one SQLite file. Written through to the disk before anything is answered; each acceptance is one statement, so that it happens or not.

Nothing is deleted but old refusals: triggers in the file itself refuse any other change, so that a slip with another tool fails as well.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from consumers.witness.book import Refusal, Seen, Succession
from corpactions.domain.audit.keys import KeyPeriod
from corpactions.domain.audit.notes import Key, Note
from corpactions.domain.errors import Fatal, Unavailable

KEPT_REFUSALS: Final = 1_000
VERSION: Final = 1
_NONE: Final = -1
"""Stands for "no checkpoint yet" beside sizes, which begin at 0."""
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE checkpoints (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, first BLOB NOT NULL, latest BLOB NOT NULL, PRIMARY KEY (origin, size)
) STRICT;
CREATE TABLE successions (
    name TEXT NOT NULL, number INTEGER NOT NULL, old TEXT NOT NULL, statement BLOB NOT NULL, PRIMARY KEY (name, old)
) STRICT;
CREATE TABLE refused_checkpoints (
    refusal INTEGER PRIMARY KEY AUTOINCREMENT, origin TEXT NOT NULL, text_sha256 BLOB NOT NULL, size INTEGER NOT NULL, old_size INTEGER NOT NULL,
    path TEXT NOT NULL, note BLOB NOT NULL, reason TEXT NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL,
    UNIQUE (origin, text_sha256)
) STRICT;
CREATE TRIGGER checkpoints_stay BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
CREATE TRIGGER checkpoints_stand BEFORE UPDATE OF origin, size, root, first ON checkpoints
    BEGIN SELECT RAISE(ABORT, 'what was witnessed never changes'); END;
CREATE TRIGGER successions_stay BEFORE DELETE ON successions BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
CREATE TRIGGER successions_stand BEFORE UPDATE ON successions BEGIN SELECT RAISE(ABORT, 'what was witnessed never changes'); END;
PRAGMA user_version = {VERSION};
COMMIT;
"""
_NEWEST: Final = "coalesce((SELECT max(size) FROM checkpoints WHERE origin = :origin), -1)"
_SEEN: Final = "SELECT origin, size, root, first, latest FROM checkpoints WHERE origin = ?"

_ORIGINS: Final = """
WITH RECURSIVE found(origin) AS (
    SELECT min(origin) FROM checkpoints UNION ALL SELECT (SELECT min(origin) FROM checkpoints WHERE origin > found.origin) FROM found
    WHERE found.origin IS NOT NULL
) SELECT origin FROM found WHERE origin IS NOT NULL
"""
"""One step of the index for each log; DISTINCT would read every checkpoint there is."""


class SqliteBook:
    """The file, open; one connection for all threads, one at a time.

    Raises:
        Fatal: it cannot be opened or written, is no store of ours, or one of a later version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(_SCHEMA)
            self.check()
        except (sqlite3.Error, Unavailable) as error:
            raise Fatal(f"the witness's store {path} cannot be used: {error}") from error
        if version > VERSION:
            raise Fatal(f"the witness's store {path} has version {version}, this program knows {VERSION}: run the newer program")

    def newest(self, origin: str) -> Seen | None:
        """See ``Book``."""
        return self._one(f"{_SEEN} ORDER BY size DESC LIMIT 1", (origin,))

    def at(self, origin: str, size: int) -> Seen | None:
        """See ``Book``."""
        return self._one(f"{_SEEN} AND size = ?", (origin, size))

    def between(self, origin: str, first: int, last: int, limit: int) -> Sequence[Seen]:
        """See ``Book``."""
        with self._open() as db:
            rows = db.execute(f"{_SEEN} AND size BETWEEN ? AND ? ORDER BY size LIMIT ?", (origin, first, last, limit)).fetchall()
        return [Seen(*row) for row in rows]

    def origins(self) -> Sequence[str]:
        """See ``Book``."""
        with self._open() as db:
            return [origin for (origin,) in db.execute(_ORIGINS)]

    def accept(self, seen: Seen, after: int | None) -> bool:
        """See ``Book``."""
        values = seen._asdict() | {"after": _NONE if after is None else after}
        if seen.size == after:
            statement = (
                f"UPDATE checkpoints SET latest = :latest WHERE origin = :origin AND size = :size AND root = :root AND size = {_NEWEST}"
            )
        else:
            statement = f"INSERT INTO checkpoints SELECT :origin, :size, :root, :first, :latest WHERE :after = {_NEWEST}"
        with self._open() as db:
            return db.execute(statement, values).rowcount == 1

    def successions(self, name: str) -> Sequence[Succession]:
        """See ``Book``."""
        with self._open() as db:
            rows = db.execute("SELECT old, statement FROM successions WHERE name = ? ORDER BY number", (name,)).fetchall()
        return [Succession(Key.parse(old), KeyPeriod.parse(Note.parse(statement).text), statement) for old, statement in rows]

    def succeed(self, succession: Succession) -> bool:
        """See ``Book``."""
        period = succession.period
        values = (period.key.name, period.number, succession.old.vkey, succession.statement)
        with self._open() as db:
            return db.execute("INSERT INTO successions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount == 1

    def refuse(self, refusal: Refusal) -> None:
        """See ``Book``."""
        path = json.dumps([b64encode(each).decode() for each in refusal.path])
        digest = hashlib.sha256(Note.parse(refusal.note).text.encode()).digest()
        values = refusal._asdict() | {"path": path, "digest": digest}
        with self._open() as db:
            db.execute(
                "INSERT INTO refused_checkpoints (origin, text_sha256, size, old_size, path, note, reason, first_at, last_at, times)"
                " VALUES (:origin, :digest, :size, :old_size, :path, :note, :reason, :first_at, :last_at, 1)"
                " ON CONFLICT (origin, text_sha256) DO UPDATE SET times = times + 1, last_at = excluded.last_at",
                values,
            )
            db.execute(
                "DELETE FROM refused_checkpoints WHERE origin = :origin AND refusal <= (SELECT refusal FROM refused_checkpoints"
                f" WHERE origin = :origin ORDER BY refusal DESC LIMIT 1 OFFSET {KEPT_REFUSALS})",
                values,
            )

    def refused(self, origin: str, limit: int) -> Sequence[Refusal]:
        """See ``Book``."""
        with self._open() as db:
            rows = db.execute(
                "SELECT origin, size, old_size, path, note, reason, first_at, last_at, times FROM refused_checkpoints"
                " WHERE origin = ? ORDER BY refusal DESC LIMIT ?",
                (origin, limit),
            ).fetchall()
        return [Refusal(*row)._replace(path=tuple(b64decode(each) for each in json.loads(row[3]))) for row in rows]

    def check(self) -> None:
        """See ``Book``."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _one(self, query: str, values: tuple[str | int, ...]) -> Seen | None:
        with self._open() as db:
            row = db.execute(query, values).fetchone()
        return None if row is None else Seen(*row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._db
        except sqlite3.Error as error:
            raise Unavailable("the witness's store", str(error)) from error
