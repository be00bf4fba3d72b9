"""``corpactions topics`` and ``corpactions schemas`` as an operator runs them: repeatable, one line for what went wrong, a status that says which kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from corpactions.kafka.topics import catalogue

NOBODY = "127.0.0.1:9"


def _run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", **{f"CA_{name.upper()}": value for name, value in settings.items()}}
    program = "from corpactions.commands.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_topics_apply_tells_what_it_did(endpoints: dict[str, Any], topics: str) -> None:
    done = _run("topics", "apply", "--json", kafka_bootstrap=endpoints["kafka"], topic_prefix=topics)
    assert done.returncode == 0, done.stderr
    assert [(entry["topic"], entry["outcome"]) for entry in json.loads(done.stdout)] == [
        (topics + spec.name, "unchanged") for spec in catalogue()
    ]


def test_schemas_are_checked_and_registered_repeatedly(endpoints: dict[str, Any], topic_prefix: str) -> None:
    expected = [f"{topic_prefix}{spec.name}-value" for spec in catalogue() if spec.schema]
    outcomes = []
    for arguments in (["--check"], [], [], ["--check"]):
        done = _run("schemas", "register", "--json", *arguments, registry_url=endpoints["registry"], topic_prefix=topic_prefix)
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)
        assert [result["subject"] for result in results] == expected
        outcomes.append({result["outcome"] for result in results})
    assert outcomes == [{"compatible"}, {"registered"}, {"unchanged"}, {"compatible"}]


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "says"),
    [
        (["topics", "apply"], {"kafka_bootstrap": NOBODY}, 3, "kafka is unavailable"),
        (["schemas", "register"], {"registry_url": f"http://{NOBODY}"}, 3, "registry is unavailable"),
        (["topics", "apply"], {"topic_prefix": "No Prefix"}, 4, "CA_TOPIC_PREFIX"),
        (["topics", "aply"], {}, 2, "No such command"),
        (["nonsense"], {}, 2, "No such command"),
    ],
)
def test_what_went_wrong_is_one_line_and_a_status(arguments: list[str], settings: dict[str, str], status: int, says: str) -> None:
    done = _run(*arguments, **settings)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_command_does_not_load_the_others() -> None:
    program = "import sys; from corpactions.commands.main import main\ntry: main(['topics', '--help'])\nexcept SystemExit: print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "False"
