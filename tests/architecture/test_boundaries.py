"""Who may import whom, who commits what, and that importing does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from corpactions.domain import errors
from tests.architecture.sources import PRODUCT, ROOT, SERVICES, sources

OFFSET_COMMITS = {
    "corpactions/kafka/worker.py": {"self._source"},
    "corpactions/kafka/source.py": {"self._consumer"},
    "consumers/audit/writer.py": {"self._parts.source"},
}
"""The loop decides, its adapter sends; the audit log's writer commits only so that its lag can be seen."""
PORT_COMMITS = {"consumers/lifecycle/handler.py": {"transaction"}}
"""The handler ends a transaction of ``ports.lifecycle``; what that means is the unit of work's business."""


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_domain_imports_the_standard_library_alone() -> None:
    foreign = {
        (source.path, name)
        for source in sources("corpactions/domain")
        for name in source.imports()
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("corpactions.domain")
    }
    assert foreign == set()


def test_only_persistence_begins_and_commits_in_the_database() -> None:
    elsewhere = [source for source in sources(*PRODUCT) if not source.path.startswith("corpactions/persistence/")]
    commits = {source.path: found for source in elsewhere if (found := set(source.calls("commit")))}
    assert commits == OFFSET_COMMITS | PORT_COMMITS
    assert [source.path for source in elsewhere if set(source.calls("begin"))] == []
    assert [source.path for source in elsewhere if "corpactions.persistence.unit_of_work" in set(source.imports())] == []


def test_services_commit_through_the_unit_of_work_alone() -> None:
    """``schema`` is the deployment step, which migrates under Alembic's own transactions."""
    committing = {
        source.path for source in sources("corpactions/persistence") if set(source.calls("commit")) - {"transaction", "self._transaction"}
    }
    assert committing == {"corpactions/persistence/unit_of_work.py", "corpactions/persistence/schema.py"}


def test_the_tree_of_errors_shown_is_the_tree_of_classes() -> None:
    assert errors.__doc__ is not None
    shown = [line.strip("├└─ ").split()[0] for line in errors.__doc__.splitlines() if line.startswith("    ")]
    assert shown[0] == errors.CorporateActionsError.__name__
    assert shown[1:] == [kind.__name__ for kind in errors.CorporateActionsError.__subclasses__() if kind.__module__ == errors.__name__]


def test_importing_a_module_opens_nothing_and_asks_for_no_setting() -> None:
    modules = [
        source.path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for source in sources("corpactions", *SERVICES, "schemas")
        if not source.path.endswith("__main__.py") and "/migrations/" not in source.path
    ]
    program = (
        "import importlib, sys\n"
        "def forbid(event, arguments):\n"
        "    if event in {'socket.connect', 'socket.bind', 'socket.getaddrinfo', 'subprocess.Popen', 'os.fork'}:\n"
        "        raise RuntimeError(f'{event} {arguments}')\n"
        "    if event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+'):\n"
        "        raise RuntimeError(f'{event} {arguments}')\n"
        "sys.addaudithook(forbid)\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
    )
    command = [sys.executable, "-B", "-c", program, *modules]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
