"""What makes fresh servers ready for the product: topics, schemas, accounts, tables, securities. All of it is idempotent."""

from dataclasses import dataclass
from typing import Final

from infra.local.errors import LocalStackError
from infra.local.layout import CLONE
from infra.local.process import run_to_end
from infra.local.services import COMMAND_LINE, client_environment
from infra.local.stack import Stack

_SECURITIES: Final = CLONE / "producers" / "feed" / "sample" / "securities.csv"


@dataclass(frozen=True)
class Step:
    """One command of the product's command line, run with one MySQL account as soon as ``server`` is ready."""

    server: str
    title: str
    arguments: tuple[str, ...]
    account: str


def steps(stack: Stack) -> tuple[Step, ...]:
    """All steps; those of one server run in this order."""
    accounts = ("db", "accounts", "--passwords", str(stack.run.secrets))
    return (
        Step("kafka", "topics", ("topics", "apply"), "ca_operator"),
        Step("registry", "schemas", ("schemas", "register"), "ca_operator"),
        Step("mysql", "owner", (*accounts, "--only", "ca_migrator"), "root"),
        Step("mysql", "tables", ("db", "upgrade"), "ca_migrator"),
        Step("mysql", "accounts", accounts, "root"),
        Step("mysql", "audit key", ("audit", "new-key", "--first", "--trusted", str(stack.run.witness_trusted)), "ca_audit"),
        Step("mysql", "securities", ("securities", "load", str(_SECURITIES)), "ca_operator"),
    )


def run_step(stack: Stack, step: Step) -> None:
    """Run one step.

    Raises:
        LocalStackError: the command failed; the message is its last line.
    """
    log = stack.run.logs / f"provision-{step.title}.log"
    log.unlink(missing_ok=True)
    environment = client_environment(stack, step.account) | {"CA_AUDIT_KEYS": str(stack.run.audit_keys)}
    status = run_to_end([COMMAND_LINE, *step.arguments], log, environment, CLONE, stack.cancel)
    if status != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip(" │╭╰─╮╯")]
        reason = lines[-1].strip(" │") if lines else "no output"
        raise LocalStackError(f"`corpactions {' '.join(step.arguments)}` failed: {reason[:300]}", f"see {log}")
