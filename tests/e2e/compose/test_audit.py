"""The audit log in containers: it verifies, also after its writer was killed; its witness stands apart, and its private keys where they are used alone."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.e2e.compose.composition import Composition

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900), pytest.mark.xdist_group("compose")]

HOME: Final = "/var/lib/corporate-actions"
VERIFIED: Final = re.compile(r"audit log verified: ([\d,]+) entries, checkpoint signed and witnessed")
SERVERS: Final = {"kafka": 19092, "registry": 8080, "mysql": 3306}
REACHED: Final = """
import socket, sys
for address in sys.argv[1:]:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        print(address)
    except OSError:
        pass
"""
"""Prints those of its arguments that it can connect to. Addresses and no names: the engine asks others for a name that it does not know itself."""
SOON_SECONDS: Final = 60.0


def test_writer_and_witness_are_healthy(composition: Composition) -> None:
    containers = composition.containers()
    for service in ("audit", "witness"):
        assert [container["State"]["Health"]["Status"] for container in containers[service]] == ["healthy"]
        assert [container["RestartCount"] for container in containers[service]] == [0]


def test_all_that_happened_is_in_the_log_and_witnessed(composition: Composition, report: dict[str, Any]) -> None:
    audit = report["audit"]
    assert audit["verified"], (audit["findings"], audit["sources"])
    assert audit["pinned"], "the key is not from elsewhere than the log"
    assert audit["not_logged"] == 0
    assert audit["witnessed"] == audit["size"] > 800
    assert _entries(composition) == audit["size"]


def test_the_witness_reaches_no_server(composition: Composition) -> None:
    containers = composition.containers()
    networks = {service: _addresses(containers[service][0]) for service in (*SERVERS, "witness")}
    assert networks["witness"].keys() == {f"{composition.project}_witness"}
    addresses = [f"{address}:{port}" for server, port in SERVERS.items() for address in networks[server].values()]
    assert len(addresses) == len(SERVERS)
    assert _reached(composition, "audit", addresses) == addresses, "the probe finds what is there"
    assert _reached(composition, "witness", addresses) == []


def test_private_keys_are_where_they_are_used_and_only_their_owner_reads_them(composition: Composition) -> None:
    log_key, witness_key = {"audit-keys/0001.pem 600 10001"}, {"witness/key.pem 600 10001"}
    found = {
        service: composition.files(service, HOME, "*.pem")
        for service in ("provision", "audit", "witness", "gateway", "lifecycle", "corpactions", "retention")
    }
    none: set[str] = set()
    assert found == dict.fromkeys(found, none) | {"provision": log_key, "audit": log_key, "witness": witness_key}


def test_only_provisioning_writes_the_logs_key(composition: Composition) -> None:
    writable = {
        (service, mount["RW"])
        for service, containers in composition.containers().items()
        for container in containers
        for mount in container["Mounts"]
        if mount.get("Name") == f"{composition.project}_audit-keys"
    }
    assert writable == {("provision", True), ("audit", False)}


def test_holds_and_retention_have_an_account_and_a_place_of_their_own(composition: Composition, report: dict[str, Any]) -> None:
    def retention(*arguments: str) -> str:
        return composition.corpactions(*arguments, service="retention")

    why = ("--actor", "a.person", "--reason", "shown in containers")
    assert "in force" in retention("audit", "holds", "list")
    assert retention("audit", "holds", "place", "case-1", *why).startswith("case-1: placed")
    assert retention("jobs", "run", "audit-retention").startswith(report["audit"]["origin"])
    assert retention("audit", "holds", "release", "case-1", *why).startswith("case-1: released")
    kept = f"{HOME}/exports/first"
    retention("audit", "export", "--to", "100", "--out", kept)
    trusted = ("--key", f"{HOME}/trusted/logs", "--witness", f"{HOME}/witness/public/vkey")
    assert retention("audit", "verify-bundle", *trusted, kept).startswith("bundle verified: entries 0 to ")


def test_a_killed_writer_comes_back_and_the_log_verifies(composition: Composition, report: dict[str, Any]) -> None:
    before = _entries(composition)
    with ThreadPoolExecutor(max_workers=1) as pool:
        demonstration = pool.submit(composition.corpactions, "demo")
        _wait_for_writing(composition, before, demonstration)
        composition.crash("audit")
        last = demonstration.result().rstrip().splitlines()[-1]
    (container,) = composition.containers()["audit"]
    assert container["RestartCount"] == 1
    verified = VERIFIED.fullmatch(last)
    assert verified, last
    assert int(verified[1].replace(",", "")) == _entries(composition) > before >= report["audit"]["size"]
    assert VERIFIED.match(composition.corpactions("audit", "verify"))
    assert composition.query("SELECT COUNT(DISTINCT owner) FROM audit_epochs") == ["2"], "one writer after the other"


def _entries(composition: Composition) -> int:
    return int(composition.query("SELECT COUNT(*) FROM audit_entries")[0])


def _wait_for_writing(composition: Composition, before: int, demonstration: Future[str]) -> None:
    """Until the log is longer than it was."""
    deadline = time.monotonic() + SOON_SECONDS
    while _entries(composition) == before:
        assert not demonstration.done(), demonstration.result()
        assert time.monotonic() < deadline, "nothing was logged"


def _addresses(container: dict[str, Any]) -> dict[str, str]:
    return {name: network["IPAddress"] for name, network in container["NetworkSettings"]["Networks"].items()}


def _reached(composition: Composition, service: str, addresses: list[str]) -> list[str]:
    return composition.run("exec", "-T", service, "python", "-c", REACHED, *addresses).splitlines()
