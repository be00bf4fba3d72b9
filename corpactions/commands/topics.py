"""``corpactions topics``: bring Kafka's topics in line with the catalogue."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from corpactions import settings
from corpactions.kafka import topics

app = typer.Typer(help="The topics in Kafka.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``apply`` a command of its own while it is the only one."""


@app.command()
def apply(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of lines.")] = False) -> None:
    """Create the topics that are missing and set what differs from the catalogue. Partitions are never changed. Safe to repeat."""
    config = settings.load()
    applied = topics.apply(config.kafka_bootstrap, topics.catalogue(), config.topic_prefix)
    if as_json:
        print(json.dumps([asdict(result) for result in applied]))
        return
    for result in applied:
        changes = f" ({'; '.join(result.changes)})" if result.changes else ""
        print(f"{result.outcome:<10} {result.topic}{changes}")
