"""However a start ends, no process and no half-installed folder remains."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.errors import LocalStackError
from infra.local.install.atomic import install
from infra.local.layout import CLONE
from tests.integration.local_stack.local_command import LocalCommand

pytestmark = pytest.mark.xdist_group("local_stack")

_INSTALL_FOR_EVER = """
import os, subprocess
from pathlib import Path
from infra.local.guard import Guard
from infra.local.install.atomic import install

def build(folder: Path) -> None:
    (folder / "half").touch()
    subprocess.run(["sleep", "300"])

with Guard():
    install("thing", build)
"""


def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _begin_demo(local: LocalCommand) -> subprocess.Popen[bytes]:
    """A demonstration that is just starting its servers."""
    demo = local.start("demo")
    _eventually(lambda: (local.run_dir / "pids" / "mysql.pid").exists() and (local.run_dir / "pids" / "kafka.pid").exists())
    return demo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_nothing(local: LocalCommand, number: signal.Signals) -> None:
    demo = _begin_demo(local)
    os.killpg(demo.pid, number)
    os.killpg(demo.pid, number)  # impatience changes nothing
    assert demo.wait(timeout=30) == 130
    assert local.living() == []
    assert not (local.run_dir / "endpoints.json").exists()


def test_a_killed_demo_leaves_nothing(local: LocalCommand) -> None:
    demo = _begin_demo(local)
    demo.kill()
    demo.wait()
    _eventually(lambda: local.living() == [])


def test_a_killed_install_leaves_no_folder(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    starter = subprocess.Popen([sys.executable, "-c", _INSTALL_FOR_EVER], cwd=CLONE, env=environment, start_new_session=True)
    cache = tmp_path / "corporate-actions"
    _eventually(lambda: bool(list(cache.glob(".new-thing-*/half"))))
    starter.kill()
    starter.wait()
    _eventually(lambda: not list(cache.glob(".new-*")))
    assert not (cache / "thing").exists()


def test_a_failed_install_leaves_no_folder_and_the_next_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise LocalStackError("no network", "check it")

    with pytest.raises(LocalStackError, match="no network"):
        install("thing", fail)
    assert [path.name for path in (tmp_path / "corporate-actions").iterdir()] == [".lock-thing"]
    folder = install("thing", lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert install("thing", fail) == folder, "an installed folder is not built again"
