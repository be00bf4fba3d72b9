"""Apicurio Registry, which keeps its schemas in Kafka: they live beside the topics they describe."""

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import ClassVar

from infra.local import versions
from infra.local.install.java import JAVA, install_registry
from infra.local.ports import HOST
from infra.local.servers.base import Server


class RegistryServer(Server):
    """The registry, spoken to through its Confluent-compatible interface."""

    name: ClassVar[str] = "registry"

    @property
    def address(self) -> str:
        """The base address for any Confluent client."""
        return f"http://{HOST}:{self._ports.registry}/apis/ccompat/v7"

    @property
    def version(self) -> str:
        """The installed version."""
        return versions.APICURIO

    def install(self) -> None:
        """Fetch it once."""
        self._home: Path = install_registry(self._cancel)

    def ready(self) -> bool:
        """Whether it lists its subjects, which it can only once it has read its topics."""
        try:
            with urllib.request.urlopen(f"{self.address}/subjects", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _listens(self) -> dict[str, int]:
        return {"registry": self._ports.registry, "registry_management": self._ports.registry_management}

    def _launch(self) -> None:
        home = self._run.data(self.name)
        home.mkdir(parents=True, exist_ok=True)
        properties = {
            "quarkus.http.host": HOST,
            "quarkus.http.port": self._ports.registry,
            "quarkus.management.host": HOST,
            "quarkus.management.port": self._ports.registry_management,
        }
        argv = [
            *(str(JAVA), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"-D{key}={value}" for key, value in properties.items()),
            *("-jar", str(self._home / "quarkus-run.jar")),
        ]
        kafka = f"{HOST}:{self._ports.kafka}"
        env = os.environ | {"APICURIO_STORAGE_KIND": "kafkasql", "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": kafka}
        self._process.start(argv, env, home)
