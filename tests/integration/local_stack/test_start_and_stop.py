"""The servers start once, start again on their data, and stop without a trace."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import MySQLdb
import pytest

from infra.local.ports import Ports
from infra.local.services import services
from infra.local.stack import Stack
from tests.integration.local_stack.local_command import LocalCommand

pytestmark = pytest.mark.xdist_group("local_stack")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCommand]:
    local = LocalCommand(tmp_path_factory.mktemp("stack") / "run", Ports.free())
    started = local.run("servers")
    try:
        assert started.returncode == 0, started.stderr
        yield local
    finally:
        local.run("down")
    assert local.living() == []


def _pids(stack: Stack) -> dict[str, int | None]:
    return {server.name: server.pid for server in stack.servers}


def _mysql(endpoints: dict[str, str | int]) -> MySQLdb.Connection:
    return MySQLdb.connect(
        host=endpoints["host"],
        port=endpoints["port"],
        user=endpoints["user"],
        passwd=endpoints["password"],
        connect_timeout=2,
        read_timeout=1,
    )


def test_addresses_and_passwords_are_private(running: LocalCommand) -> None:
    for name in ("endpoints.json", "secrets.json"):
        assert stat.S_IMODE((running.run_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(running.run_dir.stat().st_mode) == 0o700


def test_no_password_is_on_a_command_line(running: LocalCommand) -> None:
    passwords = json.loads((running.run_dir / "secrets.json").read_text()).values()
    for pid in _pids(Stack(running.run_dir, running.ports)).values():
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert not [password for password in passwords if password in line]


def test_a_second_start_starts_nothing(running: LocalCommand) -> None:
    stack = Stack(running.run_dir, running.ports)
    before = _pids(stack)
    again = running.run("servers")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("runs already") == 3
    assert _pids(stack) == before


def test_a_start_after_a_crash_starts_only_what_is_missing_and_loses_nothing(running: LocalCommand) -> None:
    stack = Stack(running.run_dir, running.ports)
    endpoints = json.loads((running.run_dir / "endpoints.json").read_text())["mysql"]
    with _mysql(endpoints) as connection:
        connection.cursor().execute("CREATE DATABASE kept")
    before = _pids(stack)
    stack.mysql.kill()
    assert stack.mysql.pid is None
    again = running.run("servers")
    assert again.returncode == 0, again.stderr
    after = _pids(stack)
    assert after["mysql"] not in (None, before["mysql"])
    assert {name: after[name] for name in ("kafka", "registry")} == {name: before[name] for name in ("kafka", "registry")}
    with _mysql(endpoints) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES LIKE 'kept'")
        assert cursor.fetchall() == (("kept",),)


def test_a_paused_server_answers_nothing_until_it_goes_on(running: LocalCommand) -> None:
    stack = Stack(running.run_dir, running.ports)
    stack.kafka.pause()
    try:
        began = time.monotonic()
        assert not stack.kafka.ready()
        assert time.monotonic() - began < 5
        assert stack.kafka.pid is not None
    finally:
        stack.kafka.resume()
    assert stack.kafka.ready()


def test_status_tells_what_runs(running: LocalCommand) -> None:
    status = running.run("status")
    assert status.returncode == 1, "the services are not started here, so not all is ready"
    assert status.stdout.count(" ready ") == 3
    assert status.stdout.count(" stopped ") == len(services(Stack(running.run_dir, running.ports)))
