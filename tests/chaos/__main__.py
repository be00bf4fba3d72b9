"""``python -m tests.chaos [--minutes N]``: rounds of faults until the time is over, a line for each, and a table at the end.

Ends with status 1 at the first violation, names the seed, and keeps the logs. ``CA_CRASH_SEED`` repeats a run.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from infra.local.errors import LocalStackError
from infra.local.guard import Guard
from infra.local.layout import default_run_dir
from infra.local.ports import Ports
from infra.local.secrets import passwords
from tests.chaos.campaign import RoundReport, Stroke, campaign, deal
from tests.chaos.cuts import FAULTS
from tests.chaos.proxied import ProxiedStack

EACH = 10
ROUNDS_PER_PRODUCT = 5
_SHOWN = 4_000


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="no round begins after so long (60)")
    minutes = parser.parse_args().minutes
    if minutes <= 0:
        parser.error(f"--minutes {minutes:g} is no length of time; give a number above 0")
    seed = int(os.environ.get("CA_CRASH_SEED", str(time.time_ns() % 1_000_000)))
    folder = default_run_dir() / "crash-hour" / time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    folder.mkdir(parents=True)
    print(f"CA_CRASH_SEED={seed}, logs in {folder}", flush=True)
    reports: list[RoundReport] = []
    try:
        with _clients_log_to(folder / "clients.log"):
            unanswered = _rounds(folder, seed, time.monotonic() + minutes * 60, reports)
    except LocalStackError as error:
        print(f"not run: {error}")
        return 1
    except KeyboardInterrupt:
        print(f"stopped by hand; the logs so far are in {folder}")
        return 130
    except Exception as error:
        (folder / "violation.txt").write_text(traceback.format_exc())
        print(f"VIOLATION with CA_CRASH_SEED={seed} after {len(reports)} good rounds; everything is in {folder}\n{str(error)[:_SHOWN]}")
        return 1
    finally:
        print(table(reports))
    print(f"{len(reports)} rounds clean; COMMITs that lost their answer: {dict(unanswered)}")
    shutil.rmtree(folder)
    return 0


def _rounds(folder: Path, seed: int, end: float, reports: list[RoundReport]) -> Counter[str]:
    """A new product every few rounds: judging takes longer the more a topic holds. Returns how many COMMITs lost their answer."""
    stack = ProxiedStack(folder / "run", Ports.free())
    if stack.proxies is None:
        raise LocalStackError("Go is missing, so no connection could be cut", "install it (Debian: apt-get install golang-go)")
    faults = deal(FAULTS, random.Random(seed))
    unanswered: Counter[str] = Counter()
    with Guard(), stack:
        endpoints = stack.endpoints() | {"accounts": passwords(stack.run)}
        for first in itertools.count(0, ROUNDS_PER_PRODUCT):
            if time.monotonic() > end:
                return unanswered
            with campaign(stack, endpoints, folder / f"from-round-{first}", seed) as started:
                for number in range(first, first + ROUNDS_PER_PRODUCT):
                    if time.monotonic() > end:
                        break
                    reports.append(started.round(number, list(itertools.islice(faults, EACH))))
                    print(reports[-1].line(), flush=True)
                unanswered += started.commits_unanswered()
    raise AssertionError("count() never ends")


def table(reports: list[RoundReport]) -> str:
    """Each fault: how often it struck, and the seconds until everything on the topic was decided again."""
    by_fault: dict[str, list[Stroke]] = defaultdict(list)
    for report in reports:
        for stroke in report.strokes:
            by_fault[stroke.fault].append(stroke)
    lines = [f"{'fault':32} {'struck':>6} {'measured':>8} {'p50 s':>7} {'max s':>7}"]
    for fault, strokes in sorted(by_fault.items()):
        seconds = [stroke.recovery for stroke in strokes if stroke.recovery is not None]
        figures = f"{median(seconds):7.1f} {max(seconds):7.1f}" if seconds else f"{'-':>7} {'-':>7}"
        lines.append(f"{fault:32} {len(strokes):6} {len(seconds):8} {figures}")
    return "\n".join(lines)


@contextmanager
def _clients_log_to(path: Path) -> Iterator[None]:
    """Send standard error to a file meanwhile: the Kafka clients of the checks write there that the broker is away, again and again."""
    sys.stderr.flush()
    kept = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


if __name__ == "__main__":
    raise SystemExit(main())
