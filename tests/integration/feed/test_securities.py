"""The built-in security master on a real MySQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from corpactions.domain.errors import Unavailable
from corpactions.persistence.engine import MysqlConfig, connect
from corpactions.persistence.securities import LOAD_ROWS, MysqlSecurityMaster, SecurityFact, load
from corpactions.ports.securities import Security, SecurityKey
from tests.support.gateway import Backing, backing

COMMAND = Path(sys.executable).parent / "corpactions"
APPLE = Security("AAPL", "US0378331005", "USD", "ACTIVE", None, Decimal("499.230000000000"))


@pytest.fixture(scope="module")
def made(endpoints: dict[str, Any]) -> Iterator[Backing]:
    with backing(endpoints) as found:
        yield found


@pytest.fixture
def engine(made: Backing) -> Iterator[Engine]:
    engine = connect(made.mysql_config())
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM securities"))
    yield engine
    engine.dispose()


def test_the_row_in_force_on_the_day_answers(engine: Engine) -> None:
    renamed = Security("TWX", None, "USD", "RENAMED", "T")
    active = Security("TWX", None, "USD", "ACTIVE")
    load(
        engine, [SecurityFact(date(2003, 10, 16), active), SecurityFact(date(2018, 6, 18), renamed), SecurityFact(date(2020, 8, 28), APPLE)]
    )
    days = {
        date(2003, 10, 15): None,
        date(2003, 10, 16): active,
        date(2018, 6, 17): active,
        date(2018, 6, 18): renamed,
        date(2026, 1, 1): renamed,
    }
    answers = MysqlSecurityMaster(engine).lookup([*(SecurityKey("TWX", day) for day in days), SecurityKey("AAPL", date(2020, 8, 28))])
    assert answers == {**{SecurityKey("TWX", day): known for day, known in days.items()}, SecurityKey("AAPL", date(2020, 8, 28)): APPLE}


def test_symbols_are_compared_byte_for_byte(engine: Engine) -> None:
    load(engine, [SecurityFact(date(2020, 1, 1), APPLE)])
    key = SecurityKey("aapl", date(2026, 1, 1))
    assert MysqlSecurityMaster(engine).lookup([key]) == {key: None}


def test_loading_again_changes_nothing_and_a_correction_replaces(engine: Engine) -> None:
    facts = [SecurityFact(date.fromordinal(735_000 + number), APPLE) for number in range(LOAD_ROWS + 1)]
    assert load(engine, facts) == load(engine, facts) == LOAD_ROWS + 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM securities")) == LOAD_ROWS + 1
    corrected = Security("AAPL", None, "USD", "ACTIVE", None, Decimal("0.000000000001"))
    load(engine, [SecurityFact(facts[-1].valid_from, corrected)])
    key = SecurityKey("AAPL", date(2026, 1, 1))
    assert MysqlSecurityMaster(engine).lookup([key]) == {key: corrected}


def test_many_keys_are_answered_in_one_query_each_thousand(engine: Engine) -> None:
    load(engine, [SecurityFact(date(2020, 1, 1), Security(f"S{number}", None, "USD", "ACTIVE")) for number in range(2_500)])
    keys = [SecurityKey(f"S{number}", date(2026, 1, 1)) for number in range(2_500)]
    answers = MysqlSecurityMaster(engine).lookup(keys + keys[:10])
    assert [answer.symbol for answer in answers.values() if isinstance(answer, Security)] == [key.symbol for key in keys]


def test_mysql_away_is_unavailable() -> None:
    engine = connect(MysqlConfig("127.0.0.1", 9, "corporate_actions", "nobody", ""))
    with pytest.raises(Unavailable, match="mysql"):
        MysqlSecurityMaster(engine).lookup([SecurityKey("AAPL", date(2026, 1, 1))])
    with pytest.raises(Unavailable, match="mysql"):
        load(engine, [SecurityFact(date(2020, 1, 1), APPLE)])


def run_load(made: Backing, file: Path) -> subprocess.CompletedProcess[str]:
    config = made.mysql_config()
    environment = os.environ | {
        "CA_MYSQL_HOST": config.host,
        "CA_MYSQL_PORT": str(config.port),
        "CA_MYSQL_DATABASE": config.database,
        "CA_MYSQL_USER": config.user,
        "CA_MYSQL_PASSWORD": config.password,
    }
    return subprocess.run(
        [COMMAND, "securities", "load", str(file), "--json"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_packaged_securities_load_from_the_command_line(made: Backing, engine: Engine) -> None:
    sample = Path(str(files("producers.feed") / "sample" / "securities.csv"))
    done = run_load(made, sample)
    assert (done.returncode, done.stdout) == (0, '{"loaded": 946, "refused": 0}\n'), done.stderr
    assert made.sql("SELECT COUNT(*) FROM securities") == [(946,)]


def test_wrong_lines_are_reported_and_the_others_loaded(made: Backing, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "securities.csv"
    file.write_text(
        "symbol,valid_from,isin,currency,status,successor,reference_price\n"
        "AAPL,2020-01-01,US0378331005,USD,ACTIVE,,1.5\n"
        "aapl,soon,US0378331006,usd,alive,t,1e3\n"
        "\n"
        "MSFT,2020-01-01,,USD,ACTIVE,,\n"
    )
    done = run_load(made, file)
    assert (done.returncode, done.stdout) == (1, '{"loaded": 2, "refused": 1}\n')
    told = [line.partition(": ")[2].partition("=")[0] for line in done.stderr.splitlines()]
    assert told == ["symbol", "isin", "successor", "currency", "status", "valid_from", "reference_price"]
    assert all(line.startswith(f"{file}:3: ") for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    "content", [b"symbol,isin\n", b"", b"\xff\xfe", b"symbol,valid_from,isin,currency,status,successor,reference_price\nA,B\n"]
)
def test_an_unusable_file_is_status_2(made: Backing, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "securities.csv"
    file.write_bytes(content)
    done = run_load(made, file)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
