"""What every part of the stack, server or service, can do."""

from abc import ABC, abstractmethod
from threading import Event
from typing import Final

from infra.local.layout import RunDir
from infra.local.ports import Ports, require_free
from infra.local.process import ManagedProcess

READY_SECONDS: Final = 180.0
"""Longest wait for a part: seconds when idle, but a machine that builds something meanwhile needs minutes."""


class Part(ABC):
    """One process of the stack: started on the data it left, ready when it answers its own protocol."""

    def __init__(self, name: str, run: RunDir, ports: Ports, cancel: Event) -> None:
        self.name = name
        self.run = run
        self.ports = ports
        self.cancel = cancel
        self.process = ManagedProcess(name, run)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs, else None."""
        return self.process.pid

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it is found."""

    @property
    @abstractmethod
    def listens(self) -> dict[str, int]:
        """Its ports by name."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers its own protocol now."""

    def start(self) -> bool:
        """Start it and wait until it is ready; False when it ran already.

        Raises:
            LocalStackError: it cannot be installed, a port of it is taken, or it does not become ready.
        """
        fresh = self.pid is None
        if fresh:
            self.run.create()
            self.require_ports()
            self._launch()
        self.process.wait_ready(self.ready, READY_SECONDS, self.cancel)
        self._started()
        return fresh

    def require_ports(self) -> None:
        """Refuse busy ports before a start trips over them.

        Raises:
            LocalStackError: something else listens on one of them.
        """
        for name, port in self.listens.items():
            require_free(name, port)

    def stop(self) -> None:
        """End it in good order; its data stay."""
        self.process.stop()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); its data stay as they are."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it keeps its connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self.process.resume()

    @abstractmethod
    def _launch(self) -> None:
        """Prepare what is still to be prepared, and start the process."""

    def _started(self) -> None:  # noqa: B027 - most parts have nothing to do here
        """Called once it is ready."""
