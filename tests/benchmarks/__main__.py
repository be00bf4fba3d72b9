"""``python -m tests.benchmarks [NAME…] [--quick] [--seconds N] [--flame FOLDER]``: one JSON object per line, each figure beside its floor. Nothing here ever fails for being slow."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import audit, audit_reading, audit_signing, budget, end_to_end, gateway, growth, recovery, serde, worker
from tests.benchmarks.flame import Flames
from tests.support.stack import servers

ALONE: dict[str, Callable[[], None]] = {"serde": serde.measure, "worker.budget": budget.measure, "audit.signing": audit_signing.measure}
ON_SERVERS: dict[str, Callable[[Mapping[str, Any], argparse.Namespace], None]] = {
    "gateway.single": lambda endpoints, options: gateway.measure(endpoints, "gateway.single", Flames(options.flame), quick=options.quick),
    "gateway.bulk": lambda endpoints, options: gateway.measure(endpoints, "gateway.bulk", Flames(options.flame), quick=options.quick),
    "worker.apply": lambda endpoints, options: worker.apply(endpoints, "worker.apply", 1, Flames(options.flame), quick=options.quick),
    "worker.apply.two": lambda endpoints, options: worker.apply(
        endpoints, "worker.apply.two", 2, Flames(options.flame), quick=options.quick
    ),
    "end_to_end.latency": lambda endpoints, options: end_to_end.latency(endpoints, quick=options.quick),
    "recovery.start": lambda endpoints, options: recovery.start(endpoints, quick=options.quick),
    "recovery.drain": lambda endpoints, options: recovery.drain(endpoints, quick=options.quick),
    "recovery.takeover": lambda endpoints, options: recovery.takeover(endpoints, quick=options.quick),
    "growth": lambda endpoints, options: growth.measure(endpoints, quick=options.quick),
    "growth.memory": lambda endpoints, options: growth.memory(endpoints, quick=options.quick),
    "audit.append": lambda endpoints, options: audit.append(endpoints, Flames(options.flame), quick=options.quick),
    "audit.verify": lambda endpoints, options: audit_reading.verify(endpoints, quick=options.quick),
    "audit.page": lambda endpoints, options: audit_reading.page(endpoints, quick=options.quick),
    "audit.growth": lambda endpoints, options: audit.growth(endpoints, quick=options.quick),
    "end_to_end.audited": lambda endpoints, options: audit.audited(endpoints, quick=options.quick),
    "end_to_end.max": lambda endpoints, options: end_to_end.maximum(endpoints, options.seconds or (5.0 if options.quick else 60.0)),
}

LONG = {"recovery.start", "growth", "growth.memory", "audit.growth"}
"""They take minutes, most of them to make a long history, and run only when they are named."""


def main() -> None:
    """Run what is named, or everything, on servers of its own (or on those that CA_TEST_ENDPOINTS names)."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    known = [*ALONE, *ON_SERVERS]
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(known)}; by default all but {', '.join(sorted(LONG))}"
    )
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that everything works, says little about speed")
    parser.add_argument("--seconds", type=float, help="how long end_to_end.max lasts: by default 60, with --quick 5")
    parser.add_argument(
        "--flame",
        type=Path,
        metavar="FOLDER",
        help="draw flame graphs there, of those benchmarks that can (gateway.*, worker.apply*, audit.append)",
    )
    options = parser.parse_args()
    if options.seconds is not None and options.seconds <= 0:
        parser.error(f"--seconds {options.seconds:g} is no length of time; give a number above 0")
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    names = options.names or [name for name in known if name not in LONG]
    for name in names:
        if name in ALONE:
            ALONE[name]()
    if on_servers := [name for name in names if name in ON_SERVERS]:
        folder = Path(os.environ.get("CA_RUN_DIR", ".run")).absolute() / "benchmarks"
        with servers(folder) as endpoints:
            for name in on_servers:
                ON_SERVERS[name](endpoints, options)


if __name__ == "__main__":
    main()
