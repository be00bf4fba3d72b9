"""What the three servers have beyond other parts: a program of a certain version that is fetched once."""

from abc import abstractmethod
from threading import Event
from typing import ClassVar

from infra.local.layout import RunDir
from infra.local.part import Part
from infra.local.ports import Ports


class Server(Part):
    """A server of the stack."""

    kind: ClassVar[str]

    def __init__(self, run: RunDir, ports: Ports, cancel: Event) -> None:
        super().__init__(self.kind, run, ports, cancel)

    @property
    @abstractmethod
    def version(self) -> str:
        """The version in use."""

    @abstractmethod
    def install(self) -> None:
        """Put the program into the cache if it is not there yet.

        Raises:
            LocalStackError: it cannot be had.
        """
