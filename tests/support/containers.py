"""The servers of a test run as containers instead of processes: images, settings and probes are those of docker-compose.yml.

Chosen by ``CA_TEST_STACK=containers`` (``make test-containers``). Needs a Docker engine on this machine, and nothing else of the native stack.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final, NamedTuple, cast

import yaml
from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HealthcheckWaitStrategy

from infra.local.layout import CLONE
from infra.local.ports import HOST
from infra.local.secrets import password
from infra.local.stack import Stack

READY_SECONDS: Final = 180
"""Longest wait for one server: its image may have to be fetched and its data be initialised."""
_PROBE_NANOSECONDS: Final = 1_000_000_000


class Publication(NamedTuple):
    """A container's port and the port of the loopback interface where tests find it."""

    inside: int
    outside: int


class Containers(Stack):
    """Kafka, registry and MySQL like any other stack, with the same endpoints; only starting and stopping differ."""

    def start(self) -> None:
        """Start all three and wait until their own probes say that they are ready.

        Raises:
            RuntimeError: there is no engine, or a server does not become ready; what was started is removed again.
        """
        services: dict[str, Any] = yaml.safe_load((CLONE / "docker-compose.yml").read_text())["services"]
        listeners = f"INTERNAL://kafka:19092,HOST://{self.kafka.address}"
        kafka_settings, mysql_settings = {"KAFKA_ADVERTISED_LISTENERS": listeners}, {"MYSQL_ROOT_PASSWORD": password(self.run, "root")}
        with ExitStack() as started:
            try:
                network = started.enter_context(Network())
                kafka = _container(services["kafka"], network, "kafka", Publication(9092, self.ports.kafka), kafka_settings)
                mysql = _container(services["mysql"], network, "mysql", Publication(3306, self.ports.mysql), mysql_settings)
                registry = _container(services["registry"], network, "registry", Publication(8080, self.ports.registry), {})
                started.enter_context(kafka)
                started.enter_context(mysql)
                _wait(kafka)
                started.enter_context(registry)
                _wait(registry)
                _wait(mysql)
            except DockerException as error:
                raise RuntimeError(f"the containers did not start: {error}; start Docker, or leave CA_TEST_STACK unset") from error
            self._started = started.pop_all()

    def stop(self) -> None:
        """Remove the containers with their data, and their network."""
        self._started.close()


def _container(service: dict[str, Any], network: Network, name: str, port: Publication, settings: dict[str, str]) -> DockerContainer:
    """A service of the composition as a container; ``settings`` take the place of those that the composition has interpolated."""
    test = [part.replace("$$", "$") for part in service["healthcheck"]["test"]]
    container = DockerContainer(
        service["image"],
        env=service["environment"] | settings,
        network=network,
        network_aliases=[name],
        mem_limit=service["deploy"]["resources"]["limits"]["memory"],
        healthcheck={"test": test, "interval": _PROBE_NANOSECONDS, "timeout": 5 * _PROBE_NANOSECONDS, "retries": READY_SECONDS},
    )
    if "command" in service:
        container.with_command(service["command"])
    container.ports[str(port.inside)] = cast("Any", (HOST, port.outside))  # with_bind_ports would listen on every interface
    return container


def _wait(container: DockerContainer) -> None:
    HealthcheckWaitStrategy().with_startup_timeout(READY_SECONDS).wait_until_ready(container)
