"""A log of the product's own making, under a witness and on its topics, that can be attacked and put back as it was."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from corpactions.auditing.report import Report, Request
from corpactions.auditing.sources import witness_of
from corpactions.auditing.verification import verify_log
from corpactions.domain.audit.notes import Signer
from corpactions.domain.audit.retention import Export, told
from corpactions.persistence import audit_guards
from corpactions.persistence.audit_guards import AUDIT_TABLES
from corpactions.persistence.audit_holds import LegalHolds
from corpactions.persistence.engine import connect
from corpactions.security.signing import load_keys
from corpactions.security.witness import WitnessClient
from corpactions.settings import Settings
from tests.support.audit_records import AuditRecords
from tests.support.auditing import ORIGIN, Auditing, auditing
from tests.support.product import Product, product
from tests.support.signing import MemorySigner

__all__ = ["ORIGIN", "Scene", "scene"]
CHUNK = 150
QUICK = {"CA_AUDIT_CHECKPOINT_ENTRIES": "100", "CA_AUDIT_CHECKPOINT_SECONDS": "0.3"}


class Scene:
    """See above. Writes nothing once it is made; verifications run as the administrator, who can do whatever an account of the product can."""

    def __init__(self, log: Auditing, folder: Path) -> None:
        self._log = log
        self._made: Product = log.made
        self._folder = folder
        self.engine = connect(self._made.backing.mysql_config())
        self.foreign = MemorySigner(ORIGIN, 99)
        self.now = datetime.now(UTC)
        self._records = AuditRecords(self._made)

    def make(self) -> None:
        """Seven batches or more, two keys, a hold and an export that are told; a copy of all tables half-way, and one at the end."""
        audit_guards.install(self.engine, self._made.backing.database)
        self._log.start_witness()
        self._log.start()
        self._send(0, 3)
        self._log.consumers[-1].stop()
        self._copy("early_")
        self.rotated_at = self._log.size
        self._log.add_key()
        self._log.start()
        self._tell_deeds()
        self._send(3, 3)
        assert self._log.consumers[-1].stop() == 0
        self._copy("whole_")
        self.size = self._log.size
        self.signers: list[Signer] = list(load_keys(self._log.keys, ORIGIN))
        self.statements = [bytes(row[0]) for row in self.sql("SELECT statement FROM audit_keys ORDER BY number")]

    def _send(self, first: int, chunks: int) -> None:
        for chunk in range(first, first + chunks):
            self._log.send(self._records.messages(chunk * CHUNK, CHUNK))
            self._made.wait("the chunk is logged", partial(self._logged, (chunk + 1) * CHUNK))
        self._log.wait_for_witness(self._log.size)

    def _logged(self, records: int) -> bool:
        return bool(self.sql("SELECT COUNT(*) FROM audit_entries WHERE action = 'APPLIED'")[0][0] >= records)

    def _tell_deeds(self) -> None:
        """What retention does: rows, and a record of each on the topic."""
        hold = LegalHolds(self.engine, "tester").place("case-1", "asked for by nobody")
        self.sql("INSERT INTO audit_exports VALUES (1, 0, 65536, REPEAT('e', 32), '/bundles/0', '2026-11-24 10:00:00', 'tester')")
        export = Export(ORIGIN, 0, 65536, b"e" * 32, "/bundles/0", "tester", datetime(2026, 11, 24, 10, tzinfo=UTC))
        self._log.send([self._records.message(told(deed)) for deed in (hold, export)])

    def settings(self) -> Settings:
        """Those of a verifier, with every source there is."""
        mysql, prefix = self._made.backing.mysql_config(), self._made.backing.prefix
        return Settings(
            mysql_host=mysql.host,
            mysql_port=mysql.port,
            mysql_database=mysql.database,
            mysql_user=mysql.user,
            mysql_password=mysql.password,
            kafka_bootstrap=self._made.endpoints["kafka"],
            registry_url=self._made.endpoints["registry"],
            topic_prefix=prefix,
            witness_url=self._log.witness_url,
            witness_vkey=str(self._log.witness_store / "public" / "vkey"),
        )

    def witness(self) -> WitnessClient:
        """The witness, as anybody may ask it."""
        return witness_of(self.settings())

    def verify(self, without: Collection[str] = (), *, pinned: bool = True) -> Report:
        """What a verification finds now."""
        request = Request(trusted=self._log.key if pinned else None, without=frozenset(without))
        return verify_log(self.settings(), request, lambda _count, _total: None)

    def disarm(self) -> None:
        """Drop every trigger on the audit tables."""
        for row in self.sql("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"):
            self.sql(f"DROP TRIGGER `{row[0]}`")

    def arm(self) -> None:
        """Put the guards back."""
        audit_guards.install(self.engine, self._made.backing.database)

    def restore(self, tables: Collection[str] = AUDIT_TABLES, prefix: str = "whole_") -> None:
        """Put the tables back as they were."""
        for table in tables:
            self.sql(f"TRUNCATE TABLE {table}")
            self.sql(f"INSERT INTO {table} SELECT * FROM {prefix}{table}")

    def _copy(self, prefix: str) -> None:
        for table in AUDIT_TABLES:
            self.sql(f"CREATE TABLE {prefix}{table} AS SELECT * FROM {table}")

    def bodies(self) -> list[bytes]:
        """All entries."""
        return [bytes(row[0]) for row in self.sql("SELECT body FROM audit_entries ORDER BY seq")]

    def batch_before(self, seq: int) -> int:
        """The beginning of the batch that an entry is in."""
        return int(self.sql("SELECT MAX(first_seq) FROM audit_batches WHERE first_seq <= %s", seq)[0][0])

    def sql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of one statement, as the administrator."""
        return self._made.sql(statement, *arguments)


@contextmanager
def scene(endpoints: Mapping[str, Any], folder: Path) -> Iterator[Scene]:
    """A log to be attacked; its processes and all that it made are gone afterwards."""
    with product(endpoints, folder) as made, auditing(made, **QUICK) as log:
        made_scene = Scene(log, folder)
        made_scene.make()
        yield made_scene
        made_scene.engine.dispose()
