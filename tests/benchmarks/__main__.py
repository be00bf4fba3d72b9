"""``python -m tests.benchmarks [NAME…] [--quick]``: one JSON object per line, each figure beside its floor. Nothing here ever fails for being slow."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import end_to_end, worker
from tests.support.stack import servers

BENCHMARKS: dict[str, Callable[..., None]] = {
    "worker.apply": partial(worker.apply, workers=1, name="worker.apply"),
    "worker.apply.two": partial(worker.apply, workers=2, name="worker.apply.two"),
    "end_to_end.latency": end_to_end.latency,
    "end_to_end.max": end_to_end.maximum,
}


def main() -> None:
    """Run what is named, or everything, on servers of its own (or on those that CA_TEST_ENDPOINTS names)."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure, by default all of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that everything works, says little about speed")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    folder = Path(os.environ.get("CA_RUN_DIR", ".run")).absolute() / "benchmarks"
    with servers(folder) as endpoints:
        for name in options.names or BENCHMARKS:
            _run(BENCHMARKS[name], endpoints, quick=options.quick)


def _run(benchmark: Callable[..., None], endpoints: Mapping[str, Any], *, quick: bool) -> None:
    benchmark(endpoints, quick=quick)


if __name__ == "__main__":
    main()
