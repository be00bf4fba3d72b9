"""Tessera's fsck: a verifier of tlog-tiles logs by somebody else, which knows nothing of this product."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

from tests.support.go_programs import GoProgram

FSCK: Final = GoProgram(
    name="tessera-fsck",
    version="1.0.4",
    module="github.com/transparency-dev/tessera",
    package="cmd/fsck",
    module_hash="h1:IXjGowubcLR0T3zUQrysSMKgtTh9KGKQ0iajUiubyP4=",
)
_SECONDS: Final = 120


class Verdict(NamedTuple):
    """What fsck said of a log. Its exit status says nothing: it is 0 either way."""

    accepted: bool
    text: str


def fsck(url: str, vkey: str, folder: Path) -> Verdict:
    """Run it over a log.

    Args:
        url: the log's address, with a slash at its end.
        vkey: the log's public key.
        folder: for the key's file.
    """
    key = folder / "fsck.vkey"
    key.write_text(vkey)
    command = [str(FSCK.install(Event())), "--storage_url", url, "--public_key", str(key), "--N", "4", "--ui=false"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, env={"HOME": str(folder)})
    told = done.stdout + done.stderr
    good = done.returncode == 0 and "fsck failed:" not in told and "Successfully fsck'd" in told
    return Verdict(good, told)
