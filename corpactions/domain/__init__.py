"""Pure rules of corporate actions: terms, messages, the state machine, its effects and its audit records.

Nothing here reads a clock, a database, a topic or the environment; the standard library is the only import. The same code therefore decides in the
worker, in a replay and in the tests, and a stored decision can be reproduced years later from the stored messages alone.
"""
