"""The demonstration, step by step, against the running stack that the settings name.

Exit status: 0 everything adds up; 1 a number does not; 3 the gateway, Kafka or the registry does not answer.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from corpactions.commands.gateway_client import GatewayClient, Refused, Unreachable, problem_text
from corpactions.domain.errors import Unavailable
from corpactions.settings import load
from corpactions.system import SystemClock
from producers.feed.demo import report
from producers.feed.demo.demonstration import Demonstration, Wait
from producers.feed.demo.outcome import Outcome

app = typer.Typer(help="Feed the packaged sample through a running stack and report what became of it.")

DOES_NOT_ADD_UP: Final = 1
AWAY: Final = 3
LOG_WIDTH: Final = 160
"""Columns where no terminal says how many there are."""


@app.command()
def demo(
    *,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Longest wait, in seconds, for the events to come to their end.")] = 120,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Feed the packaged sample of real corporate actions through REST and Kafka, with wrong ones among them, and show that nothing was lost.

    May be run again on the same stack: what was announced before is recognised and changes nothing.
    """
    logging.getLogger("corpactions").addHandler(logging.NullHandler())  # what matters of the client library's log comes back as an error
    console = Console(stderr=as_json, width=None if sys.stderr.isatty() else LOG_WIDTH)
    settings = load()
    outcome = Outcome()
    try:
        with GatewayClient(settings.gateway_url) as gateway:
            demonstration = Demonstration(settings, gateway, SystemClock(), outcome)
            for title, step in demonstration.steps():
                with _progress(console, title) as wait:
                    step(wait(timeout))
    except Refused as refused:
        console.print(problem_text(refused), markup=False, soft_wrap=True)
        raise typer.Exit(DOES_NOT_ADD_UP) from None
    except (Unreachable, Unavailable) as error:
        console.print(
            f"{error}; start the stack with `make up`, or point CA_GATEWAY_URL and CA_KAFKA_BOOTSTRAP to it", markup=False, soft_wrap=True
        )
        raise typer.Exit(AWAY) from None
    if as_json:
        print(report.as_json(outcome))
    else:
        report.show(console, outcome, settings.gateway_url)
    raise typer.Exit(0 if all(check.holds for check in outcome.checks()) else DOES_NOT_ADD_UP)


@contextmanager
def _progress(console: Console, title: str) -> Iterator[Callable[[float], Wait]]:
    """A live line for one step: how many of how many, and the time it takes."""
    columns = (TextColumn("{task.description:<44}"), BarColumn(bar_width=14), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(title, total=None)

        def begin(timeout: float) -> Wait:
            return Wait(timeout, lambda total: bars.update(bar, total=total), lambda done: bars.update(bar, completed=done))

        yield begin
