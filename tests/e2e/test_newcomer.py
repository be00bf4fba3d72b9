"""What a newcomer does first, through the gateway and the command line alone: announce, look, amend, cancel, read the history; feed a file, twice."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.services import COMMAND_LINE
from tests.support.checker import judge
from tests.support.product import Product, product

SECURITIES = "symbol,valid_from,isin,currency,status,successor,reference_price\nAAPL,2000-01-01,US0378331005,USD,ACTIVE,,200\n"
DIVIDEND = {"amount_per_share": "0.25", "currency": "USD", "ex_date": "2026-11-10", "record_date": "2026-11-10", "pay_date": "2026-11-17"}
SUBMISSION = {
    "event_type": "DIVIDEND",
    "symbol": "AAPL",
    "isin": "US0378331005",
    "source": "manual",
    "source_reference": "DIV-2026-Q4",
    "payload": DIVIDEND,
}
FEED = """\
event_type,symbol,source,source_reference,amount_per_share,currency,ratio_new,ratio_old,ex_date
DIVIDEND,MSFT,vendor,M-1,0.91,USD,,,2026-11-19
STOCK_SPLIT,NVDA,vendor,N-1,,,10,1,2026-06-10
DIVIDEND,MSFT,vendor,M-2,not a number,USD,,,2026-12-19
"""


@pytest.fixture(scope="module")
def running(endpoints: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A gateway and a worker."""
    with product(endpoints, tmp_path_factory.mktemp("services")) as made:
        made.start_worker()
        made.start_gateway()
        yield made


def _command(made: Product, *arguments: str, status: int = 0) -> Any:
    """The answer of `corpactions …`, read from its JSON."""
    done = subprocess.run(
        [COMMAND_LINE, *arguments, "--json"], env=made.environment("ca_operator"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def _send(made: Product, method: str, path: str, body: object) -> httpx.Response:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return httpx.request(method, made.gateway_url + path, json=body, headers=headers, timeout=15, trust_env=False)


def _get(made: Product, path: str) -> Any:
    return httpx.get(made.gateway_url + path, timeout=15, trust_env=False).json()


def test_an_event_lives_from_announcement_to_cancellation(running: Product, tmp_path: Path) -> None:
    securities = tmp_path / "securities.csv"
    securities.write_text(SECURITIES)
    assert _command(running, "securities", "load", str(securities)) == {"loaded": 1, "refused": 0}

    answer = _send(running, "POST", "/api/v1/events", SUBMISSION)
    assert answer.status_code == 201, answer.text
    event_id = answer.json()["event_id"]
    path = f"/api/v1/events/{event_id}"
    assert answer.headers["Location"] == path
    assert _get(running, path)["event_id"] == event_id, "it is found at once"
    running.wait_for(event_id, "COMPLETED")

    found = _get(running, path)
    assert (found["status"], found["pending"], found["version"]) == ("COMPLETED", False, 1)
    assert found["effect"]["cash_per_share"] == "0.25"

    amended = _send(running, "PATCH", path, {"payload": {**DIVIDEND, "amount_per_share": "0.26"}, "reason": "misprint"})
    assert (amended.status_code, amended.json()["version"]) == (202, 2), amended.text
    running.wait("the amendment is in force", lambda: _get(running, path)["effect"]["cash_per_share"] == "0.26")

    cancelled = _send(running, "POST", f"{path}/cancel", {"function": "WITH", "reason": "the board withdrew it"})
    assert cancelled.status_code == 202, cancelled.text
    running.wait_for(event_id, "CANCELLED")
    assert _get(running, path)["cancel_function"] == "WITH"

    history = _get(running, f"{path}/history")
    assert [version["version"] for version in history["versions"]] == [1, 2, 3]
    assert [row["kind"] for row in history["effects"]] == ["POST", "REVERSAL", "POST", "REVERSAL"]
    assert _send(running, "PATCH", path, {"payload": DIVIDEND, "reason": "too late"}).status_code == 409
    running.settle()
    judge(running)


def test_the_command_line_submits_shows_and_cancels(running: Product, tmp_path: Path) -> None:
    file = tmp_path / "dividend.json"
    file.write_text(json.dumps({**SUBMISSION, "source_reference": "DIV-2027-Q1", "payload": {**DIVIDEND, "ex_date": "2026-11-09"}}))
    event_id = _command(running, "events", "submit", str(file))["event_id"]
    running.wait_for(event_id, "COMPLETED")
    assert _command(running, "events", "show", event_id)["status"] == "COMPLETED"
    _command(running, "events", "cancel", event_id, "--reason", "entered by mistake")
    running.wait_for(event_id, "CANCELLED")
    assert len(_command(running, "events", "history", event_id)["versions"]) == 2


def test_a_file_fed_twice_changes_nothing(running: Product, tmp_path: Path) -> None:
    file = tmp_path / "vendor.csv"
    file.write_text(FEED)
    snapshot = "SELECT event_id, revision, status, record FROM events WHERE source = 'vendor' ORDER BY event_id"
    _command(running, "feed", str(file), status=1)
    running.wait("both sound lines are applied", lambda: len(running.sql(f"{snapshot}")) == 2)
    running.settle()
    before = running.sql(snapshot)
    _command(running, "feed", str(file), status=1)
    running.settle()
    assert running.sql(snapshot) == before
    counts = judge(running)
    assert counts.letters == 0, "a line that breaks a rule is reported to whoever feeds it, and never sent"
