"""One JSON object per line: the figure, and the floor that the same machine gave in the same run."""

from __future__ import annotations

import json
from typing import Any


def report(name: str, value: float, unit: str, floor: float | None = None, *, less_is_better: bool = False, **more: Any) -> None:
    """Print one figure.

    Args:
        name: what was measured.
        value: in ``unit``.
        floor: the same figure of the bare work; ``ratio`` is then the share of it that we reach, 1 being as good as bare.
        less_is_better: the figure is a time or a size, not a rate.
        more: further keys, after the five that every line has.
    """
    ratio = None if floor is None else floor / value if less_is_better else value / floor
    line = {"name": name, "value": _rounded(value), "unit": unit, "floor": _rounded(floor), "ratio": _rounded(ratio)}
    print(json.dumps(line | more), flush=True)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3 if value < 1000 else 1)
