"""The demonstration and the events commands against a product of this module's own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit_database import with_accounts
from tests.support.auditing import auditing
from tests.support.product import product

COMMAND = Path(sys.executable).parent / "corpactions"
SAMPLE = Path(str(files("producers.feed") / "sample"))
KEY = "4258847e-06a7-4de8-80ef-4b04eb058d15"
SUBMISSION = {
    "event_type": "DIVIDEND",
    "symbol": "AAPL",
    "source_reference": "CLI-1",
    "payload": {"amount_per_share": "0.25", "currency": "USD", "ex_date": "2026-11-10", "attributes": {"exact": 1.10}},
}
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def environment(endpoints: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a command line that finds the whole product running, its audit log and witness included, with the sample's securities."""
    settings = {"CA_AUDIT_CHECKPOINT_SECONDS": "0.5"}
    with product(with_accounts(endpoints), tmp_path_factory.mktemp("product"), **settings) as made, auditing(made) as log:
        log.start_witness()
        log.start()
        made.start_worker()
        made.start_gateway()
        found = made.environment("ca_operator") | log.settings
        subprocess.run([COMMAND, "securities", "load", SAMPLE / "securities.csv"], env=found, check=True, timeout=60)
        yield found


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def call(*arguments: str, stdin: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], env=environment | settings, input=stdin, capture_output=True, text=True, timeout=200, check=False
        )

    return call


def test_the_sample_comes_to_its_end_and_a_second_demonstration_changes_nothing(run: Run) -> None:
    for number in (1, 2):
        done = run("demo", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert found["adds_up"] is True
        assert found["accepted"] == {"REST": 291, "Kafka": 589}
        assert found["accepted_before"] == (0 if number == 1 else 290)
        assert found["audit"]["verified"] is True
        assert found["audit"]["witnessed"] == found["audit"]["size"] > len(found["accepted"])
        codes = {letter["code"] for letter in found["dead_letters"]}
        assert codes >= {
            "not_avro",
            "null_value",
            "unknown_schema",
            "wrong_schema",
            "undecodable",
            "null_key",
            "key_mismatch",
            "wrong_partition",
        }
        assert codes >= {"invalid_terms", "isin_mismatch", "contradicting_dates", "version_conflict", "duplicate_announcement"}


def test_an_event_is_submitted_once_shown_listed_and_cancelled(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "submission.json"
    file.write_text(json.dumps(SUBMISSION).replace("1.1}", "1.10}"))
    accepted = run("events", "submit", str(file), "--key", KEY, "--json")
    assert accepted.returncode == 0, accepted.stderr
    event_id = json.loads(accepted.stdout)["event_id"]
    again = run("events", "submit", str(file), "--key", KEY)
    assert (again.returncode, event_id in again.stderr, "duplicate_request" in again.stderr) == (1, True, True)
    assert wait_for(run, event_id, "COMPLETED")["payload"]["amount_per_share"] == "0.25"
    assert '"exact":1.10' in run("events", "show", event_id, "--json").stdout
    assert event_id in run("events", "list", "--symbol", "AAPL", "--status", "COMPLETED", "--limit", "600").stdout
    cancelled = run("events", "cancel", event_id, "--reason", "typed by mistake")
    assert cancelled.returncode == 0
    assert cancelled.stderr.startswith("idempotency key: ")
    assert wait_for(run, event_id, "CANCELLED")["cancel_function"] == "CANC"
    history = run("events", "history", event_id)
    assert history.returncode == 0
    for expected in ("gateway.1", "gateway.2", "COMPLETED → CANCELLED", "typed by mistake", "REVERSAL of 1"):
        assert expected in history.stdout


def wait_for(run: Run, event_id: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        event: dict[str, Any] = json.loads(run("events", "show", event_id, "--json").stdout)
        if event["status"] == status or time.monotonic() > deadline:
            assert event["status"] == status
            return event
        time.sleep(0.2)


def test_refusals_name_field_and_mend(run: Run) -> None:
    wrong = json.dumps({**SUBMISSION, "payload": {**SUBMISSION["payload"], "currency": "usd"}})  # type: ignore[dict-item] # a dict of mixed values
    done = run("events", "submit", "-", stdin=wrong)
    assert done.returncode == 1
    assert "/payload/currency" in done.stderr
    assert "'USD' would be one" in done.stderr
    assert run("events", "show", "00000000-0000-0000-0000-000000000000").returncode == 1


def test_wrong_usage_is_status_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{")
    for arguments in (
        ("show", "no-uuid"),
        ("submit", str(tmp_path / "absent.json")),
        ("submit", str(tmp_path / "no.json")),
        ("list", "--status", "DONE"),
        ("cancel", KEY),
    ):
        assert run("events", *arguments).returncode == 2, arguments


def test_a_gateway_that_is_away_is_status_3_and_the_key_to_repeat_with_is_told(run: Run) -> None:
    away = {"CA_GATEWAY_URL": "http://127.0.0.1:9"}
    assert run("events", "list", **away).returncode == 3
    assert run("demo", **away).returncode == 3
    done = run("events", "submit", "-", stdin=json.dumps(SUBMISSION), **away)
    assert done.returncode == 3
    key = done.stderr.partition("idempotency key: ")[2].split()[0]
    assert f"--key {key}" in done.stderr


def test_a_kafka_that_is_away_ends_the_demonstration_with_status_3(run: Run) -> None:
    done = run("demo", CA_KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
