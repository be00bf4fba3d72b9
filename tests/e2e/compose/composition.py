"""One private run of docker-compose.yml: a project name, passwords, a port and volumes of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.local.layout import CLONE

BUILD_SECONDS: Final = 600
START_SECONDS: Final = 300
COMMAND_SECONDS: Final = 180


@dataclass(frozen=True)
class Composition:
    """``docker compose`` with everything that keeps this run apart from others on the same engine."""

    project: str
    env_file: Path
    port: int

    def generate_passwords(self) -> None:
        """Write the file of passwords, as ``make compose-env`` does."""
        subprocess.run([CLONE / "infra" / "docker" / "env.sh", self.env_file], check=True, timeout=10)

    def passwords(self) -> dict[str, str]:
        """The passwords by the names of their variables."""
        return dict(line.split("=", 1) for line in self.env_file.read_text().splitlines())

    def build(self) -> None:
        self.run("build", "--quiet", seconds=BUILD_SECONDS)

    def up(self) -> None:
        """Start everything; returns when each service says that it is ready."""
        self.run("up", "--detach", "--wait", "--wait-timeout", str(START_SECONDS), seconds=START_SECONDS + 30)

    def down(self) -> None:
        """Stop and remove the containers; their data stay."""
        self.run("down", "--timeout", "60")

    def remove(self) -> None:
        """Remove everything, data included."""
        self.run("down", "--timeout", "60", "--volumes", "--remove-orphans")

    def corpactions(self, *arguments: str, service: str = "corpactions") -> str:
        """What a command of the command line, run in a container of its own, prints; ``service`` is the one whose account runs it."""
        return self.run("run", "--rm", "--no-TTY", service, *arguments)

    def files(self, service: str, folder: str, pattern: str) -> set[str]:
        """The files like ``pattern`` that a fresh container of this service sees below a folder, each as ``path mode owner``."""
        find = ("--entrypoint", "find", service, folder, "-name", pattern, "-printf", "%P %m %U\n")
        return set(self.run("run", "--rm", "--no-deps", "--no-TTY", *find).splitlines())

    def crash(self, service: str) -> None:
        """Kill a service's only process as the kernel would, out of memory say: the engine takes `docker kill` for a wish and starts nothing again."""
        (container,) = self.containers()[service]
        kill = ("--entrypoint", "sh", container["Image"], "-c", f"kill -KILL {container['State']['Pid']}")
        argv = ["docker", "run", "--rm", "--network", "none", "--pid", "host", "--user", "0:0", *kill]
        subprocess.run(argv, capture_output=True, check=True, timeout=30)

    def query(self, statement: str) -> list[str]:
        """The rows of a query, asked past the product by MySQL's administrator."""
        client = f'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -uroot -N corporate_actions -e "{statement}"'
        return self.run("exec", "-T", "mysql", "sh", "-c", client).splitlines()

    def containers(self) -> dict[str, list[dict[str, Any]]]:
        """What the engine knows of every container, ended ones included, by service."""
        found: dict[str, list[dict[str, Any]]] = {}
        ids = self.run("ps", "--all", "--quiet").split()
        inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True, timeout=30).stdout
        for container in json.loads(inspected):
            found.setdefault(container["Config"]["Labels"]["com.docker.compose.service"], []).append(container)
        return found

    def run(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> str:
        """One call of ``docker compose``; its standard output.

        Raises:
            AssertionError: it failed; the message is what it and the containers said last.
        """
        done = self._compose(*arguments, seconds=seconds)
        if done.returncode != 0:
            logs = self._compose("logs", "--tail", "40", "--no-color", seconds=30).stdout
            raise AssertionError(
                f"docker compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-3000:]}\n{logs[-12000:]}"
            )
        return done.stdout

    def _compose(self, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
        argv = ["docker", "compose", "--project-name", self.project, "--env-file", str(self.env_file), *arguments]
        # An image name of its own: a composition in use keeps the image that it was started with.
        env = os.environ | {"CA_PORT_GATEWAY": str(self.port), "CA_VERSION": "test"}
        return subprocess.run(argv, cwd=CLONE, env=env, capture_output=True, text=True, check=False, timeout=seconds)
