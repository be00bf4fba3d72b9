"""What a person can mend is told in one line, with what to do, and without a traceback."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from threading import Event

import pytest

from infra.local.errors import LocalStackError
from infra.local.install.java import install_kafka
from infra.local.ports import HOST, Ports
from infra.local.stack import Stack
from tests.integration.local_stack.local_command import LocalCommand

pytestmark = pytest.mark.xdist_group("local_stack")


def _one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result.stdout + result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_a_busy_port(local: LocalCommand) -> None:
    with socket.create_server((HOST, local.ports.mysql)):
        line = _one_line(local.run("servers"))
    assert f"port {local.ports.mysql} (mysql) is taken" in line
    assert "CA_PORT_MYSQL" in line
    assert local.living() == []


@pytest.mark.parametrize("value", ["eighty", "0", "70000", "-1", "१२"])
def test_a_port_that_is_none(local: LocalCommand, value: str) -> None:
    line = _one_line(local.run("servers", CA_PORT_KAFKA=value))
    assert f"CA_PORT_KAFKA={value!r} is no port" in line


def test_one_port_for_two(local: LocalCommand) -> None:
    line = _one_line(local.run("servers", CA_PORT_KAFKA="19999", CA_PORT_GATEWAY="19999"))
    assert "CA_PORT_KAFKA" in line
    assert "CA_PORT_GATEWAY" in line


def test_a_run_directory_that_cannot_be(local: LocalCommand) -> None:
    local.run_dir.touch()
    assert str(local.run_dir) in _one_line(local.run("servers"))


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    stack = Stack(tmp_path / ("long" * 30), Ports.free())
    with pytest.raises(LocalStackError, match="set CA_RUN_DIR to a shorter folder"):
        stack.mysql.start()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="a small disk can be made by root alone")
def test_a_full_disk(local: LocalCommand) -> None:
    local.run_dir.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", local.run_dir], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        assert "disk is full" in _one_line(local.run("servers"))
        assert local.living() == []
    finally:
        subprocess.run(["umount", "--lazy", local.run_dir], check=True)


def test_a_missing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalStackError, match="mvn"):
        install_kafka(Event())
    assert [path for path in (tmp_path / "corporate-actions").iterdir() if not path.name.startswith(".lock-")] == []


def test_stacks_started_together_never_share_ports() -> None:
    blocks = [set(vars(Ports.free()).values()) for _ in range(5)]
    assert len(set().union(*blocks)) == sum(len(block) for block in blocks)
    assert all(port < 32768 for block in blocks for port in block), "outbound sockets take the ports above"
