"""The product's own processes: one gateway, two lifecycle workers, the audit log's writer and its witness, each with an account of its own."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from infra.local.layout import CLONE
from infra.local.part import Part
from infra.local.ports import HOST
from infra.local.secrets import password
from infra.local.stack import DATABASE, Stack

COMMAND_LINE: Final = Path(sys.executable).parent / "corpactions"
"""The product's command line, installed beside this Python."""


def client_environment(stack: Stack, account: str) -> dict[str, str]:
    """This process's environment with what a service or command needs to find the stack; ``account`` is its MySQL account."""
    return os.environ | {
        "CA_KAFKA_BOOTSTRAP": stack.kafka.address,
        "CA_REGISTRY_URL": stack.registry.address,
        "CA_MYSQL_HOST": HOST,
        "CA_MYSQL_PORT": str(stack.ports.mysql),
        "CA_MYSQL_DATABASE": DATABASE,
        "CA_MYSQL_USER": account,
        "CA_MYSQL_PASSWORD": password(stack.run, account),
        "CA_GATEWAY_HOST": HOST,
        "CA_GATEWAY_PORT": str(stack.ports.gateway),
        "CA_GATEWAY_URL": f"http://{HOST}:{stack.ports.gateway}",
        "CA_AUDIT_TRUSTED_KEY": str(stack.run.witness_trusted),
        "CA_WITNESS_URL": f"http://{HOST}:{stack.ports.witness}",
        "CA_WITNESS_VKEY": str(stack.run.witness / "public" / "vkey"),
    }


def witness_environment(stack: Stack) -> dict[str, str]:
    """This process's environment with what the witness needs, and no more: it knows neither Kafka nor MySQL."""
    return os.environ | {
        "CA_WITNESS_HOST": HOST,
        "CA_WITNESS_PORT": str(stack.ports.witness),
        "CA_WITNESS_STORE": str(stack.run.witness),
        "CA_WITNESS_TRUSTED": str(stack.run.witness_trusted),
    }


class Service(Part):
    """One process of the product, ready when its own health answer says so."""

    def __init__(self, stack: Stack, name: str, module: str, environment: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(name, stack.run, stack.ports, stack.cancel)
        self._module = module
        self._environment = environment

    @property
    def address(self) -> str:
        """The base of its HTTP address."""
        return f"http://{HOST}:{self._port}"

    @property
    def listens(self) -> dict[str, int]:
        """Its ports by name."""
        return {self._port_name: self._port}

    def ready(self) -> bool:
        """Whether it says it is ready to work."""
        try:
            with urllib.request.urlopen(f"{self.address}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _launch(self) -> None:
        own = {"CA_INSTANCE": self.name, "PYTHONUNBUFFERED": "1"}
        self.process.start([sys.executable, "-m", self._module], {**self._environment(), **own}, CLONE)

    @property
    def _port_name(self) -> str:
        return self.name.replace("lifecycle-", "worker_")

    @property
    def _port(self) -> int:
        return int(getattr(self.ports, self._port_name))


def services(stack: Stack) -> tuple[Service, ...]:
    """The services of the product on ``stack``, in the order in which they start: whoever needs another one comes behind it."""

    def account(name: str, **more: str) -> Callable[[], Mapping[str, str]]:
        return lambda: client_environment(stack, name) | more

    ports = stack.ports
    audit = {"CA_AUDIT_KEYS": str(stack.run.audit_keys), "CA_AUDIT_STATUS_PORT": str(ports.audit)}
    return (
        Service(stack, "witness", "consumers.witness", partial(witness_environment, stack)),
        Service(stack, "audit", "consumers.audit", account("ca_audit", **audit)),
        Service(stack, "gateway", "gateway", account("ca_gateway")),
        Service(stack, "lifecycle-1", "consumers.lifecycle", account("ca_worker", CA_WORKER_STATUS_PORT=str(ports.worker_1))),
        Service(stack, "lifecycle-2", "consumers.lifecycle", account("ca_worker", CA_WORKER_STATUS_PORT=str(ports.worker_2))),
    )
