"""Install a folder whole or not at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.local.errors import LocalStackError
from infra.local.files import exclusive
from infra.local.guard import current_mark
from infra.local.layout import cache_dir

_NEEDED_BYTES: Final = 2 * 1024**3


def install(name: str, build: Callable[[Path], None]) -> Path:
    """The cached folder ``name``, built by ``build`` if it is not there yet.

    ``build`` gets an empty folder beside the final one, which is renamed when it returns and removed when it raises:
    a half-finished download never counts as installed. A lock lets one process build while others wait for the result.

    Raises:
        LocalStackError: too little disk space, or what ``build`` raises.
    """
    cache = cache_dir()
    target = cache / name
    if target.is_dir():
        return target
    with exclusive(cache / f".lock-{name}"):
        if target.is_dir():
            return target
        for leftover in cache.glob(f".new-{name}-*"):  # the lock is ours, so whoever began these is gone
            shutil.rmtree(leftover)
        _require_space(cache)
        staging = cache / f".new-{name}-{current_mark() or os.getpid()}"
        staging.mkdir()
        try:
            build(staging)
            staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_BYTES:
        raise LocalStackError(
            f"{free // 1024**2} MiB are free in {folder}, an install needs {_NEEDED_BYTES // 1024**2}",
            "free some space, or set XDG_CACHE_HOME to a folder on a larger disk",
        )
