"""Apache Kafka: one KRaft node that is broker and controller."""

import os
import socket
import struct
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import ClassVar, Final

from infra.local import versions
from infra.local.errors import LocalStackError
from infra.local.install.java import JAVA, install_kafka
from infra.local.ports import HOST
from infra.local.process import run_to_end
from infra.local.servers.base import Server

_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # One node: every internal topic has one copy.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "12",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "12",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A typo in a topic's name is an error, not a new topic.
    "auto.create.topics.enable": "false",
    # Broker-wide limits are generous; each topic's own max.message.bytes decides.
    "message.max.bytes": str(4 * 1024**2),
    "replica.fetch.max.bytes": str(4 * 1024**2),
    # A killed broker is let in again as soon as its old self counts as gone.
    "broker.session.timeout.ms": "5000",
    "broker.heartbeat.interval.ms": "500",
    # Quick rebalances: tests stop and start members all the time.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.session.timeout.ms": "2000",
}
_LOGGING: Final = {"defaultLogLevel": "warn", "showDateTime": "true", "dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"}
_METADATA_REQUEST: Final = struct.pack(">hhih", 3, 1, 7, -1) + struct.pack(">i", 0)  # Metadata v1, correlation id 7, no client id, no topic


class KafkaServer(Server):
    """The broker at ``127.0.0.1:<kafka>``."""

    kind: ClassVar[str] = "kafka"

    @property
    def address(self) -> str:
        """What goes into ``bootstrap.servers``."""
        return f"{HOST}:{self.ports.kafka}"

    @property
    def version(self) -> str:
        """The installed version."""
        return versions.KAFKA

    def install(self) -> None:
        """Fetch its jars once."""
        install_kafka(self.cancel)

    def ready(self) -> bool:
        """Whether it names itself as a live broker in an answer to a metadata request."""
        try:
            with socket.create_connection((HOST, self.ports.kafka), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(_METADATA_REQUEST)) + _METADATA_REQUEST)
                answer = connection.recv(12)
        except OSError:
            return False
        if len(answer) < 12:
            return False
        _, correlation, brokers = struct.unpack(">iii", answer)
        return bool(correlation == 7 and brokers > 0)

    @property
    def listens(self) -> dict[str, int]:
        """Its ports by name."""
        return {"kafka": self.ports.kafka, "kafka_controller": self.ports.kafka_controller}

    def _launch(self) -> None:
        home = self.run.data(self.name)
        home.mkdir(parents=True, exist_ok=True)
        config = home / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in self._settings(home).items()))
        if not (home / "log" / "meta.properties").exists():
            self._format(config)
        argv = [*self._java("-Xmx512m"), "kafka.Kafka", config]
        self.process.start(argv, os.environ, home)

    def _settings(self, home: Path) -> dict[str, str]:
        controller = f"{HOST}:{self.ports.kafka_controller}"
        return _SETTINGS | {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(home / "log"),
        }

    def _format(self, config: Path) -> None:
        first, *others = uuid.uuid4().bytes
        # The cleared bit keeps the text from beginning with a hyphen, which the tool would take for an option (one start in 64).
        cluster = urlsafe_b64encode(bytes([first & 0x7F, *others])).decode().rstrip("=")
        argv = [
            *self._java("-XX:TieredStopAtLevel=1"),
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster,
            "-c",
            config,
            "--ignore-formatted",
        ]
        if run_to_end(argv, self.process.log, os.environ, config.parent, self.cancel) != 0:
            raise LocalStackError(f"Kafka cannot format its storage: {self.process.last_line()}", f"see {self.process.log}")

    def _java(self, option: str) -> list[str | Path]:
        logging = [f"-Dorg.slf4j.simpleLogger.{key}={value}" for key, value in _LOGGING.items()]
        return [
            JAVA,
            option,
            "-XX:+UseSerialGC",
            "--sun-misc-unsafe-memory-access=allow",
            *logging,
            "-cp",
            f"{install_kafka(self.cancel)}/*",
        ]
