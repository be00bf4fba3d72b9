"""Settings of every process: the only reader of the environment.

Each field is read from the variable ``CA_`` + its name in capitals. A wrong value stops the process with the variable's name and what is expected.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from corpactions.domain.errors import Fatal


class Settings(BaseSettings):
    """All settings with their defaults, which fit the local stack."""

    model_config = SettingsConfigDict(env_prefix="CA_", secrets_dir=os.environ.get("CA_SECRETS_DIR") or None, extra="ignore")

    kafka_bootstrap: str = Field("127.0.0.1:19092", description="Kafka bootstrap servers, host:port separated by commas.")
    topic_prefix: str = Field("", pattern=r"^[a-z0-9.-]*$", description="Put before every topic name; gives a test run topics of its own.")
    registry_url: str = Field("http://127.0.0.1:18081/apis/ccompat/v7", description="Schema registry, Confluent API.")
    mysql_host: str = "127.0.0.1"
    mysql_port: int = Field(13306, ge=1, le=65535)
    mysql_database: str = Field("corporate_actions", pattern=r"^[A-Za-z0-9_]{1,64}$")
    mysql_user: str = "root"
    mysql_password: SecretStr = SecretStr("")
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(8000, ge=1, le=65535)
    gateway_url: str = Field("http://127.0.0.1:8000", description="Where the command line finds the gateway.")
    delivery_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="How long a produce may take before its outcome is unknown (delivery.timeout.ms)."
    )
    session_timeout_seconds: float = Field(
        10.0, ge=1, le=300, description="How long the group waits for a silent worker before its partitions move."
    )
    consumer_group: str = Field("corporate-actions-lifecycle", description="The lifecycle workers' consumer group.")
    batch_records: int = Field(1000, ge=1, le=10_000, description="Most records applied in one transaction.")
    retry_attempts: int = Field(3, ge=1, le=20, description="Attempts before a Retryable event is FAILED.")
    retry_base_seconds: float = Field(1.0, gt=0, le=3600, description="First backoff; doubles with each attempt, with jitter.")
    breaker_failures: int = Field(5, ge=1)
    breaker_window_seconds: float = Field(60.0, gt=0)
    unknown_symbol: Literal["flag", "retry"] = Field("flag", description="An unknown symbol is accepted with a flag, or retried.")
    possible_duplicate: Literal["flag", "hold"] = Field(
        "flag", description="Same symbol, type and key date under another reference: flagged, or held for a decision."
    )
    security_master_url: str = Field("", description="A bank's own security master over HTTP; empty means the MySQL table.")
    audit_origin: str = Field(
        "corporate-actions/audit", pattern=r"^[a-z0-9][a-z0-9./-]{0,127}$", description="Name of the audit log and of its keys, for ever."
    )
    audit_keys: Path = Field(Path(".run/audit/keys"), description="Folder of the audit log's private keys, 0001.pem and so on, mode 600.")
    audit_trusted_key: str = Field("", description="A key of the audit log that verifiers trust, as a vkey or the path of a file with it.")
    audit_batch_records: int = Field(1000, ge=1, le=10_000, description="Most entries appended to the audit log in one transaction.")
    audit_checkpoint_entries: int = Field(1000, ge=1, description="Entries after which a checkpoint is signed at the latest.")
    audit_checkpoint_seconds: float = Field(10.0, gt=0, le=3600, description="Seconds after which new entries are under a checkpoint.")
    audit_exports: Path = Field(
        Path(".run/audit/exports"),
        description="Folder where the job audit-retention writes a segment's bundle before its removal; it must last as long as the log.",
    )
    audit_status_port: int = Field(0, ge=0, le=65535, description="Port of the audit consumer's health answers; 0 turns them off.")
    witness_url: str = Field("", description="Where the audit log finds its witness; empty: it has none.")
    witness_vkey: str = Field("", description="The witness's public key, a vkey or the path of a file with it.")
    witness_name: str = Field(
        "corporate-actions/witness", pattern=r"^[^\s+]{1,128}$", description="Name under which the witness signs, for ever."
    )
    witness_host: str = "127.0.0.1"
    witness_port: int = Field(18103, ge=0, le=65535, description="Where the witness listens.")
    witness_store: Path = Field(Path(".run/witness"), description="Folder of the witness's own: key.pem and witness.db.")
    witness_trusted: Path = Field(
        Path(".run/witness-trusted"), description="File with a line `<log name> <vkey>` for each log that the witness knows."
    )
    worker_status_port: int = Field(0, ge=0, le=65535, description="Port of the worker's health answers; 0 turns them off.")
    instance: str = Field("", description="Name of this process in logs and claims, of each start its own; empty means host:pid:random.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def topic(self, name: str) -> str:
        """The real name of a topic of the catalogue."""
        return self.topic_prefix + name


def load() -> Settings:
    """Read the environment.

    Raises:
        Fatal: a value is missing or wrong; the message names each variable and what is expected, never a secret's value.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"CA_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}" for item in error.errors()]
        raise Fatal("wrong settings: " + "; ".join(lines)) from None
