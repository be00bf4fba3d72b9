"""The ports of one stack: fixed by default, settable by environment, or any free ones for a private stack."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Final

from infra.local.errors import LocalStackError

HOST: Final = "127.0.0.1"

_BLOCK: Final = 16
_FREE_RANGE: Final = range(20000, 32768 - _BLOCK, _BLOCK)  # outbound sockets take 32768-60999, so a server there could find its port gone
_held: list[IO[str]] = []  # locks on blocks handed out; they fall when this process ends


@dataclass(frozen=True)
class Ports:
    """One port per listening socket of a stack; the environment variable of ``kafka`` is ``CA_PORT_KAFKA`` and so on."""

    kafka: int = 19092
    kafka_controller: int = 19093
    registry: int = 18081
    registry_management: int = 18082
    mysql: int = 13306
    gateway: int = 8000
    worker_1: int = 18101
    worker_2: int = 18102
    witness: int = 18103
    audit: int = 18104

    @classmethod
    def from_environment(cls) -> "Ports":
        """The defaults, each overridden by its ``CA_PORT_…`` variable.

        Raises:
            LocalStackError: a variable is no port, or two servers were given the same one.
        """
        chosen = {field.name: _port_setting(field.name, int(str(field.default))) for field in fields(cls)}
        names = {port: name for name, port in chosen.items()}
        for name, port in chosen.items():
            if names[port] != name:
                raise LocalStackError(
                    f"port {port} is given to both {name} and {names[port]}",
                    f"set {variable(name)} or {variable(names[port])} to another port",
                )
        return cls(**chosen)

    @classmethod
    def free(cls) -> "Ports":
        """Ports nobody uses, reserved against other callers of this function until this process ends.

        Raises:
            LocalStackError: every block of ports is in use.
        """
        names = [field.name for field in fields(cls)]
        for block in _reserved_blocks():
            ports = dict(zip(names, block, strict=False))
            if all(is_free(port) for port in ports.values()):
                return cls(**ports)
        raise LocalStackError("no free block of ports", "stop a stack that is no longer needed")


def variable(name: str) -> str:
    """The environment variable that sets the port ``name``."""
    return f"CA_PORT_{name.upper()}"


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(name: str, port: int) -> None:
    """Refuse a busy port before a server trips over it.

    Raises:
        LocalStackError: something listens on ``port``.
    """
    if not is_free(port):
        raise LocalStackError(
            f"port {port} ({name}) is taken",
            f"stop what listens there (`ss -ltnp 'sport = :{port}'`) or set {variable(name)} to a free port",
        )


def _port_setting(name: str, default: int) -> int:
    text = os.environ.get(variable(name)) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise LocalStackError(f"{variable(name)}={text!r} is no port", "set it to a number from 1 to 65535, best outside 32768-60999")
    return int(text)


def _reserved_blocks() -> Iterator[range]:
    """Blocks of ports in random order, each locked so that stacks started at the same moment never share one."""
    folder = Path(tempfile.gettempdir()) / f"corporate-actions-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for start in random.sample(_FREE_RANGE, len(_FREE_RANGE)):
        lock = (folder / str(start)).open("w")
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _held.append(lock)
            yield range(start, start + _BLOCK)
            continue
        lock.close()
