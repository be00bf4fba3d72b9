"""The witness process: ``python -m consumers.witness``. SIGTERM ends it; a Fatal error says why and ends it with status 1."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

from consumers.witness import home
from consumers.witness.handler import Witness
from consumers.witness.server import WitnessServer
from consumers.witness.trust import Trust, read_trusted
from corpactions.domain.errors import CorporateActionsError
from corpactions.security.signing import verify
from corpactions.settings import Settings, load
from corpactions.system import SystemClock
from corpactions.telemetry import logs

_LOG = logging.getLogger("consumers.witness")


def main() -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    try:
        settings = load()
    except CorporateActionsError as error:
        print(error, file=sys.stderr)
        return 1
    logs.configure("witness", settings.instance or f"{socket.gethostname()}:{os.getpid()}", settings.log_level)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        serve(settings, stopping)
    except CorporateActionsError as error:
        _LOG.critical("%s", error)
        return 1
    except OSError as error:
        _LOG.critical(
            "CA_WITNESS_HOST, CA_WITNESS_PORT: %s:%d cannot be listened on: %s", settings.witness_host, settings.witness_port, error
        )
        return 1
    _LOG.info("stopped")
    return 0


def serve(settings: Settings, stopping: threading.Event) -> None:
    """Answer until told to stop.

    Raises:
        Fatal: the store, the key or the list of trusted keys is not as it must be.
        OSError: the port is taken.
    """
    trusted = read_trusted(settings.witness_trusted)
    book, signer = home.enter(settings.witness_store, settings.witness_name)
    vkey = home.show_vkey(settings.witness_store, signer)
    witness = Witness(book, Trust(trusted, book, verify), signer, SystemClock(), verify)
    with WitnessServer((settings.witness_host, settings.witness_port), witness) as server:
        threading.Thread(target=server.serve_forever, name="witness", daemon=True).start()
        _LOG.info(
            "the witness %s listens on %s:%d and knows %d keys of logs", vkey, settings.witness_host, server.server_port, len(trusted)
        )
        stopping.wait()
        server.shutdown()
    book.close()


if __name__ == "__main__":
    raise SystemExit(main())
