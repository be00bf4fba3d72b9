"""`corpactions partitions`: how far each partition is, and letting one go on that was paused because half of its records were rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from corpactions.persistence.partitions import Progress

app = typer.Typer(help="Progress of the events topic's partitions.", no_args_is_help=True)

NOT_PAUSED = 1
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def show(as_json: Json = False) -> None:
    """Show every partition that a worker has ever claimed: its owner, how far it is, how many of its last 1,000 records were rejected."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.kafka.topics import EVENTS
    from corpactions.persistence.partitions import progress
    from corpactions.settings import load

    settings = load()
    rows = progress(build_engine(settings), settings.consumer_group, settings.topic(EVENTS))
    if as_json:
        print(json.dumps([_fields(row) for row in rows]))
        return
    for row in rows:
        state = "running" if row.paused_at is None else f"PAUSED since {row.paused_at:%Y-%m-%d %H:%M:%S} UTC"
        told = "" if row.acked_offset == row.committed_offset else f" (told up to {row.acked_offset})"
        print(
            f"{row.partition:>4}  {state}  decided up to {row.committed_offset}{told},"
            f" {row.recent_rejections} of the last 1,000 rejected, {row.owner}"
        )


@app.command()
def resume(
    partition: Annotated[int, typer.Argument(min=0, help="The partition's number.")],
    as_json: Json = False,
) -> None:
    """Let a paused partition go on (as an account that may update progress). Mend first what had its records rejected. Ends with status 1 when it is not paused."""
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.kafka.topics import EVENTS
    from corpactions.persistence import partitions
    from corpactions.settings import load

    settings = load()
    resumed = partitions.resume(build_engine(settings), settings.consumer_group, settings.topic(EVENTS), partition)
    if as_json:
        print(json.dumps({"partition": partition, "resumed": resumed}))
    else:
        print(f"partition {partition} goes on within seconds" if resumed else f"partition {partition} is not paused; nothing was changed")
    raise typer.Exit(0 if resumed else NOT_PAUSED)


def _fields(row: Progress) -> dict[str, object]:
    return {**row._asdict(), "paused_at": None if row.paused_at is None else row.paused_at.isoformat()}
