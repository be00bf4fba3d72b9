"""Apicurio Registry, which keeps its schemas in Kafka: they live beside the topics they describe."""

import os
import urllib.error
import urllib.request
from typing import ClassVar

from infra.local import versions
from infra.local.errors import EndedWhileStarting
from infra.local.install.java import JAVA, install_registry
from infra.local.ports import HOST
from infra.local.servers.base import Server


class RegistryServer(Server):
    """The registry, spoken to through its Confluent-compatible interface."""

    kind: ClassVar[str] = "registry"

    @property
    def address(self) -> str:
        """The base address for any Confluent client."""
        return f"http://{HOST}:{self.ports.registry}/apis/ccompat/v7"

    @property
    def version(self) -> str:
        """The installed version."""
        return versions.APICURIO

    def install(self) -> None:
        """Fetch it once."""
        install_registry(self.cancel)

    def start(self) -> bool:
        """Start it, once more if it ends by itself.

        On fresh data it creates its topics and uses them at once; a busy broker may not know them yet, and then it gives
        up. The second time they are there.
        """
        try:
            return super().start()
        except EndedWhileStarting:
            return super().start()

    def ready(self) -> bool:
        """Whether it lists its subjects, which it can only once it has read its topics."""
        try:
            with urllib.request.urlopen(f"{self.address}/subjects", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def listens(self) -> dict[str, int]:
        """Its ports by name."""
        return {"registry": self.ports.registry, "registry_management": self.ports.registry_management}

    def _launch(self) -> None:
        program = install_registry(self.cancel) / "quarkus-run.jar"
        home = self.run.data(self.name)
        home.mkdir(parents=True, exist_ok=True)
        properties = {
            "quarkus.http.host": HOST,
            "quarkus.http.port": self.ports.registry,
            "quarkus.management.host": HOST,
            "quarkus.management.port": self.ports.registry_management,
            'quarkus.log.category."org.apache.kafka".level': "WARN",  # else its clients print all their settings
        }
        argv = [
            *(str(JAVA), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"-D{key}={value}" for key, value in properties.items()),
            *("-jar", str(program)),
        ]
        kafka = f"{HOST}:{self.ports.kafka}"
        env = {
            "APICURIO_STORAGE_KIND": "kafkasql",
            "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": kafka,
            # It polls its empty topics to the end of this time-out four times before it is ready: 5 s each by default.
            "APICURIO_KAFKASQL_CONSUMER_POLL_TIMEOUT": "200",
        }
        self.process.start(argv, os.environ | env, home)
