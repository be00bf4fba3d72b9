"""MySQL from the settings."""

from __future__ import annotations

from corpactions.persistence.engine import Engine, MysqlConfig, connect
from corpactions.settings import Settings


def build_engine(settings: Settings, *, wait_timeout_seconds: int = 60, pool_size: int = 5, database: str | None = None) -> Engine:
    """MySQL as the account of the settings. Workers pass a short ``wait_timeout_seconds``, so that the locks of a stopped one fall by themselves."""
    return connect(
        MysqlConfig(
            settings.mysql_host,
            settings.mysql_port,
            settings.mysql_database if database is None else database,
            settings.mysql_user,
            settings.mysql_password.get_secret_value(),
            pool_size,
            wait_timeout_seconds,
        )
    )
