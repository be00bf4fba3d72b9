"""The commands of the local stack."""

import typer
from infra.local.files import write_private_json
from infra.local.guard import Guard
from infra.local.layout import default_run_dir
from infra.local.ports import Ports
from infra.local.stack import Stack

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def servers() -> None:
    """Start Kafka, registry and MySQL alone, in the background."""
    with Guard() as guard:
        stack = Stack(default_run_dir(), Ports.from_environment())
        stack.start()
        write_private_json(stack.run.endpoints, stack.endpoints())
        guard.release()


@app.command()
def down() -> None:
    """Stop."""
    Stack(default_run_dir(), Ports.from_environment()).stop()


def main() -> None:
    """Entry."""
    app()
