"""``corpactions schemas``: put the packaged schemas into the registry. Services only ever read them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from corpactions import settings
from corpactions.domain.errors import Rejected
from corpactions.kafka.registry import Registry
from corpactions.kafka.topics import TopicSpec, catalogue, subject_of
from corpactions.serde.schemas import schema_text
from corpactions.system import SystemClock

app = typer.Typer(help="The schemas in the registry.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``register`` a command of its own while it is the only one."""


@app.command()
def register(
    check: Annotated[bool, typer.Option("--check", help="Register nothing; fail when a schema would be refused.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of lines.")] = False,
) -> None:
    """Register each topic's schema and hold its subject to FULL_TRANSITIVE. Safe to repeat."""
    config = settings.load()
    registry = Registry(config.registry_url, SystemClock())
    results = []
    for spec in catalogue():
        if spec.schema is not None:
            subject = subject_of(config.topic(spec.name))
            results.append(_check(registry, subject, spec.schema) if check else _register(registry, subject, spec))
    if as_json:
        print(json.dumps(results))
    else:
        for result in results:
            print(f"{result['outcome']:<12} {result['subject']}" + (f" (id {result['id']})" if "id" in result else ""))
    refused = [str(result["subject"]) for result in results if result["outcome"] == "incompatible"]
    if refused:
        raise Rejected(
            "incompatible_schema",
            f"{', '.join(refused)} would refuse the packaged schema; change it only in ways that FULL_TRANSITIVE allows",
        )


def _register(registry: Registry, subject: str, spec: TopicSpec) -> dict[str, str | int]:
    assert spec.schema is not None
    done = registry.register(subject, schema_text(spec.schema), spec.compatibility or "FULL_TRANSITIVE")
    return {"subject": subject, "outcome": done.outcome, "id": done.schema_id}


def _check(registry: Registry, subject: str, record: str) -> dict[str, str | int]:
    return {"subject": subject, "outcome": "compatible" if registry.check(subject, schema_text(record)) else "incompatible"}
