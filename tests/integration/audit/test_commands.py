"""`corpactions audit …` as processes: what they print, how they end, and that an interrupt costs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from corpactions.domain.audit.entry import SEGMENT
from infra.local.layout import CLONE
from infra.local.services import COMMAND_LINE
from tests.support.audit_database import AuditDatabase, audit_database
from tests.support.audit_log import LogMaker
from tests.support.signing import MemorySigner

SIZE = 1_300
OFFLINE = (
    "import sys\n"
    "def forbid(event, arguments):\n"
    "    if event in {'socket.connect', 'socket.getaddrinfo', 'socket.bind'}:\n"
    "        raise RuntimeError(f'{event} {arguments}')\n"
    "sys.addaudithook(forbid)\n"
    "from corpactions.commands.main import main\n"
    "main(sys.argv[1:])\n"
)
"""The command line in a process that may not use the network."""


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Commands:
    """The command line against one database, as the operator's account."""

    def __init__(self, database: AuditDatabase, maker: LogMaker) -> None:
        mysql = database.config("ca_operator")
        self.database = database
        self.maker = maker
        self.key = maker.signers[0].key.vkey
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CA_")},
            "CA_MYSQL_HOST": mysql.host,
            "CA_MYSQL_PORT": str(mysql.port),
            "CA_MYSQL_DATABASE": mysql.database,
            "CA_MYSQL_USER": mysql.user,
            "CA_MYSQL_PASSWORD": mysql.password,
            "CA_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        }

    def run(self, *arguments: str, **settings: str) -> Done:
        """Run a command to its end."""
        command = [str(COMMAND_LINE), "audit", *arguments]
        done = subprocess.run(command, cwd=CLONE, env=self.environment | settings, capture_output=True, text=True, timeout=90, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def verify(self, *arguments: str, **settings: str) -> Done:
        """Verify with the trusted key, without Kafka."""
        return self.run("verify", "--key", self.key, "--without", "topic", *arguments, **settings)


@pytest.fixture(scope="module")
def commands(endpoints: Mapping[str, Any]) -> Iterator[Commands]:
    with audit_database(endpoints) as database:
        maker = LogMaker(database.engine("ca_audit"))
        maker.grow(700, batch=300)
        maker.rotate()
        maker.grow(SIZE - 50 - maker.size, batch=250)
        maker.checkpoint()
        maker.grow(50)
        yield Commands(database, maker)


@pytest.fixture
def exported(commands: Commands, tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    assert commands.run("export", "--out", str(bundle)).status == 0
    return bundle


class TestVerify:
    def test_a_whole_log(self, commands: Commands) -> None:
        done = commands.verify()
        assert done.status == 0
        assert done.out.startswith(f"audit log verified: {SIZE} entries, checkpoint signed\n")
        assert "left out" in done.out

    def test_as_json(self, commands: Commands) -> None:
        report = commands.verify("--json").json
        assert (report["verified"], report["entries"], report["size"], report["findings"]) == (True, SIZE, SIZE, [])
        assert report["sources"]["topic"] == "left out"
        assert report["sources"]["witness"] == "not asked: CA_WITNESS_URL is not set"

    def test_without_a_trusted_key_it_says_what_that_proves(self, commands: Commands) -> None:
        done = commands.run("verify", "--without", "topic")
        assert done.status == 0
        assert "a key that the log itself names: proves that it fits itself, not who wrote it" in done.out

    def test_another_key_is_a_finding(self, commands: Commands) -> None:
        other = MemorySigner(number=1234).key.vkey
        done = commands.run("verify", "--without", "topic", "--key", other, "--json")
        assert done.status == 1
        assert {"key", "signature"} <= {finding["check"] for finding in done.json["findings"]}

    def test_since_a_checkpoint_by_size_and_by_file(self, commands: Commands, tmp_path: Path) -> None:
        size, note = commands.database.sql("SELECT size, note FROM audit_checkpoints")[0]
        kept = tmp_path / "checkpoint"
        kept.write_bytes(bytes(note))
        assert commands.verify("--since-checkpoint", str(size)).status == 0
        assert commands.verify("--since-checkpoint", str(kept)).status == 0
        missing = commands.verify("--since-checkpoint", "77")
        assert missing.status == 4
        assert "keeps no checkpoint of 77 entries" in missing.err

    def test_a_source_that_does_not_answer_leaves_it_incomplete(self, commands: Commands) -> None:
        done = commands.verify(CA_WITNESS_URL="http://127.0.0.1:1")
        assert done.status == 3
        assert done.out.startswith(f"audit log not fully verified: no findings in {SIZE} entries, but no answer from: witness\n")

    def test_mysql_that_does_not_answer(self, commands: Commands) -> None:
        done = commands.verify(CA_MYSQL_PORT="1")
        assert (done.status, done.out) == (3, "")
        assert done.err.startswith("corpactions: mysql is unavailable")

    @pytest.mark.parametrize("arguments", [("--without", "everything"), ("--from", "-1"), ("--processes", "0")])
    def test_wrong_usage(self, commands: Commands, arguments: tuple[str, ...]) -> None:
        assert commands.verify(*arguments).status == 2

    def test_there_is_no_such_log(self, commands: Commands) -> None:
        done = commands.run("--log", "7", "verify")
        assert done.status == 4
        assert "there is no audit log 7" in done.err


class TestEntries:
    def test_show(self, commands: Commands) -> None:
        done = commands.run("show", "5", "--key", commands.key)
        assert done.status == 0
        assert done.out.startswith("entry 5 of corporate-actions/audit, recorded 2026-11-24 09:00:00.")
        assert done.out.endswith(f"verified: signed, under the checkpoint of {SIZE - 50} entries\n")

    def test_show_as_json_what_no_checkpoint_covers_yet(self, commands: Commands) -> None:
        shown = commands.run("show", str(SIZE - 1), "--json").json
        assert (shown["verified"], shown["checkpoint"], shown["key_trusted"], shown["entry"]["seq"]) == (True, None, False, SIZE - 1)

    def test_there_is_no_such_entry(self, commands: Commands) -> None:
        done = commands.run("show", "99999")
        assert (done.status, done.out, done.err) == (1, "", "there is no entry 99999 in corporate-actions/audit\n")

    def test_a_proof_stands_on_its_own(self, commands: Commands, tmp_path: Path) -> None:
        file = tmp_path / "proof.json"
        assert commands.run("prove", "711", "--out", str(file)).status == 0
        good = offline("verify-proof", str(file), "--key", commands.key)
        assert good.status == 0, good
        assert "entry 711 of corporate-actions/audit is proved" in good.out
        proof = json.loads(file.read_text())
        file.write_text(json.dumps({**proof, "body": proof["body"].replace("COMPLETED", "CANCELLED")}))
        bad = offline("verify-proof", str(file), "--key", commands.key)
        assert bad.status == 1
        assert "does not lead from the entry to the checkpoint's root" in bad.out

    def test_what_no_checkpoint_covers_cannot_be_proved_yet(self, commands: Commands) -> None:
        assert commands.run("prove", str(SIZE - 1)).status == 1

    def test_keys(self, commands: Commands) -> None:
        rows = commands.run("keys", "--json").json
        assert [(row["number"], row["from"], row["vkey"]) for row in rows] == [
            (1, 0, commands.maker.signers[0].key.vkey),
            (2, 701, commands.maker.signers[1].key.vkey),
        ]


def offline(*arguments: str) -> Done:
    """A command with neither network nor settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CA_")}
    command = [sys.executable, "-c", OFFLINE, "audit", *arguments]
    done = subprocess.run(command, cwd=CLONE, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


class TestBundles:
    def test_a_bundle_needs_neither_network_nor_settings(self, commands: Commands, exported: Path) -> None:
        done = offline("verify-bundle", str(exported), "--key", commands.key)
        assert done.status == 0, done
        assert done.out.startswith(f"bundle verified: entries 0 to {SIZE - 51} of corporate-actions/audit")

    def test_a_span_is_rounded_to_whole_batches_and_an_archive_does_as_well(self, commands: Commands, tmp_path: Path) -> None:
        file = tmp_path / "some.tar"
        told = commands.run("export", "--out", str(file), "--from", "710", "--to", "720", "--json").json
        assert (told["first"], told["end"]) == (702, 952)
        report = offline("verify-bundle", str(file), "--key", commands.key, "--json").json
        assert (report["verified"], report["manifest_sha256"]) == (True, told["manifest_sha256"])

    def test_what_was_changed_is_told(self, commands: Commands, exported: Path) -> None:
        file = exported / "tile" / "entries" / "001"
        file.write_bytes(file.read_bytes().replace(b"COMPLETED", b"CANCELLED", 1))
        done = offline("verify-bundle", str(exported), "--key", commands.key, "--json")
        assert done.status == 1
        assert [(each["check"], each["place"]) for each in done.json["findings"]] == [
            ("manifest", "tile/entries/001"),
            ("body", "entry 256"),
        ]

    def test_an_existing_target_is_not_touched(self, commands: Commands, exported: Path) -> None:
        done = commands.run("export", "--out", str(exported))
        assert done.status == 4
        assert "is there already" in done.err

    def test_a_span_that_no_checkpoint_covers(self, commands: Commands, tmp_path: Path) -> None:
        done = commands.run("export", "--out", str(tmp_path / "b"), "--from", "0", "--to", str(SIZE))
        assert done.status == 4
        assert "no checkpoint is over entry" in done.err
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def large(endpoints: Mapping[str, Any]) -> Iterator[Commands]:
    """A log of two segments and an entry."""
    with audit_database(endpoints) as database:
        maker = LogMaker(database.engine("ca_audit"))
        maker.grow(2 * SEGMENT)
        maker.checkpoint()
        yield Commands(database, maker)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupted_verification_goes_on_where_it_was(large: Commands, tmp_path: Path, processes: str) -> None:
    state = tmp_path / "state"
    arguments = ("--processes", processes, "--state", str(state), "--json")
    interrupted = _interrupt(large, state, arguments)
    assert interrupted.status == 130, interrupted
    assert json.loads(state.read_text())["joined"]["position"] in {SEGMENT, 2 * SEGMENT}
    done = large.verify(*arguments)
    assert (done.status, done.json["entries"], done.json["verified"]) == (0, large.maker.size, True)
    assert json.loads(state.read_text())["joined"]["position"] == 2 * SEGMENT
    other = large.run("verify", "--without", "guards", "--state", str(state))
    assert other.status == 4
    assert "--state" in other.err


def _interrupt(commands: Commands, state: Path, arguments: tuple[str, ...]) -> Done:
    """Begin to verify, and press Ctrl-C when the first segment is done."""
    command = [str(COMMAND_LINE), "audit", "verify", "--key", commands.key, "--without", "topic", *arguments]
    process = subprocess.Popen(command, cwd=CLONE, env=commands.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)
