"""A rule, and the tools to switch one off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

Switch = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Args:
        name: how scenarios and tables call it.
        says: the rule.
        interleaving: what has to happen for it to matter.
        without: what goes wrong then when it is missing.
        off: takes it away, and nothing else, for the length of a ``with`` block.
        breaks: a pattern that the failing scenario's message holds: the invariant that is violated.
    """

    name: str
    says: str
    interleaving: str
    without: str
    off: Switch
    breaks: str


def replaced(*changes: tuple[Any, str, Any]) -> Switch:
    """A switch that gives attributes other values: (owner, name, value) each. An attribute that is no longer there is an error, not a rule switched off."""

    @contextmanager
    def off() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, value in changes:
                patch.setattr(owner, name, value)
            yield

    return off


def wrapped(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Switch:
    """A switch that wraps a function or method: ``wrap`` is given the real one."""
    return replaced((owner, name, wrap(getattr(owner, name))))


def together(*switches: Switch) -> Switch:
    """One rule that lives in several places."""

    @contextmanager
    def off() -> Iterator[None]:
        with ExitStack() as stack:
            for switch in switches:
                stack.enter_context(switch())
            yield

    return off


class Instead:
    """An object with some of its methods in another version."""

    def __init__(self, real: Any, **methods: Callable[..., Any]) -> None:
        self._real = real
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._real, name)
