"""The topics: their catalogue, read from ``schemas/topics``, and bringing a cluster in line with it.

Invariant: a topic's number of partitions never changes. A key would move to another partition, and its order would be lost; growth is a new topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # exported there, though not by the letter
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from corpactions.domain.errors import Fatal, Unavailable

EVENTS: Final = "corporate-actions-events"
EVENTS_DLQ: Final = "corporate-actions-events-dlq"
AUDIT: Final = "corporate-actions-audit"
AUDIT_CHECKPOINTS: Final = "corporate-actions-audit-checkpoints"
SUMMARIES: Final = "corporate-actions-summaries"

TIMEOUT_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 30.0
_SETTLE_STEP_SECONDS: Final = 0.1
_REPLICAS: Final = 3
"""Copies of each partition, wherever there are that many brokers; two of them must then confirm a write."""

_TRANSIENT: Final = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError.UNKNOWN_TOPIC_OR_PART}  # noqa: SLF001 - librdkafka's own codes
)
Outcome = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic of the catalogue. ``schema`` and ``compatibility`` are None where the value has no schema of ours (dead letters)."""

    name: str
    partitions: int
    config: Mapping[str, str]
    schema: str | None
    compatibility: str | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done about one topic; ``changes`` lists settings as ``name: old -> new``."""

    topic: str
    outcome: Outcome
    changes: tuple[str, ...] = ()


def subject_of(topic: str) -> str:
    """The registry's subject for a topic's values (TopicNameStrategy)."""
    return f"{topic}-value"


def catalogue() -> list[TopicSpec]:
    """All topics, in the order of their names."""
    folder = resources.files("schemas") / "topics"
    specs = [_spec(yaml.safe_load(entry.read_text(encoding="utf-8"))) for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return sorted(specs, key=lambda spec: spec.name)


def apply(bootstrap: str, specs: Sequence[TopicSpec], prefix: str = "") -> list[Applied]:
    """Create the topics that are missing and set what differs from the catalogue; what already fits is left alone.

    When this returns, the topics can be used.

    Args:
        bootstrap: Kafka's addresses.
        specs: the topics wanted.
        prefix: put before each name.

    Raises:
        Unavailable: Kafka does not answer within 5 seconds, or does not show its new topics within 30.
        Fatal: a topic has another number of partitions than the catalogue says, or Kafka refuses a setting. Nothing is changed in the first case.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2, "socket.timeout.ms": int(TIMEOUT_SECONDS * 1000)})
    wanted = {prefix + spec.name: spec for spec in specs}
    brokers, existing = _look(admin, bootstrap, wanted)
    copies = _REPLICAS if brokers >= _REPLICAS else 1
    configs = {name: {**spec.config, "min.insync.replicas": str(max(1, copies - 1))} for name, spec in wanted.items()}
    missing = [name for name in wanted if name not in existing]
    created = _create(admin, [NewTopic(name, wanted[name].partitions, copies, config=configs[name]) for name in missing])
    _settle(admin, bootstrap, wanted)
    changes = _configure(admin, {name: configs[name] for name in sorted(wanted.keys() - created)})
    return [_outcome(name, name not in created, changes.get(name, ())) for name in sorted(wanted)]


def _look(admin: AdminClient, bootstrap: str, wanted: Mapping[str, TopicSpec]) -> tuple[int, set[str]]:
    """The number of brokers, and which of the wanted topics are there, each with the right number of partitions."""
    try:
        metadata = admin.list_topics(timeout=TIMEOUT_SECONDS)
    except KafkaException as error:
        raise Unavailable("kafka", f"{bootstrap}: {_text(error)}") from error
    existing = {name for name in wanted if name in metadata.topics}
    for name in sorted(existing):
        found = len(metadata.topics[name].partitions)
        if found != wanted[name].partitions:
            raise Fatal(
                f"topic {name} has {found} partitions and the catalogue says {wanted[name].partitions}; the number of partitions never changes,"
                " since keys would move between them: make a new topic and drain the old one"
            )
    return len(metadata.brokers), existing


def _settle(admin: AdminClient, bootstrap: str, wanted: Mapping[str, TopicSpec]) -> None:
    """Wait until the broker shows every topic: the controller has made them, but a busy broker learns of it a moment later."""
    for _ in range(int(_SETTLE_SECONDS / _SETTLE_STEP_SECONDS)):
        if _look(admin, bootstrap, wanted)[1] == wanted.keys():
            return
        admin.poll(_SETTLE_STEP_SECONDS)
    raise Unavailable("kafka", f"the new topics do not show after {_SETTLE_SECONDS:g} s")


def _spec(entry: Mapping[str, Any]) -> TopicSpec:
    return TopicSpec(
        name=entry["topic"],
        partitions=entry["partitions"],
        config={name: str(value) for name, value in entry["config"].items()},
        schema=entry["schema"].removesuffix(".avsc") if "schema" in entry else None,
        compatibility=entry.get("compatibility"),
    )


def _outcome(name: str, existed: bool, changes: tuple[str, ...]) -> Applied:
    if not existed:
        return Applied(name, "created")
    return Applied(name, "configured" if changes else "unchanged", changes)


def _create(admin: AdminClient, topics: list[NewTopic]) -> set[str]:
    """Create topics; returns those that were really new. A topic may appear meanwhile, and a broker may tell of a new one late."""
    created = set()
    if topics:
        for name, future in admin.create_topics(topics, operation_timeout=TIMEOUT_SECONDS, request_timeout=TIMEOUT_SECONDS).items():
            try:
                future.result()
                created.add(name)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise _sorted(error) from error
    return created


def _configure(admin: AdminClient, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Set what differs, and wait until the broker shows it; returns the changes for each topic that had any."""
    differing = _differing(admin, wanted)
    if differing:
        resources_ = [
            ConfigResource(ResourceType.TOPIC, name, incremental_configs=_set({setting: wanted[name][setting] for setting in changes}))
            for name, changes in differing.items()
        ]
        _results(admin.incremental_alter_configs(resources_, request_timeout=TIMEOUT_SECONDS))
        for _ in range(int(_SETTLE_SECONDS / _SETTLE_STEP_SECONDS)):
            if not _differing(admin, wanted):
                break
            admin.poll(_SETTLE_STEP_SECONDS)
    return {
        name: tuple(f"{setting}: {now} -> {wanted[name][setting]}" for setting, now in changes.items())
        for name, changes in differing.items()
    }


def _differing(admin: AdminClient, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str | None]]:
    """By topic, the settings that are not as wanted, with what they are now."""
    if not wanted:
        return {}
    described = _results(
        admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in wanted], request_timeout=TIMEOUT_SECONDS)
    )
    differing: dict[str, dict[str, str | None]] = {}
    for resource, entries in described.items():
        now = {setting: entry.value for setting, entry in entries.items()}
        if changes := {setting: now.get(setting) for setting, value in wanted[resource.name].items() if now.get(setting) != value}:
            differing[resource.name] = changes
    return differing


def _set(values: Mapping[str, str]) -> list[ConfigEntry]:
    return [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in values.items()]


def _results(futures: Mapping[ConfigResource, Future[Any]]) -> dict[ConfigResource, Any]:
    try:
        return {resource: future.result() for resource, future in futures.items()}
    except KafkaException as error:
        raise _sorted(error) from error


def _sorted(error: KafkaException) -> Fatal | Unavailable:
    kafka_error = error.args[0]
    if kafka_error.retriable() or kafka_error.code() in _TRANSIENT:
        return Unavailable("kafka", _text(error))
    return Fatal(f"Kafka refuses the topics: {_text(error)}")


def _text(error: KafkaException) -> str:
    return str(error.args[0].str())
