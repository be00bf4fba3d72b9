"""The gateway's metrics, and that every alert rule is built on metrics that there are and leads to a runbook that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from infra.local.layout import CLONE
from tests.support.audited import Audited, audit_gateway, audited

RULES = CLONE / "infra" / "prometheus" / "rules"
_METRIC = re.compile(r"\bcorpactions_[a-z_]+\b")


@pytest.fixture(scope="module")
def log(endpoints: dict[str, Any]) -> Iterator[Audited]:
    with audited(endpoints) as found:
        found.grow(999)
        found.grow(500, witnessed=False)
        found.maker.grow(1)
        yield found


def _samples(text: str) -> dict[str, float]:
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


def _rules() -> list[tuple[str, dict[str, Any]]]:
    files = sorted(RULES.glob("*.yml"))
    return [(file.name, rule) for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def test_the_metrics_tell_how_far_the_log_is_and_every_rule_is_built_on_them(log: Audited) -> None:
    with audit_gateway(log) as process, httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        found = _samples(answer.text)
        assert found["corpactions_audit_log_entries"] == 1_501
        assert found['corpactions_audit_checkpoint_size{kind="newest"}'] == 1_500
        assert found['corpactions_audit_checkpoint_size{kind="witnessed"}'] == 1_000
        assert (
            found['corpactions_audit_checkpoint_age_seconds{kind="witnessed"}']
            >= found['corpactions_audit_checkpoint_age_seconds{kind="newest"}']
        )
        assert found["corpactions_audit_entries_read_total"] == 0
        assert found['corpactions_audit_entries_failed_total{check="body"}'] == 0
        page = client.get("/api/v1/audit?limit=7").json()
        assert page["verification"]["checkpoint"]["size"] == 1_000  # no newer one is over the newest entry, and this one is witnessed
        older = client.get("/api/v1/audit/entries/1400").json()
        assert older["verification"]["checkpoint"]["size"] == 1_500
        assert older["entry"]["checkpoint"] == "covered"
        assert _samples(client.get("/metrics").text)["corpactions_audit_entries_read_total"] == 8
    names = {name.partition("{")[0] for name in found}
    for file, rule in _rules():
        used = set(_METRIC.findall(rule["expr"]))
        assert used, (file, rule["alert"])
        assert used <= names, (file, rule["alert"], used - names)


def test_every_alert_leads_to_its_section_of_a_runbook() -> None:
    alerts = _rules()
    assert {rule["alert"] for _, rule in alerts} >= {"AuditEntryFailed", "AuditCheckpointStale", "AuditWitnessAway"}
    for _, rule in alerts:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        page, _, section = rule["annotations"]["runbook_url"].partition("#")
        assert section == rule["alert"].lower()
        assert f"### {rule['alert']}\n" in (CLONE / page).read_text()


def test_without_mysql_the_other_metrics_remain_and_the_log_is_unavailable(log: Audited) -> None:
    with audit_gateway(log, CA_MYSQL_PORT="9") as process, httpx.Client(base_url=process.url, timeout=20, trust_env=False) as client:
        found = client.get("/metrics").text
        assert "corpactions_audit_log_entries NaN" in found
        assert "process_resident_memory_bytes" in found
        for path in (
            "",
            "/entries/1",
            "/entries/1/proof",
            "/consistency?from=1",
            "/verify",
            "/log/checkpoint",
            "/log/key",
            "/log/tile/0/000",
        ):
            answer = client.get(f"/api/v1/audit{path}")
            assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "dependency_unavailable", "2"), path
        assert client.post("/api/v1/audit/verify").status_code == 503
