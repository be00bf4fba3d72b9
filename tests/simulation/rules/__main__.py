"""Prints the table of rules: ``python -m tests.simulation.rules``."""

from tests.simulation.rules.table import table

print(table())
