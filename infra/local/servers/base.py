"""What all servers of the stack can do."""

from abc import ABC, abstractmethod
from threading import Event
from typing import ClassVar, Final

from infra.local.layout import RunDir
from infra.local.ports import Ports, require_free
from infra.local.process import ManagedProcess

_READY_SECONDS: Final = 60.0


class Server(ABC):
    """One server: started on the data it left, ready when it answers its own protocol."""

    name: ClassVar[str]

    def __init__(self, run: RunDir, ports: Ports, cancel: Event | None = None) -> None:
        self._run = run
        self._ports = ports
        self._cancel = cancel or Event()
        self._process = ManagedProcess(self.name, run)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs, else None."""
        return self._process.pid

    @property
    def process(self) -> ManagedProcess:
        """The process itself, for those that only watch or end it."""
        return self._process

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients find it."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The installed version."""

    @abstractmethod
    def install(self) -> None:
        """Put the program into the cache if it is not there yet.

        Raises:
            LocalStackError: it cannot be had.
        """

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers its own protocol now."""

    def start(self) -> bool:
        """Start it and wait until it is ready; False when it ran already.

        Raises:
            LocalStackError: it cannot be installed, its port is taken, or it does not become ready.
        """
        fresh = self.pid is None
        if fresh:
            self.install()
            self._run.create()
            for name, port in self._listens().items():
                require_free(name, port)
            self._launch()
        self._process.wait_ready(self.ready, _READY_SECONDS, self._cancel)
        self._started()
        return fresh

    def stop(self) -> None:
        """End it in good order; its data stay."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); its data stay as they are."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it keeps its connections and answers nothing."""
        self._process.pause()

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self._process.resume()

    @abstractmethod
    def _listens(self) -> dict[str, int]:
        """Its ports by name."""

    @abstractmethod
    def _launch(self) -> None:
        """Prepare its data where that is still to be done, and start the process."""

    def _started(self) -> None:
        """Called once it is ready."""
