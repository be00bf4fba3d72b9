"""The commands of the local stack."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from infra.local.console import Console
from infra.local.demo import demo as run_demo
from infra.local.errors import LocalStackError, explain_os_error
from infra.local.follow import follow
from infra.local.guard import Guard
from infra.local.layout import RunDir, default_run_dir
from infra.local.ports import Ports
from infra.local.product import Product
from infra.local.stack import Stack

console = Console()


def up() -> int:
    """Start servers and services in the background; ready when this returns. Starts only what does not run."""
    with Guard() as guard:
        _product().up()
        guard.release()
    console.line("ok", "addresses", str(default_run_dir() / "endpoints.json"))
    return 0


def servers() -> int:
    """Start Kafka, registry and MySQL alone, in the background, with nothing in them."""
    with Guard() as guard:
        _product().up(servers_only=True)
        guard.release()
    console.line("ok", "addresses", str(default_run_dir() / "endpoints.json"))
    return 0


def down() -> int:
    """Stop everything and wait for it; the data stay."""
    if not _product().down():
        console.line("ok", "stack", "nothing was running")
    return 0


def demo() -> int:
    """Start in the foreground, feed the sample, show what happened, serve until Ctrl-C, leave nothing running."""
    with Guard():
        return run_demo(_product(), console)


def status() -> int:
    """Show each part: whether it is ready, where it is, its process and memory. Exit status 1 unless all are ready."""
    total, all_ready = 0, True
    for part in _product().parts:
        pid = part.pid
        ready = pid is not None and part.ready()
        memory = _resident_mib(pid) if pid is not None else 0
        total, all_ready = total + memory, all_ready and ready
        state = "ready" if ready else "stopped" if pid is None else "not ready"
        console.line("ok" if ready else "!!", part.name, f"{state:<10} {part.address}" + (f"  pid {pid}  {memory} MiB" if pid else ""))
    console.line("ok", "memory", f"{total} MiB resident")
    return 0 if all_ready else 1


def logs() -> int:
    """Follow all logs, each line with the name of its process."""
    follow(RunDir(default_run_dir()))
    return 0


COMMANDS: Final[dict[str, Callable[[], int]]] = {
    "up": up,
    "servers": servers,
    "down": down,
    "demo": demo,
    "status": status,
    "logs": logs,
}


def main() -> None:
    """Run a command; whatever a person can mend becomes one line and exit status 1, Ctrl-C becomes 130."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        choices.add_parser(name, help=command.__doc__)
    chosen = COMMANDS[parser.parse_args().command]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        sys.exit(chosen())
    except KeyboardInterrupt:
        sys.exit(130)
    except LocalStackError as error:
        console.error(str(error))
        sys.exit(1)
    except BrokenPipeError:  # `… | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        console.error(str(explain_os_error(error)))
        sys.exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """The first Ctrl-C ends the work in good order; further ones would only break that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _product() -> Product:
    return Product(Stack(default_run_dir(), Ports.from_environment()), console)


def _resident_mib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0
