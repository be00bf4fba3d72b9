"""Apicurio Registry, which keeps its schemas in Kafka: they live beside the topics they describe."""

import os
import time
import urllib.error
import urllib.request
from threading import Event
from typing import ClassVar, Final

from corpactions.domain.errors import CorporateActionsError
from corpactions.kafka import topics
from infra.local import versions
from infra.local.errors import Cancelled, LocalStackError
from infra.local.install.java import JAVA, install_registry
from infra.local.layout import RunDir
from infra.local.part import READY_SECONDS
from infra.local.ports import HOST, Ports
from infra.local.servers.base import Server
from infra.local.servers.kafka import KafkaServer

_FOR_EVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_TOPICS: Final = [
    topics.TopicSpec(name, partitions=1, config=_FOR_EVER, schema=None, compatibility=None)
    for name in ("kafkasql-journal", "kafkasql-snapshots", "registry-events")
]


class RegistryServer(Server):
    """The registry, spoken to through its Confluent-compatible interface."""

    kind: ClassVar[str] = "registry"

    def __init__(self, kafka: KafkaServer, run: RunDir, ports: Ports, cancel: Event) -> None:
        super().__init__(run, ports, cancel)
        self._kafka = kafka

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
        self._make_topics()
        env = {
            "APICURIO_STORAGE_KIND": "kafkasql",
            "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": self._kafka.address,
            # It polls its empty topics to the end of this time-out four times before it is ready: 5 s each by default.
            "APICURIO_KAFKASQL_CONSUMER_POLL_TIMEOUT": "200",
        }
        self.process.start(argv, os.environ | env, home)

    def _make_topics(self) -> None:
        """Have its topics ready before it starts.

        Left to itself it creates them and uses them at once; a busy broker may not know them yet, and then it runs on
        without its storage for ever.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not self._kafka.ready():
            if time.monotonic() > deadline:
                raise LocalStackError(f"the registry needs Kafka, which does not answer at {self._kafka.address}", "start Kafka first")
            if self.cancel.wait(0.1):
                raise Cancelled
        try:
            topics.apply(self._kafka.address, _TOPICS)
        except CorporateActionsError as error:
            raise LocalStackError(f"the registry's topics cannot be made: {error}", f"see {self._kafka.process.log}") from error
