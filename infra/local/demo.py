"""The product in the foreground: up, the sample through it, then it serves until Ctrl-C and leaves nothing running."""

import os
import subprocess
import time

from infra.local.console import Console
from infra.local.errors import LocalStackError
from infra.local.layout import CLONE
from infra.local.product import Product
from infra.local.services import COMMAND_LINE, client_environment


def demo(product: Product, console: Console) -> int:
    """Run the demonstration; its exit status. What ran before stays running, what this started is stopped.

    Raises:
        LocalStackError: the product cannot start, or a part of it ended while serving.
    """
    parent = os.getppid()
    started = product.up()
    try:
        console.title("Feeding the sample through REST and Kafka")
        environment = client_environment(product.stack, "ca_operator")
        status = subprocess.run([COMMAND_LINE, "demo"], env=environment, cwd=CLONE, stdin=subprocess.DEVNULL, check=False).returncode
        if status == 0 and not _once():
            _show_addresses(product, console)
            _serve(product, parent)
    finally:
        console.title("Stopping")
        product.stop(started)
    return status


def _once() -> bool:
    """In CI, or when asked to, the demonstration ends after its report."""
    return os.environ.get("CI") == "true" or os.environ.get("CA_DEMO_ONCE") == "1"


def _show_addresses(product: Product, console: Console) -> None:
    stack = product.stack
    console.title("Serving until Ctrl-C")
    console.line("ok", "gateway", f"{product.service('gateway').address}/docs")
    console.line("ok", "kafka", stack.kafka.address)
    console.line("ok", "registry", stack.registry.address)
    console.line("ok", "mysql", f"{stack.mysql.address}, accounts in {stack.run.endpoints}")
    console.line("ok", "logs", "`make logs` in another terminal")


def _serve(product: Product, parent: int) -> None:
    """Wait until interrupted, or until ``parent``, which started this (``make``, say), is gone: a foreground command never outlives it.

    Raises:
        LocalStackError: a part ended.
    """
    while os.getppid() == parent:
        for part in product.parts:
            if part.pid is None:
                raise LocalStackError(f"{part.name} has ended: {part.process.last_line()}", f"see {part.process.log}")
        time.sleep(1)
