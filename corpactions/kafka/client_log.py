"""What the Kafka client says of itself, without the flood: it reports each failed attempt to connect, and there are dozens a second while a broker is away."""

from __future__ import annotations

import logging
from typing import Final

_QUIET_SECONDS: Final = 10.0
_FAILED_CONNECTION: Final = "FAIL ["
"""How librdkafka begins such a line."""


def client_logger(name: str) -> logging.Logger:
    """The logger to hand to a client: it lets one failed connection through every ten seconds, and everything else always."""
    logger = logging.getLogger(name)
    if not any(isinstance(item, _Sparing) for item in logger.filters):
        logger.addFilter(_Sparing())
    return logger


class _Sparing(logging.Filter):
    """Time is the log record's own."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(_FAILED_CONNECTION):
            return True
        if record.created < self._quiet_until:
            return False
        self._quiet_until = record.created + _QUIET_SECONDS
        return True
