"""The whole product on this machine: servers, provisioning, services; up and down as one."""

from functools import partial
from typing import Any

from infra.local import provision
from infra.local.console import Console
from infra.local.files import exclusive, write_private_json
from infra.local.part import Part
from infra.local.servers.base import Server
from infra.local.services import Service, services
from infra.local.stack import Stack
from infra.local.together import together


class Product:
    """Brings the product up and down, telling the console each step."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self.stack = stack
        self.services = services(stack)
        self._console = console

    @property
    def parts(self) -> tuple[Part, ...]:
        """Servers and services, in the order in which they are shown."""
        return (*self.stack.servers, *self.services)

    def up(self, servers_only: bool = False) -> list[Part]:
        """Start what does not run and provision it; the parts that this call started.

        Raises:
            LocalStackError: a part cannot start or a step fails; what this call started is stopped again.
        """
        self.stack.run.create()
        parts = self.stack.servers if servers_only else self.parts
        with exclusive(self.stack.run.lock):
            absent = [part for part in parts if part.pid is None]
            try:
                for part in absent:
                    part.require_ports()
                together([partial(self._serve, server, servers_only) for server in self.stack.servers], self.stack.cancel)
                if not servers_only:
                    witness, *others = self.services
                    self._start(witness)  # it makes its key at the first start, and the others are to trust that one
                    together([partial(self._start, service) for service in others], self.stack.cancel)
                write_private_json(self.stack.run.endpoints, self._endpoints(servers_only))
            except BaseException:
                self._stop(absent)
                raise
        return absent

    def down(self) -> bool:
        """Stop all that runs and wait for it; False when nothing ran."""
        run = self.stack.run
        if not run.root.exists():
            return False
        with exclusive(run.lock):
            stopped = self._stop([part for part in self.parts if part.pid is not None])
            run.endpoints.unlink(missing_ok=True)
        return stopped

    def stop(self, parts: list[Part]) -> None:
        """Stop ``parts``, the dependent ones first, and wait for them."""
        with exclusive(self.stack.run.lock):
            self._stop(parts)
            if all(part.pid is None for part in self.parts):
                self.stack.run.endpoints.unlink(missing_ok=True)

    def _stop(self, parts: list[Part]) -> bool:
        running = [part for part in parts if part.pid is not None]
        witness = [part for part in running if part is self.service("witness")]
        services = [part for part in running if isinstance(part, Service) and part not in witness]
        registry = [part for part in running if part is self.stack.registry]
        servers = [part for part in running if part not in (*services, *witness, *registry)]
        for group in (services, witness, registry, servers):  # nobody loses what it stands on before it has ended itself
            together([partial(self._end, part) for part in group], self.stack.cancel)
        return bool(running)

    def _end(self, part: Part) -> None:
        with self._console.step(part.name, "stopping", "stopped"):
            part.stop()

    def _serve(self, server: Server, servers_only: bool) -> None:
        """One lane: a server and, as soon as it is ready, the steps that need it alone."""
        if server.pid is None:
            with self._console.step(server.name, "installing (the first time only)", "installed", quiet_below=0.5):
                server.install()
        self._start(server)
        if not servers_only:
            for step in provision.steps(self.stack):
                if step.server == server.name:
                    with self._console.step(step.title, f"corpactions {' '.join(step.arguments[:2])}", "up to date"):
                        provision.run_step(self.stack, step)

    def _start(self, part: Part) -> None:
        version = f"{part.version} " if isinstance(part, Server) else ""
        how = "ready" if part.pid is None else "runs already"
        with self._console.step(part.name, f"{version}starting", f"{version}{how} at {part.address}"):
            part.start()

    def service(self, name: str) -> Service:
        """One of the services."""
        return next(service for service in self.services if service.name == name)

    def _endpoints(self, servers_only: bool) -> dict[str, Any]:
        if servers_only:
            return self.stack.endpoints()
        return {"gateway": self.service("gateway").address, "witness": self.service("witness").address} | self.stack.endpoints(
            "ca_operator"
        )
