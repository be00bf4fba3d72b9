"""MySQL, fully durable: what it has answered survives a power cut."""

import os
import shutil
import socket
from pathlib import Path
from typing import ClassVar, Final

from infra.local.errors import LocalStackError
from infra.local.install.mysql import MySQL, install_data_template, install_mysql, user_option
from infra.local.ports import HOST
from infra.local.secrets import password
from infra.local.servers.base import Server

_OPTIONS: Final = (
    "--bind-address=" + HOST,
    "--mysqlx=OFF",
    "--secure-file-priv=NULL",
    "--server-id=1",
    "--default-time-zone=+00:00",
    # Durable: every commit is on disk in both logs before it is answered. Global transaction ids let replicas follow later.
    "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=1",
    "--log-bin=binlog",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--binlog-expire-logs-seconds=86400",
    "--innodb-buffer-pool-size=768M",
    "--innodb-redo-log-capacity=1G",
    "--max-allowed-packet=64M",
    "--max-connections=400",
    # Worth a quarter of the throughput on two cores: no instrumentation, no log-writer threads competing with the work.
    "--performance-schema=OFF",
    "--innodb-log-writer-threads=OFF",
)
_SOCKET_PATH_LIMIT: Final = 107


class MySQLServer(Server):
    """The database server: over TCP on the loopback interface and over a socket in the run directory."""

    kind: ClassVar[str] = "mysql"
    _installed: MySQL | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.ports.mysql}"

    @property
    def socket(self) -> Path:
        """The socket of the server, for the administrator on this machine."""
        return self.run.root / "mysql.sock"

    @property
    def root_password(self) -> str:
        """The generated password of ``root``."""
        return password(self.run, "root")

    @property
    def version(self) -> str:
        """The version found."""
        return self._found().version

    def install(self) -> None:
        """Find or fetch it once, and prepare a data directory to copy from."""
        install_data_template(self._found(), self.cancel)

    def ready(self) -> bool:
        """Whether it greets a new connection, which it does only after recovery and its first statements."""
        try:
            with socket.create_connection((HOST, self.ports.mysql), timeout=2) as connection:
                greeting = connection.recv(5)
        except OSError:
            return False
        return greeting[4:5] == b"\x0a"  # protocol version 10; an error packet starts with 0xff

    def _found(self) -> MySQL:
        if self._installed is None:
            self._installed = install_mysql(self.cancel)
        return self._installed

    @property
    def listens(self) -> dict[str, int]:
        """Its ports by name."""
        return {"mysql": self.ports.mysql}

    def _launch(self) -> None:
        if len(os.fsencode(self.socket)) > _SOCKET_PATH_LIMIT:
            raise LocalStackError(f"the path {self.socket} is too long for a socket", "set CA_RUN_DIR to a shorter folder")
        home = self.run.data(self.name)
        data = home / "data"
        first = not data.exists() or self._first_statements.exists()
        if first:
            self._prepare(data)
        # A killed server leaves its lock, which names a process that may still wait to be reaped; our pid file knows that it is gone.
        self.socket.with_name(f"{self.socket.name}.lock").unlink(missing_ok=True)
        argv = [
            *self._found().command,
            *user_option(),
            f"--datadir={data}",
            f"--port={self.ports.mysql}",
            f"--socket={self.socket}",
            f"--pid-file={home / 'mysqld.pid'}",
            *_OPTIONS,
            *([f"--init-file={self._first_statements}"] if first else []),
        ]
        self.process.start(argv, os.environ, home)

    def _started(self) -> None:
        self._first_statements.unlink(missing_ok=True)

    @property
    def _first_statements(self) -> Path:
        return self.run.data(self.name) / "first.sql"

    def _prepare(self, data: Path) -> None:
        """Copy the prepared data directory and have the first start give root its password: a password is never on a command line."""
        data.parent.mkdir(parents=True, exist_ok=True)
        if not data.exists():
            beside = data.with_name("data.new")
            shutil.rmtree(beside, ignore_errors=True)
            _copy(install_data_template(self._found(), self.cancel), beside)
            beside.rename(data)
        descriptor = os.open(self._first_statements, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"SET sql_log_bin = 0;\nALTER USER 'root'@'localhost' IDENTIFIED BY '{self.root_password}';\n")


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; unlike ``shutil.copytree`` it stops at the first error and says which it is (a full disk, say)."""
    target.mkdir(mode=0o700)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            _copy(path, target / path.name)
        else:
            shutil.copy2(path, target / path.name)
