"""The containers run the same servers, with the same settings, as the native stack: what is true on one is true on the other."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from infra.local import versions
from infra.local.layout import CLONE
from infra.local.secrets import ACCOUNTS
from infra.local.servers import kafka, mysql

OF_THIS_MACHINE = {"--bind-address=127.0.0.1", "--mysqlx=OFF", "--secure-file-priv=NULL"}
"""Options of MySQL as a private process; in a container the image's own choice stands."""


@pytest.fixture(scope="module")
def composition() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CLONE / "docker-compose.yml").read_text())
    return found


def test_the_versions_are_the_same(composition: dict[str, Any]) -> None:
    services = composition["services"]
    assert services["kafka"]["image"] == f"apache/kafka:{versions.KAFKA}"
    assert services["registry"]["image"] == f"apicurio/apicurio-registry:{versions.APICURIO}"
    assert tuple(int(part) for part in services["mysql"]["image"].split(":")[1].split(".")) >= versions.MYSQL_MINIMUM


def test_kafka_has_the_same_settings(composition: dict[str, Any]) -> None:
    in_container = composition["services"]["kafka"]["environment"]
    native = {
        f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in kafka._SETTINGS.items() if key != "listener.security.protocol.map"
    }
    assert {name: in_container.get(name) for name in native} == native


def test_mysql_has_the_same_settings(composition: dict[str, Any]) -> None:
    assert set(composition["services"]["mysql"]["command"]) == set(mysql._OPTIONS) - OF_THIS_MACHINE


def test_every_account_has_a_password_of_its_own(composition: dict[str, Any]) -> None:
    assert set(composition["secrets"]) == {account.removeprefix("ca_") for account in ACCOUNTS}


def test_each_service_gets_one_password_and_only_provisioning_all(composition: dict[str, Any]) -> None:
    given = {name: {secret["source"] for secret in service.get("secrets", [])} for name, service in composition["services"].items()}
    assert given == {
        "kafka": set(),
        "registry": set(),
        "mysql": set(),
        "provision": set(composition["secrets"]),
        "witness": set(),
        "audit": {"audit"},
        "gateway": {"gateway"},
        "lifecycle": {"worker"},
        "corpactions": {"operator"},
        "retention": {"retention"},
    }


def test_the_witness_reaches_no_server_and_nobody_else_its_key(composition: dict[str, Any]) -> None:
    services = composition["services"]
    beside_it = {name for name, service in services.items() if set(service["networks"]) & set(services["witness"]["networks"])}
    assert beside_it == {"witness", "audit", "gateway", "corpactions"}
    assert _holders(services, "witness") == {"witness"}
    assert _holders(services, "audit-keys") == {"provision", "audit"}
    assert not [name for name in services["witness"].get("environment", {}) if "MYSQL" in name or "KAFKA" in name]


def _holders(services: dict[str, Any], volume: str) -> set[str]:
    return {name for name, service in services.items() if any(mount.split(":")[0] == volume for mount in service.get("volumes", []))}
