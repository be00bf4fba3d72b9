"""Every rule that exactness rests on, each with the interleaving that breaks the product without it.

``catalogue`` lists the rules: what each says, what happens where it is missing, and a context manager that switches it off alone, by putting a variant of the
real code in its place. The scenarios beside this package (``test_rules_*.py``) name the rule they show with ``showing.shows``: each runs once as the product
is, where it must pass, and once with its rule off, where it must fail, and for the reason that the catalogue gives. ``python -m tests.simulation.rules``
prints the table for docs/reliability.md.
"""
