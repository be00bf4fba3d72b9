"""A flood of bad records pauses its partition, and nobody else's, until an operator lets it go on."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from corpactions.domain.identity import partition_of
from infra.local.services import COMMAND_LINE
from tests.integration.lifecycle.conftest import Make
from tests.support.checker import judge
from tests.support.product import PARTITIONS, Product
from tests.support.upstream import Upstream, announcement, day, dividend

KEY = b"AAPL"
HOME = partition_of(KEY, PARTITIONS)


def _partitions(product: Product, *arguments: str) -> tuple[int, Any]:
    """`corpactions partitions …`: exit status and answer."""
    done = subprocess.run(
        [COMMAND_LINE, "partitions", *arguments, "--json"],
        env=product.environment("ca_operator"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def _is_paused(product: Product) -> bool:
    return product.sql("SELECT paused_at IS NOT NULL FROM partition_progress WHERE `partition` = %s", HOME) == [(1,)]


def test_half_of_a_thousand_rejected_pauses_the_partition_until_it_is_resumed(make: Make) -> None:
    made = make()
    made.load_securities("AAPL", "MSFT")
    worker = made.start_worker()
    upstream = Upstream(made)
    for number in range(499):
        upstream.post(KEY, b"bad %d" % number)
    upstream.send(*[announcement("AAPL", dividend(ex_date=day(number))) for number in range(100)])
    made.settle()
    assert not _is_paused(made), "one short of the limit"

    upstream.post(KEY, b"one too many")
    upstream.flush()
    made.wait("the partition is paused", lambda: _is_paused(made))
    behind, other = announcement("AAPL", dividend(ex_date=day(200))), announcement("MSFT")
    upstream.send(behind, other)
    made.wait_for(other.event_id, "COMPLETED")
    assert made.status(behind.event_id) is None

    worker.kill()
    made.start_worker()
    another = announcement("MSFT", dividend(ex_date=day(1)))
    upstream.send(another)
    made.wait_for(another.event_id, "COMPLETED")
    assert made.status(behind.event_id) is None, "a new owner keeps it paused"

    listed = next(row for row in _partitions(made, "list")[1] if row["partition"] == HOME)
    assert listed["recent_rejections"] == 500
    assert listed["paused_at"] is not None
    assert _partitions(made, "resume", str(HOME)) == (0, {"partition": HOME, "resumed": True})
    assert _partitions(made, "resume", str(HOME)) == (1, {"partition": HOME, "resumed": False})
    made.wait_for(behind.event_id, "COMPLETED")
    made.settle()
    assert not _is_paused(made), "its rejections are counted from nothing"
    judge(made, acked=upstream.acked)
