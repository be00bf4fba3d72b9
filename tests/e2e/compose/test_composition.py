"""docker-compose.yml brings up the whole product: the sample comes to its end, nothing is exposed, nothing is lost by a restart."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.compose.composition import Composition

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900), pytest.mark.xdist_group("compose")]

PRODUCT = ("gateway", "lifecycle", "audit", "witness", "provision")


def test_the_sample_comes_to_its_end(composition: Composition, report: dict[str, Any]) -> None:
    checks = {check["name"]: check for check in report["checks"]}
    assert report["adds_up"], [check for check in report["checks"] if not check["holds"]]
    assert checks["completed"]["found"] > 800
    rows = composition.query("SELECT COUNT(*) FROM events WHERE status = 'COMPLETED'")
    assert rows == [str(checks["completed"]["found"])]


def test_the_wrong_records_are_in_the_dead_letter_topic(report: dict[str, Any]) -> None:
    assert report["dead_letters"]
    assert [letter for letter in report["dead_letters"] if letter["code"] != letter["expected_code"]] == []


def test_only_the_gateway_is_published_and_on_this_machine_alone(composition: Composition) -> None:
    published = {
        (service, binding["HostIp"], binding["HostPort"])
        for service, containers in composition.containers().items()
        for container in containers
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert published == {("gateway", "127.0.0.1", str(composition.port))}


def test_the_product_runs_without_privileges(composition: Composition) -> None:
    containers = composition.containers()
    for container in (found for service in PRODUCT for found in containers[service]):
        assert container["Config"]["User"] == "10001:10001"
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert container["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]


def test_passwords_are_in_no_configuration_and_each_service_holds_its_own_alone(composition: Composition) -> None:
    containers, passwords = composition.containers(), composition.passwords()
    configurations = json.dumps([containers[service] for service in PRODUCT])
    assert [name for name, password in passwords.items() if password in configurations] == []
    for service, variable in (("gateway", "CA_PASSWORD_GATEWAY"), ("lifecycle", "CA_PASSWORD_WORKER"), ("audit", "CA_PASSWORD_AUDIT")):
        assert composition.run("exec", "-T", service, "sh", "-c", "cat /run/secrets/*") == passwords[variable]


def test_two_workers_share_the_work(composition: Composition, report: dict[str, Any]) -> None:
    assert report["adds_up"]
    assert len(composition.containers()["lifecycle"]) == 2
    owners = composition.query("SELECT DISTINCT owner FROM partition_progress")
    assert len(owners) == 2


def test_a_restart_keeps_everything(composition: Composition, report: dict[str, Any]) -> None:
    assert report["adds_up"]
    statement = "SELECT HEX(event_id), revision, status FROM events ORDER BY event_id"
    before = composition.query(statement)
    composition.down()
    composition.up()
    assert composition.query(statement) == before
    again = json.loads(composition.corpactions("demo", "--json"))
    assert again["adds_up"], [check for check in again["checks"] if not check["holds"]]
    assert again["audit"]["verified"], again["audit"]["findings"]
    assert again["audit"]["witnessed"] == again["audit"]["size"] >= report["audit"]["size"]


def test_without_passwords_it_says_what_to_do(tmp_path: Path) -> None:
    empty = tmp_path / "env"
    empty.touch()
    with pytest.raises(AssertionError, match="make compose-env"):
        Composition("ca-test-none", empty, 8000).run("config", "--quiet")


def test_passwords_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    composition = Composition("ca-test-none", tmp_path / "env", 8000)
    composition.generate_passwords()
    made = composition.passwords()
    composition.generate_passwords()
    assert composition.passwords() == made
    assert len(set(made.values())) == 7
    assert stat.S_IMODE(composition.env_file.stat().st_mode) == 0o600
