"""Seven years later, on real servers and with the real commands: hold, export, removal, what is told of them, and what is left to prove the rest with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from corpactions.domain.audit.bodies import parse
from corpactions.domain.audit.entry import SEGMENT
from corpactions.domain.audit.merkle import leaf_hash
from corpactions.kafka.inspector import Inspector
from corpactions.kafka.reader import TopicReader
from corpactions.kafka.registry import Registry
from corpactions.persistence.audit_guards import install, triggers
from corpactions.serde.audit import AuditCodec
from corpactions.system import SystemClock
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_log import LogMaker
from tests.support.signing import LOG, MemorySigner

COMMAND = Path(sys.executable).parent / "corpactions"
EIGHT_YEARS = timedelta(days=8 * 365.25)


class World:
    """An old log in a database and topics of its own, and the command line as the accounts of operations."""

    def __init__(self, endpoints: Mapping[str, Any], database: AuditDatabase, prefix: str, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self._endpoints = endpoints
        self._prefix = prefix
        self._topic = f"{prefix}corporate-actions-audit"
        self.maker = LogMaker(database.engine("ca_audit"), now=datetime.now(UTC) - EIGHT_YEARS)

    def grow(self) -> None:
        """Two segments eight years ago and a few entries now."""
        self.maker.grow(2 * SEGMENT - 1, batch=4096)
        self.maker.now = datetime.now(UTC)
        self.maker.grow(10)
        self.maker.checkpoint()

    def run(self, *arguments: str, account: str = "ca_retention", **settings: str) -> Any:
        """A command's answer as JSON."""
        done = self.command(*arguments, "--json", account=account, **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def command(self, *arguments: str, account: str = "ca_retention", **settings: str) -> subprocess.CompletedProcess[str]:
        config = self.database.config(account)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CA_")} | {
            "CA_MYSQL_HOST": config.host,
            "CA_MYSQL_PORT": str(config.port),
            "CA_MYSQL_DATABASE": config.database,
            "CA_MYSQL_USER": config.user,
            "CA_MYSQL_PASSWORD": config.password,
            "CA_KAFKA_BOOTSTRAP": self._endpoints["kafka"],
            "CA_REGISTRY_URL": self._endpoints["registry"],
            "CA_TOPIC_PREFIX": self._prefix,
            "CA_AUDIT_EXPORTS": str(self.folder),
            "CA_AUDIT_TRUSTED_KEY": self.maker.signers[0].key.vkey,
            **settings,
        }
        return subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)

    def told(self) -> list[str]:
        """The ids of the records on the audit topic; the log takes them in as its consumer would."""
        registry = Registry(self._endpoints["registry"], SystemClock())
        codec = AuditCodec(registry, registry.latest_id(f"{self._topic}-value"))
        ends = Inspector(self._endpoints["kafka"]).end_offsets(self._topic, 5.0)
        found: dict[str, bytes] = {}
        with TopicReader(self._endpoints["kafka"], self._topic, dict.fromkeys(ends, 0)) as reader:
            read = 0
            while read < sum(ends.values()):
                for record in reader.read(0.5):
                    read += 1
                    value = record.value or b""
                    content = codec.content(value)
                    assert (record.key or b"").decode() == content.resource
                    assert found.setdefault(content.record_id, value) == value, "told again, it is the same"
        known = self.maker.store.known(found)
        contents = [codec.content(value) for name, value in found.items() if name not in known]
        if contents:
            self.maker.add(contents)
            self.maker.checkpoint()
        return sorted(found)

    def body(self, seq: int) -> bytes:
        found: bytes = self.database.sql("SELECT body FROM audit_entries WHERE seq = %s", seq)[0][0]
        return found


@pytest.fixture
def fresh(endpoints: dict[str, Any], topics: str, tmp_path: Path) -> Iterator[World]:
    """The log has just been opened."""
    with audit_database(endpoints) as database:
        yield World(endpoints, database, topics, tmp_path / "bundles")


@pytest.fixture
def world(fresh: World) -> World:
    fresh.grow()
    return fresh


def overwrite(world: World, seq: int, body: bytes) -> None:
    """As an administrator who takes the guard away for a moment."""
    database = world.database
    guard = next(trigger for trigger in triggers() if (trigger.table, trigger.event) == ("audit_entries", "UPDATE"))
    database.sql(f"DROP TRIGGER {guard.name}")
    database.sql("UPDATE audit_entries SET body = %s WHERE seq = %s", body, seq)
    install(database.root, database.name)


def test_nothing_goes_without_a_bundle_that_verifies_with_a_key_from_outside(world: World) -> None:
    untrusted = world.command("jobs", "run", "audit-retention", CA_AUDIT_TRUSTED_KEY="")
    assert (untrusted.returncode, untrusted.stdout) == (4, "")
    assert "CA_AUDIT_TRUSTED_KEY is not set" in untrusted.stderr
    other = world.command("jobs", "run", "audit-retention", CA_AUDIT_TRUSTED_KEY=MemorySigner(LOG, 9).key.vkey)
    assert (other.returncode, other.stdout) == (4, "")
    assert "does not verify" in other.stderr
    body = world.body(77)
    overwrite(world, 77, body.replace(b"COMPLETED", b"CANCELLED"))
    damaged = world.command("jobs", "run", "audit-retention")
    assert (damaged.returncode, damaged.stdout) == (4, "")
    assert "does not verify" in damaged.stderr
    assert "entry 77" in damaged.stderr
    assert world.database.sql("SELECT COUNT(*) FROM audit_entries") == [(2 * SEGMENT + 10,)]
    assert world.database.sql("SELECT * FROM audit_exports") == world.database.sql("SELECT * FROM audit_removals") == []
    assert world.told() == []


def test_holds_say_what_is_wrong_with_a_command(fresh: World) -> None:
    place = ("audit", "holds", "place", "--reason", "a letter", "--actor", "counsel")
    for arguments, status, said in (
        (("case/1",), 2, "is no name"),
        (("case-1", "--from", "2026-01-01"), 2, "is no time with its zone"),
        (("case-1", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"), 1, "empty_period"),
        (("case-1", "--reason", "two\nlines"), 2, "is not 1 to 512 characters on one line"),
    ):
        done = fresh.command(*place, *arguments)
        assert (done.returncode, said in " ".join(done.stderr.replace("│", " ").split())) == (status, True), done.stderr
    away = fresh.command(*place, "case-1", "--json", CA_KAFKA_BOOTSTRAP="127.0.0.1:9", CA_DELIVERY_TIMEOUT_SECONDS="1")
    assert away.returncode == 0
    assert json.loads(away.stdout)["told"] is False
    assert "the next run of the job audit-retention does it" in away.stderr
    assert [hold["name"] for hold in fresh.run("audit", "holds", "list")] == ["case-1"]


def test_seven_years_later(world: World) -> None:
    last, second = leaf_hash(world.body(SEGMENT - 1)), parse(world.body(SEGMENT)).recorded_at
    kept = {table: world.database.sql(f"CHECKSUM TABLE {table}") for table in ("audit_tiles", "audit_batches", "audit_keys")}
    hold = world.run("audit", "holds", "place", "case-1", "--reason", "a letter", "--actor", "counsel", "--from", second.isoformat())
    assert (hold["name"], hold["placed"], hold["to"], hold["told"]) == ("case-1", True, None, True)

    done = world.run("jobs", "run", "audit-retention")
    assert done["removed"] == [{"log": LOG, "first": 0, "end": SEGMENT}]
    assert done["waiting"] == [{"log": LOG, "waits_for": "the release of case-1"}]
    assert world.database.sql("SELECT MIN(seq), COUNT(*) FROM audit_entries") == [(SEGMENT, SEGMENT + 10)]
    ((first, end, link, digest, location),) = world.database.sql(
        "SELECT r.first_seq, r.end_seq, r.last_hash, r.bundle_sha256, x.location FROM audit_removals r"
        " JOIN audit_exports x USING (log_id, first_seq, end_seq, bundle_sha256)"
    )
    assert (first, end, link) == (0, SEGMENT, last)
    assert Path(location).parent == world.folder
    assert parse(world.body(SEGMENT)).prev == last.hex(), "the rest is linked to what the removal keeps"
    assert {table: world.database.sql(f"CHECKSUM TABLE {table}") for table in kept} == kept
    removal, export = f"removal:{LOG}:0", f"export:{LOG}:0:{digest.hex()}"
    assert world.told() == sorted([f"hold:case-1:{hold['number']}", export, removal])

    assert world.run("jobs", "run", "audit-retention")["removed"] == []
    assert len(world.told()) == 3, "what the log has is not told again"
    world.run("audit", "holds", "release", "case-1", "--reason", "the case is closed", "--actor", "counsel")
    assert world.run("audit", "holds", "list", account="ca_operator") == []
    done = world.run("jobs", "run", "audit-retention")
    assert [segment["first"] for segment in done["removed"]] == [SEGMENT]
    assert done["waiting"][0]["waits_for"].startswith(f"its segment from entry {2 * SEGMENT} on to be whole")
    assert len(world.told()) == 6

    verified = world.command("audit", "verify", "--json", "--without", "topic", "--without", "witness", account="ca_operator")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["removed"] == 2 * SEGMENT
